# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of evidence_verify: a bundle is checked where it lies, without a host or a cluster."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import (
    SIGNATURE,
    read_archive,
    read_folder,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import Problem, problems

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "sums_sha256": {"type": "str", "default": ""},
    "public_key": {"type": "str", "default": ""},
}
# of a result; all others are counted
MAX_PROBLEMS = 200


class ActionModule(CaseAction):
    """Checks a sealed bundle and changes nothing."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task, which fails where anything is not as it was sealed."""
        try:
            content = read_folder(path) if path.is_dir() else read_archive(path)
            found = problems(content, options["sums_sha256"], options["public_key"])
        except (OSError, ValueError, EOFError, zlib.error) as error:
            return {"failed": True, "is_intact": False, "msg": f"{path} cannot be checked: {error}"}
        sealed = content.files.get(SUMS.encode())
        has_signature = SIGNATURE.encode() in content.files
        is_checked = bool(options["public_key"]) and sealed is not None and has_signature
        is_signed = is_checked and not any(problem.kind == "signature" for problem in found)
        return {
            "changed": False,
            "failed": bool(found),
            "is_intact": not found,
            "path": str(path),
            "files": len(content.files),
            "sums_sha256": sealed,
            "problems": [problem.as_result() for problem in found[:MAX_PROBLEMS]],
            "problem_count": len(found),
            "has_signature": has_signature,
            "is_signed": is_signed,
            "msg": _of_problems(found, len(content.files), path.name)
            if found
            else _of_intact(len(content.files), sealed, has_signature=has_signature, is_signed=is_signed),
        }


def _of_problems(found: list[Problem], files: int, name: str) -> str:
    first = found[0]
    return f"{files} files, {len(found)} problems; first: {first.path or name}: {first.message}"


def _of_intact(files: int, sealed: str | None, *, has_signature: bool, is_signed: bool) -> str:
    # nothing of what was sealed says what a signature has to be
    said = f"{files - has_signature} files are as they were sealed; sha256 of {SUMS}: {sealed}"
    if is_signed:
        return f"{said}, signed by the key"
    return f"{said}; {SIGNATURE} was not checked, since no public_key was given" if has_signature else said
