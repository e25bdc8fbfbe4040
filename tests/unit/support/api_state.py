# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of a cluster as an API server keeps them, and how it answers each question about them; no network.

What it answers is compared with what a real API server did: see api_questions. What is not in there it does not play.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .api_replies import Refused, Reply, bad_request, invalid, not_found
from .kubelets import NOW, Kubelet, Object, runs

# namespace (or ""), resource, name
Key = tuple[str, str, str]

MERGE_PATCH, STRATEGIC_PATCH = "application/merge-patch+json", "application/strategic-merge-patch+json"
CONTAINER_FIELDS = frozenset(
    "name image imagePullPolicy command args env envFrom workingDir ports resources volumeMounts volumeDevices stdin "
    "stdinOnce tty securityContext lifecycle livenessProbe readinessProbe startupProbe restartPolicy targetContainerName "
    "terminationMessagePath terminationMessagePolicy resizePolicy".split()
)
KINDS = {"pods": "Pod", "namespaces": "Namespace", "events": "Event", "nodes": "Node"}


class ApiState:
    """What an API server knows. Whoever reads or changes it holds `changed`, which also tells watches of news."""

    def __init__(self, kubelet: Kubelet = runs) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.kubelet = kubelet
        # an admission plugin's words against a pod, None: it is let in
        self.admission: Callable[[Object], str | None] = lambda _pod: None
        # what admission makes of a pod that gets a debugger
        self.mutation: Callable[[Object], Object] = lambda pod: pod
        # verb and resource ("get pods/log") that the user has no role for
        self.denied: set[str] = set()
        self.logs: dict[tuple[str, str, str, bool], bytes] = {}
        self.history: list[tuple[int, str, Key, Object]] = []
        # watches from before it are told that it is too late
        self.oldest = 0
        self._version = 100
        self._objects: dict[Key, Object] = {}
        self.put({"metadata": {"name": "shop"}}, "namespaces")
        self.put({"metadata": {"name": "kube-system"}}, "namespaces")

    def put(self, given: Mapping[str, Any], resource: str = "pods") -> Object:
        """Write an object as its controller does; return it as it is kept."""
        with self.changed:
            kept: Object = copy.deepcopy(dict(given))
            metadata = kept["metadata"]
            key = (metadata.get("namespace", ""), resource, metadata["name"])
            self._version += 1
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", NOW)
            metadata["resourceVersion"] = str(self._version)
            self._tell("MODIFIED" if key in self._objects else "ADDED", key, kept)
            self._objects[key] = kept
            return copy.deepcopy(kept)

    def get(self, name: str, namespace: str = "shop", resource: str = "pods") -> Object:
        """Return an object. Raises Refused."""
        with self.changed:
            if (namespace, resource, name) not in self._objects:
                raise not_found(resource, name)
            return copy.deepcopy(self._objects[namespace, resource, name])

    def keys(self, namespace: str, resource: str) -> list[Key]:
        """Return the keys of what there is, of pods in all namespaces for none."""
        with self.changed:
            everywhere = resource == "pods" and not namespace
            return sorted(key for key in self._objects if key[1] == resource and (everywhere or key[0] == namespace))

    def names(self, namespace: str = "shop", resource: str = "pods") -> list[str]:
        """Return the names of what there is."""
        with self.changed:
            return [name for _where, _what, name in self.keys(namespace, resource)]

    def remove(self, name: str, namespace: str = "shop", resource: str = "pods") -> None:
        """Take an object away."""
        with self.changed:
            gone = self._objects.pop((namespace, resource, name))
            self._version += 1
            gone["metadata"]["resourceVersion"] = str(self._version)
            self._tell("DELETED", (namespace, resource, name), gone)

    def items(self, namespace: str, resource: str, query: Mapping[str, str]) -> Object:
        """Return a page of a list."""
        with self.changed:
            found = [self.get(name, where, what) for where, what, name in self.keys(namespace, resource)]
            found = [entry for entry in found if matches(entry, query)]
            start, limit = int(query.get("continue", 0)), int(query.get("limit", 0)) or len(found)
            end = start + limit
            more = {"continue": str(end)} if end < len(found) else {}
            metadata = {"resourceVersion": str(self._version), **more}
            # what it consists of is said once, for the list
            rows = [{key: part for key, part in entry.items() if key not in ("kind", "apiVersion")} for entry in found]
            return {"kind": f"{kind(resource)}List", "apiVersion": "v1", "metadata": metadata, "items": rows[start:end]}

    def create(self, namespace: str, resource: str, given: Mapping[str, Any], query: Mapping[str, str]) -> Object:
        """Take a new object in. Raises Refused."""
        with self.changed:
            made = copy.deepcopy(dict(given))
            name = made["metadata"].setdefault("name", made["metadata"].get("generateName", "") + "x7k2p")
            if namespace:
                self.get(namespace, "", "namespaces")
                made["metadata"].setdefault("namespace", namespace)
            if (namespace, resource, name) in self._objects:
                about = {"name": name, "kind": resource}
                raise Refused(409, "AlreadyExists", f'{resource} "{name}" already exists', details=about)
            if resource == "pods":
                self._let_in(made, query)
            elif resource == "namespaces":
                made["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
                made |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
            if "dryRun" in query:
                made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": NOW}
                return made
            kept = self.put(made, resource)
            self._report(kept)
            return kept

    def _let_in(self, made: Object, query: Mapping[str, str]) -> None:
        containers = made["spec"]["containers"]
        if query.get("fieldValidation") == "Strict" and (unknown := _unknown("containers", containers)):
            raise bad_request(f'Pod in version "v1" cannot be handled as a Pod: strict decoding error: {unknown}')
        name = made["metadata"]["name"]
        for number, container in enumerate(containers):
            for key in container.keys() - CONTAINER_FIELDS:
                del container[key]
            if not container.get("image"):
                raise invalid("Pod", name, f"spec.containers[{number}].image", "Required", "Required value")
        if words := self.admission(made):
            about = {"name": name, "kind": "pods"}
            raise Refused(403, "Forbidden", f'pods "{name}" is forbidden: {words}', details=about)
        made["metadata"]["generation"] = 1
        made["spec"] = {**POD_DEFAULTS, **made["spec"], "containers": [_defaulted(entry) for entry in containers]}
        made["status"] = {"phase": "Pending", "qosClass": "BestEffort"}

    def patch(
        self,
        key: Key,
        subresource: str,
        change: Mapping[str, Any],
        content_type: str,
        query: Mapping[str, str],
    ) -> Object:
        """Change an object. Raises Refused."""
        if content_type not in (MERGE_PATCH, STRATEGIC_PATCH):
            raise Refused(415, "UnsupportedMediaType", "415: Unsupported Media Type")
        with self.changed:
            namespace, resource, name = key
            before = self.get(name, namespace, resource)
            about = before["metadata"]
            asked = change.get("metadata", {})
            if subresource == "ephemeralcontainers":
                self._check_fields(change, query)
            if asked.get("uid", about["uid"]) != about["uid"]:
                words = f'Invalid value: "{asked["uid"]}": field is immutable'
                raise invalid(kind(resource), name, "metadata.uid", "Invalid", words)
            if asked.get("resourceVersion", about["resourceVersion"]) != about["resourceVersion"]:
                words = "the object has been modified; please apply your changes to the latest version and try again"
                raise Refused(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {resource} "{name}": {words}',
                    details={"name": name, "kind": resource},
                )
            after = merged(before, change, by_name=content_type == STRATEGIC_PATCH)
            if subresource == "ephemeralcontainers":
                after = self.mutation(after)
                self._check_merged(before, after)
                after["metadata"]["generation"] = about.get("generation", 1) + 1
            if "dryRun" in query:
                return after
            kept = self.put(after, resource)
            self._report(kept)
            return kept

    @staticmethod
    def _check_fields(change: Mapping[str, Any], query: Mapping[str, str]) -> None:
        given = change["spec"]["ephemeralContainers"]
        if query.get("fieldValidation") == "Strict" and (unknown := _unknown("ephemeralContainers", given)):
            words = f'Invalid value: "{_in_go(change)}": strict decoding error: {unknown}'
            raise invalid("", "", "patch", "Invalid", words)

    @staticmethod
    def _check_merged(before: Object, after: Object) -> None:
        name = before["metadata"]["name"]
        containers = {entry["name"] for entry in before["spec"]["containers"]}
        earlier = {entry["name"]: entry for entry in before["spec"].get("ephemeralContainers", ())}
        after["spec"]["ephemeralContainers"] = list(map(_defaulted, after["spec"]["ephemeralContainers"]))
        for number, entry in enumerate(after["spec"]["ephemeralContainers"]):
            old = earlier.get(entry["name"])
            if old is not None and entry != old:
                words = f'Forbidden: existing ephemeral containers "{entry["name"]}" may not be changed'
                raise invalid("Pod", name, "spec.ephemeralContainers", "Forbidden", words)
            target = entry.get("targetContainerName")
            if target and target not in containers:
                place = f"spec.ephemeralContainers[{number}].targetContainerName"
                raise invalid("Pod", name, place, "NotFound", f'Not found: "{target}"')

    def delete(self, key: Key, options: Mapping[str, Any], query: Mapping[str, str]) -> Object:
        """Begin an object's end; a pod without a node, or without grace, is gone at once. Raises Refused."""
        with self.changed:
            namespace, resource, name = key
            found = self.get(name, namespace, resource)
            uid = found["metadata"]["uid"]
            asked = (options.get("preconditions") or {}).get("uid", uid)
            if asked != uid:
                words = (
                    f"the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might "
                    "have been deleted and then recreated"
                )
                one = kind(resource)
                message = f'Operation cannot be fulfilled on {one} "{name}": {words}'
                raise Refused(409, "Conflict", message, details={"name": name, "kind": one})
            grace = options.get("gracePeriodSeconds", found.get("spec", {}).get("terminationGracePeriodSeconds", 30))
            found["metadata"] |= {"deletionTimestamp": NOW, "deletionGracePeriodSeconds": grace}
            if options.get("dryRun") or "dryRun" in query:
                return found
            kept = self.put(found, resource)
            if resource != "pods" or not grace or not kept["spec"].get("nodeName"):
                self.remove(name, namespace, resource)
            else:
                self._report(kept)
            return kept

    def log(self, namespace: str, name: str, query: Mapping[str, str]) -> Reply:
        """Return the text of a container's log. Raises Refused."""
        with self.changed:
            pod, container = self.get(name, namespace), query["container"]
            spec, status = pod["spec"], pod.get("status", {})
            parts = ("containers", "initContainers", "ephemeralContainers")
            if container not in [entry["name"] for part in parts for entry in spec.get(part, ())]:
                raise bad_request(f"container {container} is not valid for pod {name}")
            if not spec.get("nodeName"):
                return Reply(204, b"")
            (state,) = [row["state"] for row in status.get("containerStatuses", ()) if row["name"] == container] or [{}]
            is_previous = query.get("previous") == "true"
            if "waiting" in state and not is_previous:
                why = state["waiting"]["reason"]
                raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
            text = self.logs.get((namespace, name, container, is_previous))
            if text is None and is_previous:
                raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
            lines = (text or b"").splitlines(keepends=True)
            lines = lines[-int(query["tailLines"]) :] if "tailLines" in query else lines
            if query.get("timestamps") == "true":
                lines = [NOW.encode() + b" " + line for line in lines]
            return Reply(200, b"".join(lines)[: int(query.get("limitBytes", 1 << 40))], {"Content-Type": "text/plain"})

    def events(self, namespace: str, resource: str, query: Mapping[str, str], since: int) -> list[tuple[int, Object]]:
        """Return what a watch says from a version on: the version and the event. Raises Refused when that is forgotten."""
        with self.changed:
            if since < self.oldest:
                words = f"too old resource version: {since} ({self.oldest})"
                raise Refused(410, "Expired", words, has_details=False)
            return [
                (version, {"type": what, "object": about})
                for version, what, (where, which, _name), about in self.history
                if version > since and (where, which) == (namespace, resource) and matches(about, query)
            ]

    def _report(self, written: Object) -> None:
        """Let the kubelet do what follows from a write to a pod."""
        metadata = written["metadata"]
        if written.get("kind", "Pod") != "Pod" or "containers" not in written.get("spec", {}):
            return
        for step in self.kubelet(copy.deepcopy(written)):
            if step is None:
                self.remove(metadata["name"], metadata["namespace"])
            else:
                self.put(step)

    def _tell(self, what: str, key: Key, about: Object) -> None:
        self.history.append((self._version, what, key, copy.deepcopy(about)))
        self.changed.notify_all()


POD_DEFAULTS: Mapping[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "priority": 0,
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "serviceAccount": "default",
    "serviceAccountName": "default",
    "terminationGracePeriodSeconds": 30,
}


def kind(resource: str) -> str:
    """Return the kind of a resource's objects."""
    return KINDS.get(resource, resource)


def matches(found: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Return whether an object is what label and field selectors mean; only equality and existence are played."""
    labels = found["metadata"].get("labels") or {}
    for term in filter(None, query.get("labelSelector", "").split(",")):
        key, equals, value = term.partition("=")
        assert not set("!() ") & set(term), f"the selector {term} is not played"
        if key not in labels or (equals and labels[key] != value):
            return False
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        path, _equals, value = term.partition("=")
        place: Any = found
        for word in path.split("."):
            place = (place or {}).get(word)
        if place != value:
            return False
    return True


def merged(base: Any, change: Any, *, by_name: bool) -> Any:
    """Return base after a merge patch (RFC 7386), or after a strategic one whose lists of objects merge by name."""
    if by_name and isinstance(change, list) and all(isinstance(entry, dict) and "name" in entry for entry in change):
        rows = {entry["name"]: entry for entry in base or ()}
        news = {entry["name"]: merged(rows.get(entry["name"]), entry, by_name=True) for entry in change}
        # what is new stands before what was there
        return [*news.values(), *(entry for name, entry in rows.items() if name not in news)]
    if not isinstance(change, Mapping):
        return copy.deepcopy(change)
    whole = dict(base) if isinstance(base, Mapping) else {}
    for key, part in change.items():
        if part is None:
            whole.pop(key, None)
        else:
            whole[key] = merged(whole.get(key), part, by_name=by_name)
    return whole


def _unknown(part: str, containers: Iterable[Mapping[str, Any]]) -> str:
    fields = [
        f'unknown field "spec.{part}[{number}].{key}"'
        for number, container in enumerate(containers)
        for key in sorted(container.keys() - CONTAINER_FIELDS)
    ]
    return ", ".join(fields)


def _in_go(value: Any) -> str:
    """Return a value as Go prints it."""
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{_in_go(value[key])}' for key in sorted(value))}]"
    return f"[{' '.join(map(_in_go, value))}]" if isinstance(value, list) else str(value)


def _defaulted(container: Mapping[str, Any]) -> Object:
    defaults = {
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    return {**defaults, **json.loads(json.dumps(container))}
