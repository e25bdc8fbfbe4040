# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of evidence_redact: a sealed bundle is read where it lies, and a copy of it is made beside it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    COLLECTED,
    CaseFolder,
    made_beside,
    parse_collected,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import packed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import problems
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signature import sign
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import users_rules
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.file_copy import NOT_UNDERSTOOD
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import derive

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "salt": {"type": "str", "no_log": True},
    "rules": {"type": "list", "elements": "str", "default": []},
    "sign_key": {"type": "path"},
    "archive": {"type": "str", "choices": ["auto", "gz", "zst", "none"], "default": "auto"},
}


class ActionModule(CaseAction):
    """Makes a copy of a bundle for sharing."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says what it would make."""
        copy = path.with_name(f"{path.name}.redacted")
        if os.path.lexists(copy):
            return {"failed": True, "msg": f"{copy} is there already."}
        try:
            wrong = problems(read_folder(path))
            if wrong:
                message = f"{path} is not as it was sealed: {wrong[0].path}: {wrong[0].message}"
                return {"failed": True, "msg": message}
            rules = users_rules([str(self.place(folder)) for folder in options["rules"]])
            if self._task.check_mode:
                return {"changed": True, "msg": f"Would make {copy}"}
            collected = parse_collected(CaseFolder(path).read(COLLECTED))
            salt = (options["salt"] or secrets.token_hex(32)).encode()
            with made_beside(copy) as place:
                derived = derive(path, place, salt, collected["collectors"], rules)
                if options["sign_key"]:
                    sign(place, str(self.place(options["sign_key"])))
                archive = packed(place, options["archive"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path} cannot be copied: {type(error).__name__}: {error}"}
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(derived.counts.items())) or "nothing"
        return {
            "changed": True,
            "msg": f"{copy}: replaced {kinds}; sha256 of {SUMS}: {derived.sums_sha256}",
            "path": str(copy),
            "replaced": dict(derived.counts),
            "binaries": [row["path"] for row in derived.rows if row["what"] == "binary"][:200],
            "not_understood": [row["path"] for row in derived.rows if row["what"] in NOT_UNDERSTOOD][:200],
            "sums_sha256": derived.sums_sha256,
            "archive": str(copy.with_name(Path(archive["archive"]).name)) if archive["archive"] else None,
            "archive_sha256": archive["archive_sha256"],
        }
