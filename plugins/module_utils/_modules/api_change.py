# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The api_change module's task: one object of the API is made, patched or deleted.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import NOT_THERE
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values
from ansible_collections.incident.distroless.plugins.module_utils._modules.api_objects import KINDS, Kind, path_of
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, run_module

STATES = ("present", "patched", "absent")
# what the API server keeps for itself, and changes with every write
_KEPT_BY_SERVER = frozenset({"managedFields", "resourceVersion", "generation"})

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """An object of the API: its kind and where the API has it."""

    kind: str
    namespace: str | None
    name: str

    @property
    def of(self) -> Kind:
        """Where the API has its kind."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """What an object was and is: None where there is none."""

    before: Object | None
    after: Object | None


def argument_spec() -> dict[str, Any]:
    """Return the options of api_change beside authentication."""
    return {
        "state": {"type": "str", "choices": list(STATES), "default": "present"},
        "definition": {"type": "dict", "required": True},
        "namespace": {"type": "str"},
        "timeout": {"type": "int", "default": 60},
    }


def run() -> None:
    """Run the task and end it."""
    run_module(make_module(argument_spec(), selects=False), work)


def work(module: Any) -> Report:
    """Do what the options ask. Raises Failure."""
    params = module.params
    check_seconds(params["timeout"], "timeout")
    named = name_of(params["definition"], params["namespace"])
    query: Query = [("dryRun", "All")] if module.check_mode else []
    cluster = connect(module, Deadline(params["timeout"], "timeout"))
    change = _WAYS[params["state"]](cluster, named, params["definition"], query)
    changed = _essence(change.before) != _essence(change.after)
    before, after = _shown(change.before), _shown(change.after)
    done = "unchanged" if not changed else "deleted" if not after else "patched" if before else "created"
    would = "would be " if module.check_mode and changed else ""
    fields = {
        "result": after,
        "diff": {"before": before, "after": after, "before_header": str(named), "after_header": str(named)},
    }
    return Report(f"{named}: {would}{done}", changed, [], [], fields)


def name_of(definition: Mapping[str, Any], namespace: str | None) -> Named:
    """Return the object that a definition is of. Raises Failure InvalidRequest."""
    kind = KINDS.get(str(definition.get("kind")))
    if kind is None:
        got = definition.get("kind")
        raise Failure("InvalidRequest", f"definition.kind: expected one of {', '.join(KINDS)}, got {got!r}.")
    metadata = definition.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name, where = metadata.get("name"), metadata.get("namespace") or namespace
    if not isinstance(name, str) or not name:
        raise Failure("InvalidRequest", f"definition.metadata.name: expected a name, got {name!r}.")
    if kind.is_namespaced and (not isinstance(where, str) or not where):
        raise Failure("InvalidRequest", f"definition.metadata.namespace: expected a namespace, got {where!r}.")
    return Named(str(definition["kind"]), str(where) if kind.is_namespaced else None, name)


def _find(cluster: Cluster, named: Named) -> Object | None:
    try:
        return cluster.get(path_of(named.of, named.namespace, named.name), f"asking for {named}")
    except Failure as failure:
        if failure.reason in NOT_THERE:
            return None
        raise


def _ensure(cluster: Cluster, named: Named, definition: Mapping[str, Any], query: Query) -> Change:
    before = _find(cluster, named)
    if before is not None:
        return _patched(cluster, named, definition, query, before)
    body = {"apiVersion": named.of.api_version, **definition}
    path = path_of(named.of, named.namespace)
    return Change(None, cluster.post(path, body, f"creating {named}", query))


def _patch(cluster: Cluster, named: Named, definition: Mapping[str, Any], query: Query) -> Change:
    before = _find(cluster, named)
    if before is None:
        raise Failure("NoTarget", f"There is no {named}.", "It is patched only where it is; state: present makes it.")
    return _patched(cluster, named, definition, query, before)


def _patched(cluster: Cluster, named: Named, definition: Mapping[str, Any], query: Query, before: Object) -> Change:
    path = path_of(named.of, named.namespace, named.name)
    return Change(before, cluster.patch(path, definition, f"patching {named}", query))


def _delete(cluster: Cluster, named: Named, _definition: Mapping[str, Any], query: Query) -> Change:
    before = _find(cluster, named)
    if before is not None:
        try:
            path = path_of(named.of, named.namespace, named.name)
            # the API server reads no query where there is a body
            cluster.delete(path, {"dryRun": ["All"]} if query else {}, f"deleting {named}")
        except Failure as failure:
            # somebody else was faster
            if failure.reason not in NOT_THERE:
                raise
            before = None
    return Change(before, None)


_WAYS = {"present": _ensure, "patched": _patch, "absent": _delete}


def _essence(thing: Object | None) -> Object | None:
    """Return an object without its status and what the server counts: what is left has been changed by somebody."""
    if thing is None:
        return None
    metadata = {key: value for key, value in thing.get("metadata", {}).items() if key not in _KEPT_BY_SERVER}
    return {**{key: value for key, value in thing.items() if key != "status"}, "metadata": metadata}


def _shown(thing: Object | None) -> Object:
    """Return an object as it may be shown; a pod's spec holds commands and variables, and is left out."""
    shown = without_values(_essence(thing) or {})
    return {key: value for key, value in shown.items() if key != "spec" or thing is None or thing.get("kind") != "Pod"}
