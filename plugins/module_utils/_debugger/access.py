# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a debugger may not read its target, by the kernel's rules, and what would do.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import ProbeResult

# more than that is as good as all: then SYS_PTRACE alone is the smaller step
FEW_CAPABILITIES = 3

_NOT_DUMPABLE = "The target is not dumpable (a file capability, a dropped setuid, an unreadable binary"


def why_unreadable(sight: ProbeResult, label: str) -> Failure:
    """PermissionDenied or LsmDenied with what keeps this debugger from the target's root, by the kernel's rules, and what would do."""
    us, them = sight.debugger, sight.target
    if them is None:
        return Failure(
            "PermissionDenied",
            f"{label}: the debugger can read neither the root nor the status of the target's process.",
        )
    lacking = sorted(set(them.capabilities) - set(us.capabilities))
    what = f"the debugger ({us.uid}:{us.gid}) may not read {sight.root} of the target ({them.uid}:{them.gid}"
    message = (
        f"{label}: {what}{', which holds ' + ', '.join(lacking) + ' that the debugger has not' if lacking else ''})."
    )
    elevate = "Set allow_elevated: true for root with SYS_PTRACE."
    is_equal = (us.uid, us.gid) == (them.uid, them.gid)
    is_allowed = "SYS_PTRACE" in us.capabilities or (is_equal and not lacking and sight.is_dumpable)
    if is_allowed and us.label and them.label and us.label != them.label:
        words = (
            f"Its identity would do, but the security module runs it as {us.label!r} and the target as {them.label!r}."
        )
        return Failure("LsmDenied", f"{label}: {what}). {words}")
    if not sight.is_dumpable:
        return Failure("PermissionDenied", f"{message} {_NOT_DUMPABLE}).", elevate)
    if not is_equal:
        return Failure("PermissionDenied", message)
    if not lacking:
        message += f" {_NOT_DUMPABLE}), or a security module keeps it apart."
        return Failure("PermissionDenied", message, elevate)
    # root alone: the capabilities of others are gone after the exec of the debug image's program
    if us.uid == 0 and len(lacking) <= FEW_CAPABILITIES:
        added = f"custom: {{securityContext: {{capabilities: {{add: [{', '.join(lacking)}]}}}}}}"
        return Failure(
            "PermissionDenied",
            message,
            f"Give the debugger the same by {added}, or set allow_elevated: true for root with SYS_PTRACE.",
        )
    return Failure("PermissionDenied", message, elevate)
