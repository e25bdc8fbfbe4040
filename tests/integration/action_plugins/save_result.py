# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps a registered result for the test that started the play: at a third of the time that a task of ansible.builtin.copy takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Options: dest, and content, the result as JSON."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the task, also in check mode: it is no part of what is tested."""
        content, dest = self._task.args["content"], Path(self._task.args["dest"])
        # what looks like JSON is no text any more when ansible-core 2.18 hands it over
        dest.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return {**super().run(tmp, task_vars), "changed": True}
