# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of quarantine_case: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import REPORT
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import continued, rows_of
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import (
    QUARANTINE_LOG as LOG,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import (
    held_by,
    is_added,
    refuse_writer,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.case import ROLE, case_of
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import heading
from ansible_collections.incident.distroless.plugins.plugin_utils._report.together import write_look

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "pod": {"type": "str", "required": True},
    "row": {"type": "json", "required": True},
}


class ActionModule(CaseAction):
    """Writes down one thing that was done, and what the case says now."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says where it would write."""
        refuse_writer(path, ROLE)
        if self._task.check_mode:
            return {"changed": True, "msg": f"Would write {path / LOG}"}
        about = {name: options[name] for name in ("namespace", "pod")}
        try:
            with held_by(path, ROLE) as folder:
                now = rfc3339(time.time(), "milliseconds")
                standing = (path / LOG).read_bytes() if (path / LOG).is_file() else b""
                rows = [*rows_of(standing), {"time": now, **json.loads(options["row"]), **about}]
                log = continued(standing, rows)
                case = case_of(rows, path.parent.name if is_added(path) else path.name)
                folder.write_bytes(LOG, log.text, is_durable=True)
                write_look(folder, case)
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path / LOG} cannot be continued: {type(error).__name__}: {error}"}
        return {
            "changed": True,
            "msg": heading(case),
            "path": str(path),
            "lines": log.lines,
            "last": log.last,
            "report_path": str(path / REPORT),
        }
