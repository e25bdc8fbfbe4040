# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that are the whole of their module: they need no host, so they run where the case folder is.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible.plugins.action import ActionBase
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure


class CaseAction(ActionBase):  # type: ignore[misc]
    """Works on what its option path names."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    # the options, as an argument spec; path is one of them
    arguments: Mapping[str, dict[str, Any]]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=self.arguments)
        try:
            return {**result, **self.work(self.place(options["path"]), options)}
        except Failure as failure:
            said = f"{failure.reason}: {failure.message} {failure.hint}"
            return {**result, "failed": True, "msg": said, **{key: getattr(failure, key) for key in ("reason", "hint")}}

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the task adds to its result. Raises Failure, which fails it."""
        raise NotImplementedError

    def place(self, path: str) -> Path:
        """Return a path as the user of a playbook means it."""
        return Path(self._loader.path_dwim(path))
