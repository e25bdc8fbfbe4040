# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of evidence_seal: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from ansible.release import __version__ as ansible_version
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquired import next_log, read_acquired
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import log_rows, manifest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import packed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import (
    LOG,
    MANIFEST,
    SIGNATURE,
    Content,
    read_folder,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS, sums
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signature import sign
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.verify import link_rows, lost_files

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
        if (path / SUMS).exists():
            return {
                "failed": True,
                "msg": f"{path} is sealed already, and a sealed bundle is never changed.",
            }
        if self._task.check_mode:
            return {"changed": True, "msg": f"Would seal {path}"}
        is_sealed = False
        try:
            _unseal(path)
            content, about, sealed = _seal(path, is_signed=bool(options["sign_key"]))
            if options["sign_key"]:
                sign(path, str(self.place(options["sign_key"])))
            archive = packed(path, options["archive"])
            is_sealed = True
        except (OSError, ValueError, LookupError, TypeError) as error:
            return {"failed": True, "msg": f"{path} cannot be sealed: {type(error).__name__}: {error}"}
        finally:
            if not is_sealed:
                with suppress(OSError):
                    _unseal(path)
        open_end = "" if about["is_complete"] else "; the acquisition did not end"
        return {
            "changed": True,
            "msg": f"{len(content.files)} files ({show_size(content.size)}) sealed; sha256 of {SUMS}: {sealed}{open_end}",
            "path": str(path),
            "is_complete": about["is_complete"],
            "files": len(content.files),
            "sums_sha256": sealed,
            **archive,
        }


def _unseal(folder: Path) -> None:
    """Takes away what sealing by half leaves, also where it was killed: a case without a seal can be sealed again. Raises OSError.

    SHA256SUMS goes first, since a folder that has it is never touched again.
    """
    for name in (SUMS, SIGNATURE, MANIFEST, f".{SUMS}.partial", f".{MANIFEST}.partial"):
        (folder / name).unlink(missing_ok=True)


def _seal(folder: Path, *, is_signed: bool) -> tuple[Content, dict[str, Any], str]:
    """Writes the three files; the content that was sealed, the manifest, and the hash of SHA256SUMS."""
    case = CaseFolder(folder)
    acquired = read_acquired(case)
    log = next_log(case, acquired)
    case.write_bytes(LOG, log.text, is_durable=True)
    found = read_folder(folder)
    if found.others:
        raise ValueError(f"{found.others[0]!r} is neither file nor link")
    if lost := lost_files(log_rows(acquired), found):
        raise ValueError(f"{lost[0].path}: {lost[0].message}")
    counts = {"files": len(found.files) + 1, "bytes": found.size, "is_signed": is_signed}
    sealed = {"log": {"lines": log.lines, "last": log.last}, "links": link_rows(found), "sealed": counts}
    about = manifest(acquired, _versions(), sealed)
    text = json.dumps(about, indent=1).encode() + b"\n"
    found.files[MANIFEST.encode()] = case.write_bytes(MANIFEST, text, is_durable=True)
    found.size += len(text)
    return found, about, case.write_bytes(SUMS, sums(found.files), is_durable=True)


def _versions() -> dict[str, str | None]:
    return {"incident.distroless": _own_version(), "ansible-core": ansible_version, "python": platform.python_version()}


def _own_version() -> str | None:
    """As the installed collection has it, else as the checkout."""
    root = Path(__file__).parents[2]
    if (root / "MANIFEST.json").is_file():
        return str(json.loads((root / "MANIFEST.json").read_bytes())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])
