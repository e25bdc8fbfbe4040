# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of an inventory the pods of a cluster are: a cluster and what is wanted of it in, hosts out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query, api_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import each_item
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    DEFAULT_CONTAINER,
    container_status,
    containers,
    is_ready,
    workload_of,
)

# of a list that is read, and of clusters and namespaces that are asked at once: what is held of all of them stays below 100 MiB
PAGE, CLUSTERS, NAMESPACES = 250, 4, 2
# what the API calls names (apimachinery's IsDNS1123Subdomain): anything else could be a path or a template
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_GLOB = re.compile(r"[*?\[]")
# options of authentication that a connection to a host needs as well, and that are no secrets
_HANDED_ON = (
    *("kubeconfig", "context", "host", "ca_cert", "validate_certs", "client_cert", "client_key"),
    *("proxy", "no_proxy", "impersonate_user", "impersonate_groups"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pods of each cluster are wanted, and which of their containers: the default one, or all. annotations: the names of
    those to tell."""

    namespaces: Sequence[str] = ()
    namespace_selectors: Sequence[str] = ()
    label_selectors: Sequence[str] = ()
    field_selectors: Sequence[str] = ()
    annotations: Sequence[str] = ()
    has_all_containers: bool = False
    max_hosts: int = 100_000
    timeout: int = 120


@dataclass(frozen=True, slots=True)
class Source:
    """A cluster as it is asked: its name, empty for one without, and the options of authentication. uses_environment: what is not
    given may come from K8S_AUTH_*."""

    name: str
    params: Mapping[str, Any] = field(repr=False)
    uses_environment: bool = True

    def warn_by(self, warn: Callable[[str], None]) -> Caller:
        """Return who asks, to whom warnings are told."""
        return Caller(self.params, warn)

    def handed_on(self) -> dict[str, Any]:
        """Return the options that say which cluster it is, and hold no secret: a kubeconfig that is no path, and URLs with a
        password, are left out."""
        return {
            name: value
            for name in _HANDED_ON
            if (value := self.params.get(name)) is not None
            and not isinstance(value, Mapping)
            and not (isinstance(value, str) and "://" in value and "@" in value)
        }


@dataclass(frozen=True, slots=True)
class Caller:
    """What connecting needs to know of a module, for one who is none."""

    params: Mapping[str, Any] = field(repr=False)
    warn: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Host:
    """A container of a pod, as the API tells of it. listed_at: when it was asked, which is here, by this host's clock."""

    namespace: str
    pod: str
    container: str
    node: str
    phase: str
    owner: str
    restarts: int
    is_ready: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    listed_at: str = ""

    @property
    def name(self) -> str:
        """Return its name within its cluster."""
        return f"{self.namespace}/{self.pod}/{self.container}"

    def groups(self) -> Iterator[str]:
        """Yield the names of its groups, whatever characters are in them."""
        yield f"namespace_{self.namespace}"
        if self.owner:
            yield f"workload_{self.owner}"
        if self.node:
            yield f"node_{self.node}"
        if self.phase:
            yield f"phase_{self.phase}"
        yield "ready" if self.is_ready else "not_ready"

    def variables(self) -> dict[str, Any]:
        """Return what is told of it, each word of it the API's."""
        told = {
            "ansible_debugger_namespace": self.namespace,
            "ansible_debugger_pod": self.pod,
            "ansible_debugger_container": self.container,
            "k8s_labels": dict(self.labels),
            "k8s_owner": self.owner,
            "k8s_phase": self.phase,
            "k8s_restarts": self.restarts,
        }
        if self.listed_at:
            told["k8s_listed_at"] = self.listed_at
        return {**told, "k8s_annotations": dict(self.annotations)} if self.annotations else told


@dataclass(frozen=True, slots=True)
class Listed:
    """What came of a cluster: its hosts, and what could not be had of it. is_lost: nothing was."""

    hosts: Sequence[Host]
    failures: Sequence[Failure] = ()
    is_lost: bool = False


def list_all(sources: Sequence[Source], wanted: Wanted, warn: Callable[[str], None]) -> list[Listed]:
    """Return what came of each cluster, in their order. Raises Failure LimitExceeded for more hosts than are wanted."""
    outcomes = run_concurrently(partial(_listed, wanted, warn), sources, CLUSTERS)
    for outcome in outcomes:
        if isinstance(outcome, Failure) and outcome.reason == "LimitExceeded":
            raise outcome
    listed = [Listed((), [outcome], True) if isinstance(outcome, Failure) else outcome for outcome in outcomes]
    _check_count(sum(len(entry.hosts) for entry in listed), wanted)
    return listed


def _check_count(count: int, wanted: Wanted) -> None:
    if count > wanted.max_hosts:
        why = f"There are more than {wanted.max_hosts} hosts."
        raise Failure("LimitExceeded", why, "Narrow the selection, or raise max_hosts.")


def _listed(wanted: Wanted, warn: Callable[[str], None], source: Source) -> Listed:
    """Return what came of a cluster. Raises Failure where nothing did."""
    deadline = Deadline(wanted.timeout, "timeout")
    cluster = connect(source.warn_by(warn), deadline, uses_environment=source.uses_environment)
    namespaces = _namespaces(cluster, wanted)
    outcomes = run_concurrently(partial(_hosts_in, cluster, wanted, warn), namespaces, NAMESPACES)
    hosts: list[Host] = []
    failures: list[Failure] = []
    for outcome in outcomes:
        if not isinstance(outcome, Failure):
            hosts += outcome
        elif outcome.reason == "RbacDenied" and len(namespaces) > 1:
            # other namespaces may be another matter; all else holds for the cluster
            failures.append(outcome)
        else:
            raise outcome
    return Listed(hosts, failures, is_lost=bool(failures) and len(failures) == len(namespaces))


def _namespaces(cluster: Cluster, wanted: Wanted) -> list[str]:
    """Return the namespaces whose pods are asked for; one empty name for all of them at once."""
    if not wanted.namespace_selectors and not any(map(_GLOB.search, wanted.namespaces)):
        return list(dict.fromkeys(wanted.namespaces)) or [""]
    query = _query([("labelSelector", wanted.namespace_selectors)])
    found = (
        str(item["metadata"]["name"])
        for item in each_item(cluster, api_path("api", "v1", "namespaces"), "listing namespaces", query, PAGE)
    )
    globs = wanted.namespaces or ("*",)
    return [name for name in found if any(fnmatchcase(name, glob) for glob in globs)]


def _query(selectors: Sequence[tuple[str, Sequence[str]]]) -> Query:
    return [(parameter, ",".join(terms)) for parameter, terms in selectors if terms]


def _hosts_in(cluster: Cluster, wanted: Wanted, warn: Callable[[str], None], namespace: str) -> list[Host]:
    path = api_path("api", "v1", *(("namespaces", namespace) if namespace else ()), "pods")
    query = _query([("labelSelector", wanted.label_selectors), ("fieldSelector", wanted.field_selectors)])
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    listed_at = rfc3339(time.time())
    hosts: list[Host] = []
    shared: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    for pod in each_item(cluster, path, f"listing pods {where}", query, PAGE):
        found = hosts_of(pod, wanted, shared, listed_at)
        if not found:
            warn(f"A pod {where} is left out: its name, or that of its container, is not one that Kubernetes allows.")
        hosts += found
        _check_count(len(hosts), wanted)
    if namespace and not hosts:
        warn(f"There are no such pods {where} of {cluster.place}.")
    return hosts


def hosts_of(
    pod: Mapping[str, Any],
    wanted: Wanted,
    shared: dict[tuple[tuple[str, str], ...], Mapping[str, str]],
    listed_at: str = "",
) -> list[Host]:
    """Return the hosts that a pod is, those alone whose names are names. shared has the labels of others: most are alike."""
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    labels = {sys.intern(str(key)): sys.intern(str(value)) for key, value in (metadata.get("labels") or {}).items()}
    kind, name = workload_of(pod)
    words = (metadata["namespace"], metadata["name"])
    return [
        Host(
            namespace=sys.intern(str(words[0])),
            pod=str(words[1]),
            container=sys.intern(container),
            node=sys.intern(str(spec.get("nodeName") or "")),
            phase=sys.intern(str((pod.get("status") or {}).get("phase") or "")),
            owner=sys.intern(f"{kind.lower()}/{name}") if kind and name else "",
            restarts=int(container_status(pod, container).get("restartCount") or 0),
            is_ready=is_ready(pod),
            labels=shared.setdefault(tuple(labels.items()), labels),
            annotations={key: str(annotations[key]) for key in wanted.annotations if key in annotations},
            listed_at=listed_at,
        )
        for container in _containers(pod, has_all=wanted.has_all_containers)
        if all(is_name(str(word)) for word in (*words, container))
    ]


def is_name(word: str) -> bool:
    """Return whether the API takes a word as a name."""
    return bool(_NAME.fullmatch(word))


def _containers(pod: Mapping[str, Any], *, has_all: bool) -> list[str]:
    """Return the names of its default container, as kubectl takes it, or of its containers and sidecars."""
    spec = pod.get("spec") or {}
    apps = [str(entry["name"]) for entry in spec.get("containers") or ()]
    if has_all:
        sidecars = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
        return [*apps, *(str(entry["name"]) for entry in sidecars)]
    default = str((pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER))
    return [default] if any(default == entry["name"] for entry in containers(pod)) else apps[:1]
