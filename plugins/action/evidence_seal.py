# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of evidence_seal: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import refuse_sealed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import packed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import seal, unseal

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "sign_key": {"type": "path"},
    "archive": {"type": "str", "choices": ["auto", "gz", "zst", "none"], "default": "auto"},
}


class ActionModule(CaseAction):
    """Writes the acquisition log, the manifest and SHA256SUMS of a case, and packs it."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it says what it would seal."""
        refuse_sealed(path)
        if self._task.check_mode:
            return {"changed": True, "msg": f"Would seal {path}"}
        is_sealed = False
        try:
            unseal(path)
            sealed = seal(path, str(self.place(options["sign_key"])) if options["sign_key"] else None)
            archive = packed(path, options["archive"])
            is_sealed = True
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path} cannot be sealed: {type(error).__name__}: {error}"}
        finally:
            if not is_sealed:
                with suppress(OSError):
                    unseal(path)
        open_end = "" if sealed.is_complete else "; the acquisition did not end"
        return {
            "changed": True,
            "msg": f"{sealed.files} files ({show_size(sealed.size)}) sealed; sha256 of {SUMS}: {sealed.sums_sha256}{open_end}",
            "path": str(path),
            "is_complete": sealed.is_complete,
            "files": sealed.files,
            "sums_sha256": sealed.sums_sha256,
            **archive,
        }
