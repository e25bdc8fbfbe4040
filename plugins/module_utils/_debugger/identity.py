# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who the debugger must be to read the target: identities as they are known, and the attempts to make, weakest first.

Pure. The rule is the kernel's: reading /proc/<pid>/root asks for ptrace read access (kernel/ptrace.c,
__ptrace_may_access): equal uid and gid, and every capability that the target holds; or SYS_PTRACE.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# who looks into a target that nobody has told us anything about, where root is not admitted: /proc/<pid>/status is
# readable by anyone, so this one can learn whom to match
STRANGER = 65532

# the capabilities that kubectl's netadmin profile adds
NETADMIN = frozenset({"NET_ADMIN", "NET_RAW"})


@dataclass(frozen=True, slots=True)
class TargetIdentity:
    """The target's identity as far as it is known. source: api, spec, process or unknown; capabilities: those it holds
    beyond the runtime's own (from the spec), or all it holds (from the process), as names without CAP_."""

    uid: int | None
    gid: int | None
    supplemental_groups: tuple[int, ...]
    capabilities: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """What the user asked for: profile and identity (auto or a name), and overrides of uid and gid."""

    profile: str = "auto"
    identity: str = "auto"
    allow_elevated: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What a first debugger saw that could not read: who the target's process is, and whether its equal may read it."""

    uid: int
    gid: int
    is_matchable: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One debugger to try: profile and identity are resolved words (never auto); None leaves uid or gid to image and pod.
    confinement are the target's own fields for AppArmor and SELinux; is_root_allowed: it takes back a runAsNonRoot of the
    pod's; learned: what led to it, which its mark remembers."""

    profile: str
    identity: str
    run_as_user: int | None = None
    run_as_group: int | None = None
    confinement: Mapping[str, Any] = field(default_factory=dict)
    is_root_allowed: bool = False
    learned: Learned | None = field(default=None, compare=False)


def known_identity(target: Target) -> TargetIdentity:
    """Return what the API says: containerStatuses[].user.linux (KEP-3619) is the truth at the start, the spec a promise."""
    added = _added_capabilities(target.spec)
    linux = (target.status.get("user") or {}).get("linux") or {}
    if "uid" in linux and "gid" in linux:
        groups = tuple(sorted(int(group) for group in linux.get("supplementalGroups") or ()))
        return TargetIdentity(int(linux["uid"]), int(linux["gid"]), groups, added, "api")
    own = target.spec.get("securityContext") or {}
    shared = (target.manifest.get("spec") or {}).get("securityContext") or {}
    uid = own.get("runAsUser", shared.get("runAsUser"))
    if uid is None:
        return TargetIdentity(None, None, (), added, "unknown")
    # without runAsGroup the kubelet asks the runtime for gid 0, unless the image's /etc/passwd knows better
    gid = own.get("runAsGroup", shared.get("runAsGroup", 0))
    return TargetIdentity(int(uid), int(gid), (), added, "spec")


def confinement(container: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which a container asks for an AppArmor profile or an SELinux label of its own; the pod's are inherited."""
    own = container.get("securityContext") or {}
    return {key: own[key] for key in ("appArmorProfile", "seLinuxOptions") if own.get(key)}


def first_attempts(wish: IdentityRequest, target: Target, known: TargetIdentity) -> list[Attempt]:
    """Return the debuggers to try, weakest first; a later one only when admission or the kubelet refuses those before it."""
    if wish.identity == "elevated":
        return [Attempt(_named(wish, "general"), "elevated", wish.run_as_user, wish.run_as_group)]
    if wish.run_as_user is not None or wish.run_as_group is not None:
        named = Attempt(_named(wish, "baseline"), "image", wish.run_as_user, wish.run_as_group)
        if wish.run_as_user == 0:
            return [replace(named, is_root_allowed=_forbids_root(target))]
        return (
            [named] if wish.profile != "auto" or not wish.run_as_user else [_with_profile(named, "restricted"), named]
        )
    if wish.identity == "image":
        return [Attempt(_named(wish, "baseline"), "image")]
    if known.uid is None:
        return _strangers(wish, target)
    return _matching(wish, target, known)


def _strangers(wish: IdentityRequest, target: Target) -> list[Attempt]:
    """Return those for a target of which the API tells no user: an image's own, before the kubelet or the runtime tell it."""
    unknown = Attempt(_named(wish, "baseline"), "image")
    stranger = Attempt(_named(wish, "restricted"), "match", STRANGER, STRANGER)
    own = (target.spec.get("securityContext") or {}).get("runAsNonRoot")
    if own is True or (own is None and _forbids_root(target)):
        # the kubelet never starts our image's root in such a pod, and root is not who the target is
        return [stranger, *([_with_profile(stranger, "baseline")] if wish.profile == "auto" else []), unknown]
    if _forbids_root(target):
        # a container that takes back what its pod says is root
        unknown = Attempt(_named(wish, "baseline"), "match", 0, 0, is_root_allowed=True)
    return [unknown] if wish.profile != "auto" else [unknown, stranger]


def recalled_attempts(wish: IdentityRequest, target: Target, learned: Learned) -> list[Attempt]:
    """Return what the wish comes to with what an earlier debugger learned, so that nothing is learned twice; empty where it has
    no say in that."""
    identity = TargetIdentity(learned.uid, learned.gid, (), (), "process")
    nobody = (-1, -1)
    return next_attempts(wish, target, identity, Attempt("baseline", "image"), nobody, is_dumpable=learned.is_matchable)


def next_attempts(
    wish: IdentityRequest,
    target: Target,
    learned: TargetIdentity,
    tried: Attempt,
    ran_as: tuple[int, int],
    *,
    is_dumpable: bool = True,
) -> list[Attempt]:
    """Return what to try once more with what was learned inside, when the first debugger could not read. Empty: nothing helps.

    ran_as is who that debugger really was, which image and pod may decide: its equal would be refused as it was. A target
    that is not dumpable refuses every equal.
    """
    attempts: list[Attempt] = []
    overridden = wish.run_as_user is not None or wish.run_as_group is not None
    helps = is_dumpable and ran_as != (learned.uid, learned.gid)
    if wish.identity in ("auto", "match") and not overridden and helps:
        attempts += _matching(wish, target, learned, explicit=True)
    if wish.identity == "auto" and wish.allow_elevated and tried.identity != "elevated":
        attempts.append(Attempt(_named(wish, "general"), "elevated"))
    if learned.uid is None or learned.gid is None:
        return attempts
    memory = Learned(learned.uid, learned.gid, is_matchable=helps)
    return [replace(attempt, learned=memory) for attempt in attempts]


def _matching(wish: IdentityRequest, target: Target, known: TargetIdentity, *, explicit: bool = False) -> list[Attempt]:
    confined = confinement(target.spec)
    if known.uid:
        matched = Attempt(_named(wish, "restricted"), "match", known.uid, known.gid, confined)
        # restricted asks for a seccomp profile and for no new privileges, which a policy may refuse; baseline asks for nothing
        return [matched] if wish.profile != "auto" else [matched, _with_profile(matched, "baseline")]
    if wish.identity == "match" or explicit or confined or _pod_sets_identity(target):
        profile, allowed = _named(wish, _root_profile(target, known)), _forbids_root(target)
        root = Attempt(profile, "match", 0, known.gid, confined, is_root_allowed=allowed)
    else:
        root = Attempt(_named(wish, _root_profile(target, known)), "image")
    return [root]


def _root_profile(target: Target, known: TargetIdentity) -> str:
    added = set(known.capabilities) if known.source != "process" else set(_added_capabilities(target.spec))
    return "netadmin" if added and added <= NETADMIN else "baseline"


def _named(wish: IdentityRequest, otherwise: str) -> str:
    return otherwise if wish.profile == "auto" else wish.profile


def _with_profile(attempt: Attempt, profile: str) -> Attempt:
    return replace(attempt, profile=profile)


def _pod_sets_identity(target: Target) -> bool:
    shared = (target.manifest.get("spec") or {}).get("securityContext") or {}
    return any(shared.get(key) for key in ("runAsUser", "runAsGroup", "runAsNonRoot"))


def _forbids_root(target: Target) -> bool:
    """Return whether the pod's own runAsNonRoot holds for each container that does not take it back."""
    shared = (target.manifest.get("spec") or {}).get("securityContext") or {}
    return shared.get("runAsNonRoot") is True


def _added_capabilities(spec: Mapping[str, Any]) -> tuple[str, ...]:
    added = ((spec.get("securityContext") or {}).get("capabilities") or {}).get("add") or ()
    return tuple(sorted(str(name).removeprefix("CAP_") for name in added))
