# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of triage_judge: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    COLLECTED,
    FINDINGS,
    REPORT,
    CaseFolder,
    parse_collected,
    read_checks,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import held_by, look_again, refuse_writer
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import judge, unreached
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import users_rules
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import (
    heading,
    is_failure,
    stats,
    summary_lines,
    telling,
    without_secrets,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._report.together import write_look

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "role": {"type": "str"},
    "analyzers": {"type": "list", "elements": "str", "required": True},
    "settings": {"type": "dict", "default": {}},
    "redact_rules": {"type": "list", "elements": "str", "default": []},
    "fail_on": {"type": "str", "choices": ["never", "fail", "warn"], "default": "never"},
}


class ActionModule(CaseAction):
    """Reads what was collected, judges it, and writes the case's files."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it judges and writes nothing."""
        folder = CaseFolder(look_again(path, options["role"]) if options["role"] else path)
        keeps = not self._task.check_mode
        try:
            rules = users_rules([str(self.place(name)) for name in options["redact_rules"]])
            analyzers = parse_analyzers(read_checks([str(self.place(name)) for name in options["analyzers"]]))
            role = str(parse_collected(folder.read(COLLECTED))["role"])
            refuse_writer(folder.path, role)
            with held_by(folder.path, role) if keeps else nullcontext():
                case = judge(
                    folder, parse_collected(folder.read(COLLECTED)), analyzers, options["settings"], keeps=keeps
                )
                told = write_look(folder, case, rules) if keeps else without_secrets(case, telling(rules))
        except (OSError, ValueError) as error:
            return {"failed": True, "msg": str(error)}
        return {
            "changed": not self._task.check_mode,
            "msg": heading(told),
            "verdict": told["verdict"],
            "counts": told["counts"],
            "summary": summary_lines(told, str(folder.path)),
            "stats": stats(told, str(folder.path)),
            "failed_targets": told["failed_targets"],
            "reached": len(told["targets"]),
            "path": str(folder.path),
            "findings_path": str(folder.path / FINDINGS),
            "report_path": str(folder.path / REPORT),
            "is_failure": is_failure(told["verdict"], options["fail_on"], has_unreached=bool(unreached(told))),
        }
