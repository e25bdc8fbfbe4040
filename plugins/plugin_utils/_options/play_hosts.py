# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play that the inventory plugin made, gathered: what one of them looks at for all of its cluster.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import is_name
from ansible_collections.incident.distroless.plugins.plugin_utils._options.inventory import (
    AUTHENTICATION,
    authentication,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Refused, is_given, shown

PREFIX, LISTED = "ansible_debugger_", "k8s_listed_at"
# variables that say which cluster a host is in; a user may have written templates in them, unlike in the others, which are the API's
WAYS_IN = tuple(f"{PREFIX}{name}" for name in AUTHENTICATION)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NAMED = 5
# of these the environment's are everybody's: a token of one cluster is not to be sent to another one
_OF_ONE = ("host", "api_key", "username", "password")
_WAYS = ("kubeconfig", "context", "host")


@dataclass(frozen=True, slots=True)
class Gathered:
    """The hosts of one cluster: targets as modules take them, and the options of authentication, which may hold secrets. prefix: what
    the hosts' names begin with, where it is the cluster's. listed: when the inventory was made, the first and the last time; none is
    known of a host without one."""

    leader: str
    prefix: str
    targets: Sequence[Mapping[str, str]]
    params: Mapping[str, Any] = field(repr=False)
    listed: Sequence[str]

    def inventory(self) -> dict[str, Any]:
        """Return what a case keeps of where its targets come from."""
        return {
            "hosts": len(self.targets),
            "listed": list(self.listed),
            **({"cluster": self.prefix} if self.prefix else {}),
        }


def gather(
    hosts: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str], notes: list[str]
) -> Sequence[Gathered]:
    """Return the hosts by their clusters, in their order. hosts: by name, variables of which those of authentication are resolved.

    Raises Refused for one that is no pod, and where the environment says another cluster than the hosts do.
    """
    if strangers := [name for name in hosts if not _is_pod(hosts[name])]:
        raise Refused(
            f"{_some(strangers)}: no host of the inventory incident.distroless.pods, which has {PREFIX}namespace and {PREFIX}pod."
        )
    found: dict[str, list[str]] = {}
    params: dict[str, Mapping[str, Any]] = {}
    for name, variables in hosts.items():
        given = {way.removeprefix(PREFIX): variables[way] for way in WAYS_IN if way in variables}
        key = json.dumps(given, sort_keys=True, default=str)
        if key not in params:
            params[key] = authentication(given, notes)
        found.setdefault(key, []).append(name)
    _check_environment(list(params.values()), environment)
    return [_gathered(names, hosts, params[key]) for key, names in found.items()]


def check_count(clusters: Sequence[Gathered], max_pods: int, option: str) -> None:
    """Raises Failure TooManyPods where hosts of a play are more pods than max_pods, which the option says."""
    count = sum(len({(row["namespace"], row["pod"]) for row in cluster.targets}) for cluster in clusters)
    if count > max_pods:
        why = f"The hosts of this play are {count} pods, more than {option} ({max_pods}); nothing was changed."
        raise Failure("TooManyPods", why, f"Narrow the hosts by --limit or a group, or raise {option}.")


def _is_pod(variables: Mapping[str, Any]) -> bool:
    return all(is_given(variables.get(f"{PREFIX}{key}")) for key in ("namespace", "pod"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _gathered(names: Sequence[str], hosts: Mapping[str, Mapping[str, Any]], params: Mapping[str, Any]) -> Gathered:
    targets = [_target(name, hosts[name]) for name in names]
    end = "/".join(targets[0].values())
    prefix = names[0].removesuffix(f"/{end}") if names[0].endswith(f"/{end}") else ""
    times = sorted({_time(hosts[name].get(LISTED)) for name in names})
    return Gathered(names[0], prefix, targets, params, [times[0], times[-1]] if len(times) > 1 else times)


def _target(host: str, variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the target that a host is. What is no name of Kubernetes is refused as it is written: a template is none."""
    found: dict[str, str] = {}
    for key in ("namespace", "pod", "container"):
        value = variables.get(f"{PREFIX}{key}")
        if key == "container" and not is_given(value):
            continue
        if not isinstance(value, str) or not is_name(value):
            raise Refused(f"{PREFIX}{key} of {host}: expected the name of a {key}, got {shown(value)}.")
        found[key] = str.__str__(value)
    return found


def _time(value: object) -> str:
    return str.__str__(value) if isinstance(value, str) and _TIME.fullmatch(value) else ""


def _check_environment(clusters: Sequence[Mapping[str, Any]], environment: Mapping[str, str]) -> None:
    """Raises Refused where K8S_AUTH_* would lead to another cluster than a host's variables, or one's token to another one."""
    for name in _OF_ONE:
        variable = f"K8S_AUTH_{name.upper()}"
        if not is_given(environment.get(variable)):
            continue
        meant = [params for params in clusters if name not in params]
        if len(clusters) > 1 and meant:
            raise Refused(
                f"{variable} is set, and the hosts are of {len(clusters)} clusters. Give each its {PREFIX}{name}."
            )
        if name == "host" and any(way in params for params in meant for way in _WAYS):
            raise Refused(f"{variable} is set, and variables of the hosts name a cluster as well. Unset it.")
