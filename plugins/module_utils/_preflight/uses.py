# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each use of this collection asks the API for: what it cannot do without, and what it knows less without.

Pure. The Roles in playbooks/files say the same, and a test compares them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """One verb on one resource (with its subresource) of an API group, of one object where it is named."""

    group: str
    resource: str
    verb: str
    name: str = ""
    is_namespaced: bool = True

    def __str__(self) -> str:
        """Return it as a person names it."""
        return f"{self.verb} on {self.resource}" + (f" {self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class Extra:
    """What a use goes on without, and what is lost then."""

    accesses: tuple[Access, ...]
    without: str


@dataclass(frozen=True, slots=True)
class Use:
    """needed: what a use cannot do without. injects: it is nothing without an ephemeral container in the pod. copies: it makes a pod."""

    needed: tuple[Access, ...]
    extra: tuple[Extra, ...]
    injects: bool = True
    copies: bool = False


def _on(group: str, resources: str, verbs: str) -> tuple[Access, ...]:
    return tuple(Access(group, resource, verb) for resource in resources.split() for verb in verbs.split())


_POLICIES = "networking.k8s.io"
_INJECT = (
    *_on("", "pods", "get watch"),
    *_on("", "pods/ephemeralcontainers", "patch"),
    *_on("", "pods/exec", "get create"),
)
_SELECTORS = Extra(_on("", "pods", "list"), "pods are found by their names alone, not by selectors or workload")
_WORKLOADS = Extra(
    (*_on("apps", "deployments statefulsets daemonsets replicasets", "get"), *_on("batch", "jobs cronjobs", "get")),
    "a workload of such a kind is not found; a pod by its name, and selectors, are",
)
_TRIAGE = Extra(
    (*_on("", "events", "get list"), *_on("", "pods/log", "get")),
    "what the API's events and logs say stays unknown",
)

USES: dict[str, Use] = {
    "look": Use(_INJECT, (_SELECTORS, _WORKLOADS, _TRIAGE)),
    "fetch": Use(_INJECT, (_SELECTORS, _WORKLOADS)),
    "copy": Use(
        _on("", "pods", "get create watch list delete"),
        (
            _WORKLOADS,
            Extra(_on("", "persistentvolumeclaims", "get"), "which claims cannot be shared is not said before"),
        ),
        injects=False,
        copies=True,
    ),
    "quarantine": Use(
        (
            *_on("", "pods", "get list patch"),
            *_on("", "services", "list"),
            *_on("discovery.k8s.io", "endpointslices", "list"),
            *_on(_POLICIES, "networkpolicies", "get list create patch delete"),
        ),
        (
            Extra(_INJECT, "the pod is isolated, and nothing tries from inside whether that holds"),
            _WORKLOADS,
            Extra(
                (*_on("", "resourcequotas", "list"), *_on("policy", "poddisruptionbudgets", "list")),
                "what it would do to others stays unknown",
            ),
        ),
        injects=False,
    ),
    "evidence": Use(
        _INJECT,
        (
            _SELECTORS,
            _WORKLOADS,
            _TRIAGE,
            Extra(
                (
                    Access("", "nodes", "get", is_namespaced=False),
                    Access("", "namespaces", "get", "kube-system", is_namespaced=False),
                ),
                "the bundle has neither the nodes' objects nor what the cluster is known by",
            ),
        ),
    ),
}


def asked_of(uses: Iterable[str]) -> list[Access]:
    """Return every access that some of the uses has to do with, each once."""
    needed = [access for use in uses for access in USES[use].needed]
    extra = [access for use in uses for row in USES[use].extra for access in row.accesses]
    return sorted({*needed, *extra})


def needed_by(uses: Iterable[str]) -> list[Access]:
    """Return what the uses together cannot do without, each once."""
    return sorted({access for use in uses for access in USES[use].needed})


def as_rules(accesses: Sequence[Access]) -> list[dict[str, list[str]]]:
    """Return the rules of a Role that allow exactly that: one for each resource, resources with the same verbs together."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for access in sorted(accesses):
        verbs.setdefault((access.group, access.resource), []).append(access.verb)
    resources: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), words in verbs.items():
        resources.setdefault((group, tuple(words)), []).append(resource)
    return [
        {"apiGroups": [group], "resources": names, "verbs": list(words)} for (group, words), names in resources.items()
    ]
