# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of triage_keep: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import COLLECTED, parse_collected
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import held_by, refuse_writer

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "collected": {"type": "json", "required": True},
}


class ActionModule(CaseAction):
    """Keeps who looked, when, and what came of it."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says where it would write."""
        try:
            role = str(parse_collected(options["collected"])["role"])
            refuse_writer(path, role)
            if not self._task.check_mode:
                with held_by(path, role) as case:
                    case.write_bytes(COLLECTED, options["collected"].encode(), is_durable=True)
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path / COLLECTED} cannot be written: {type(error).__name__}: {error}"}
        return {"changed": True, "msg": f"What was collected is in {path / COLLECTED}", "path": str(path)}
