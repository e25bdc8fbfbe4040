# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of case_open: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import Opening, look_again, open_case
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import as_rows, parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import users_rules

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "role": {"type": "str", "required": True},
    "case_id": {"type": "str", "default": ""},
    "add_to_case": {"type": "bool", "default": False},
    "collectors": {"type": "list", "elements": "str", "default": []},
    "borrowed": {"type": "dict", "default": {}},
    "redact_rules": {"type": "list", "elements": "str", "default": []},
    "look": {"type": "str", "choices": ["new", "continued", "again"], "default": "new"},
}


class ActionModule(CaseAction):
    """Opens a case for a look of a role, before the look changes anything."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says which case it would be."""
        now = dt.datetime.now(dt.UTC)
        writes = not self._task.check_mode
        role, case_id, look = options["role"], options["case_id"], options["look"]
        opening = Opening(role, case_id, adds=options["add_to_case"], continues=look == "continued")
        try:
            # before the case is made: what cannot be read looks at nothing
            rows = self._collectors(options["collectors"], options["borrowed"])
            users_rules([str(self.place(folder)) for folder in options["redact_rules"]])
            if look == "again":
                case, folder = path / case_id, look_again(path / case_id, role)
            else:
                opened = open_case(path, opening, now, writes=writes)
                case, folder = opened.case, opened.folder
        except (OSError, ValueError) as error:
            return {"failed": True, "msg": f"{path / case_id} cannot be opened: {error}"}
        return {
            "changed": writes and look != "again",
            "msg": f"{role} looks into {folder}",
            "case_id": case.name,
            "case_path": str(case),
            "path": str(folder),
            "started": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "collectors": rows,
        }

    def _collectors(self, folders: Sequence[str], borrowed: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
        """Return the collectors in folders, and those of other folders whose names are given, in the order of volatility.

        Raises OSError, and ValueError for what is no collector.
        """
        own = parse_collectors(read_checks([str(self.place(folder)) for folder in folders]))
        named = {name for names in borrowed.values() for name in names} - {collector.name for collector in own}
        others = parse_collectors(read_checks([str(self.place(folder)) for folder in borrowed])) if named else []
        found = [*own, *(collector for collector in others if collector.name in named)]
        return as_rows(sorted(found, key=lambda collector: collector.volatility))
