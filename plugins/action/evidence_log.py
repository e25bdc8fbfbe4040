# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of evidence_log: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import COLLECTED, CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import refuse_writer
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquired import (
    FETCH,
    next_log,
    read_acquired,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import LOG

ROLE = "evidence_bundle"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "collected": {"type": "json"},
    "fetch": {"type": "json"},
}


class ActionModule(CaseAction):
    """Writes down what was done so far, so that it stands if nothing comes after it."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says where it would write."""
        refuse_writer(path, ROLE)
        if self._task.check_mode:
            return {"changed": True, "msg": f"Would write {path / LOG}"}
        case = CaseFolder(path)
        try:
            log = next_log(case, read_acquired(case, options["collected"], options["fetch"]))
            # the log last: one that says more than the case would be a broken one
            for name, document in ((COLLECTED, options["collected"]), (FETCH, options["fetch"])):
                if document is not None:
                    case.write_bytes(name, document.encode(), is_durable=True)
            case.write_bytes(LOG, log.text, is_durable=True)
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path / LOG} cannot be written: {type(error).__name__}: {error}"}
        return {
            "changed": True,
            "msg": f"{log.lines} lines of {path / LOG} stand",
            "path": str(path / LOG),
            "lines": log.lines,
            "last": log.last,
        }
