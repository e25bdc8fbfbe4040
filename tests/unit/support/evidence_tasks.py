# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tasks that seal and verify a case, run without a play."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.incident.distroless.plugins.action import evidence_verify


def run(action: Any, path: Path, **options: Any) -> dict[str, Any]:
    """Runs a task of one of both."""
    loader = SimpleNamespace(path_dwim=str)
    made = action.ActionModule(SimpleNamespace(check_mode=False), None, None, loader, None, None)
    defaults = {name: spec.get("default") for name, spec in action.ARGUMENTS.items()}
    found: dict[str, Any] = made.work(path, defaults | options)
    return found


def verify(path: Path, **options: Any) -> dict[str, Any]:
    return run(evidence_verify, path, **options)
