# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What kubectl's own cases for debug containers hand over and expect, in pods and in copies of them."""

from __future__ import annotations

from typing import Any

MARK = {"name": "INCIDENT_DISTROLESS", "value": "debugger"}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
# what all three of kubectl's cases for --custom hand over
CUSTOM: dict[str, Any] = {
    "imagePullPolicy": "Never",
    "stdin": True,
    "securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": False},
}


def debug_container(**fields: Any) -> dict[str, Any]:
    """The debug container of kubectl's cases, with what ours always have."""
    ours = {"name": "debugger", "image": "busybox", "imagePullPolicy": "IfNotPresent"}
    return {**ours, "command": ["sleep", "60"], "env": [MARK], **fields}
