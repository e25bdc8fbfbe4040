# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions that a real API server and the fake one are asked in the same words, and the outline of their answers.

tests/integration/test_recorded_answers.py asks a real one, and compares with what was recorded, or records anew;
tests/unit/test_fake_cluster.py asks the fake one.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RECORDED = Path(__file__).with_name("recorded") / "answers.json"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
# what stays as it is in an outline; of everything else only the type counts
TOLD = frozenset("status reason code kind apiVersion type message phase details key operator major minor".split())
IMAGE = "busybox:1.37"

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Outline = Any


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `{earlier.metadata.uid}` in path and body is taken from the answer to the question of that name; with
    `until` it is asked again until the answer is so."""

    name: str
    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    until: Callable[[Answer], bool] | None = None
    is_stranger: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: body is an object, the text of a log, or the events of a watch."""

    status: int
    content_type: str
    body: Any


@dataclass(frozen=True, slots=True)
class Door:
    """Where an API server is, and who asks. `strange` are the headers of somebody whom it does not know."""

    url: str
    tls: ssl.SSLContext | None = None
    strange_tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, question: Question, known: Mapping[str, Any]) -> Answer:
        """Ask once."""
        place = urlsplit(self.url)
        who = {"Authorization": "Bearer nobody"} if question.is_stranger else self.headers
        headers = {"Accept": "application/json", **who, **question.headers}
        if place.scheme == "https":
            tls = self.strange_tls if question.is_stranger else self.tls
            connection: HTTPConnection = HTTPSConnection(place.netloc, timeout=60, context=tls)
        else:
            connection = HTTPConnection(place.netloc, timeout=60)
        body = None
        if question.body is not None:
            headers["Content-Type"] = question.content_type
            body = _filled(json.dumps(question.body), known).encode()
        try:
            connection.request(question.method, _filled(question.path, known), body, headers)
            answer = connection.getresponse()
            content_type = (answer.getheader("Content-Type") or "").partition(";")[0]
            return Answer(answer.status, content_type, _parsed(answer.read(), is_watch="watch=true" in question.path))
        finally:
            connection.close()

    def ask_all(self) -> dict[str, Outline]:
        """Ask all questions, take away what they made, and return the outlines of the answers by the questions' names."""
        known: dict[str, Any] = {}
        try:
            answers = self._ask_all(known)
        finally:
            if "namespace_made" in known:
                self.ask(CLEANING, known)
        own = known["namespace_made"]["metadata"]["name"]
        return {name: outline(answer, own) for name, answer in answers.items()}

    def _ask_all(self, known: dict[str, Any]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        for question in QUESTIONS:
            until = time.monotonic() + 90
            answer = self.ask(question, known)
            while question.until and not question.until(answer):
                assert time.monotonic() < until, f"{question.name}: {answer}"
                time.sleep(0.2)
                answer = self.ask(question, known)
            answers[question.name] = answer
            known[question.name] = answer.body
        return answers


def outline(answer: Answer, own: str) -> Outline:
    """Return an answer without what differs from one cluster to the next: names of types in the place of values.

    own is the name of the namespace in which all happens.
    """
    body = _outline(answer.body, "", own)
    return {"status": answer.status, "content_type": answer.content_type, "body": body}


def _outline(value: Any, key: str, own: str) -> Outline:
    if isinstance(value, dict):
        # who wrote which field is nothing that we read
        return {
            name: _outline(part, key if key == "details" else name, own)
            for name, part in sorted(value.items())
            if name != "managedFields"
        }
    if isinstance(value, list):
        parts = [_outline(part, key, own) for part in value]
        if key == "events":
            return parts
        if parts and all(isinstance(part, dict) for part in parts):
            return [{name: part[name] for part in parts for name in sorted(part)}]
        return sorted(set(map(str, parts)))
    if key in TOLD or key == "log":
        return _UID.sub("{uid}", value).replace(own, "{own}") if isinstance(value, str) else value
    return type(value).__name__


def _parsed(raw: bytes, *, is_watch: bool) -> Any:
    try:
        return {"events": [json.loads(line) for line in raw.splitlines()]} if is_watch else json.loads(raw)
    except ValueError:
        return {"log": raw.decode("utf-8", "replace")}


def _filled(text: str, known: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found: Any = known
        for word in match[1].split("."):
            found = found[word]
        return str(found)

    return re.sub(r"\{(\w+(?:\.\w+)+)\}", value, text)


def pod(name: str, *, runs: bool = False, **container: Any) -> dict[str, Any]:
    """A pod that no scheduler takes, so that no kubelet changes it meanwhile; or one that runs and says two lines."""
    app = {"name": "app", "image": IMAGE, "imagePullPolicy": "IfNotPresent", **container}
    if runs:
        app["command"] = ["sh", "-c", "echo one; echo two; exec sleep 3600"]
    spec = {"containers": [app], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "api"}},
        "spec": spec if runs else {**spec, "schedulerName": "nobody"},
    }


def debugger(name: str, **changes: Any) -> dict[str, Any]:
    """A patch that adds an ephemeral container."""
    container = {"name": name, "image": IMAGE, "command": ["sleep", "60"], "targetContainerName": "app"}
    return {"spec": {"ephemeralContainers": [{**container, **changes}]}}


def with_metadata(patch: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata, **patch}


def _runs(answer: Answer) -> bool:
    return "running" in _state(answer)


def _waits(answer: Answer) -> bool:
    return (_state(answer).get("waiting") or {}).get("reason") == "ErrImageNeverPull"


def _state(answer: Answer) -> dict[str, Any]:
    statuses = answer.body["status"].get("containerStatuses") or [{"state": {}}]
    state: dict[str, Any] = statuses[0]["state"]
    return state


NAMESPACES = "/api/v1/namespaces"
OWN = f"{NAMESPACES}/{{namespace_made.metadata.name}}"
PODS = f"{OWN}/pods"
API_0, API_1 = f"{PODS}/api-0", f"{PODS}/api-1"
DEBUGGERS = f"{API_0}/ephemeralcontainers"
NOBODY = {"Impersonate-User": "nobody@example.org"}
OTHER = "00000000-0000-4000-8000-000000000000"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
RESTRICTED = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def options(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **more}


QUESTIONS = (
    Question("version", "GET", "/version"),
    Question("who", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", REVIEW),
    Question("stranger", "GET", f"{NAMESPACES}/default/pods", is_stranger=True),
    Question("no_handler", "GET", "/apis/nothing.example/v1/namespaces/default/things/x"),
    Question(
        "namespace_made",
        "POST",
        NAMESPACES,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "parity-"}},
    ),
    Question("no_namespace", "GET", f"{NAMESPACES}/nowhere"),
    Question("no_pod", "GET", f"{PODS}/nobody"),
    # the namespace's service account comes a moment later
    Question("pod_made", "POST", PODS, pod("api-0"), until=lambda answer: answer.status == 201),
    Question("pod_made_again", "POST", PODS, pod("api-0")),
    Question("pod_in_no_namespace", "POST", f"{NAMESPACES}/nowhere/pods", pod("api-0")),
    Question("unknown_field", "POST", f"{PODS}?fieldValidation=Strict", pod("api-2", colour="red")),
    Question("no_image", "POST", PODS, pod("api-2", image="")),
    Question("dry_run", "POST", f"{PODS}?dryRun=All", pod("api-2")),
    Question("after_a_dry_run", "GET", f"{PODS}/api-2"),
    Question("pod_other_made", "POST", PODS, pod("api-2")),
    Question("pod", "GET", API_0),
    Question("first_page", "GET", f"{PODS}?labelSelector=app%3Dapi&limit=1"),
    Question("second_page", "GET", f"{PODS}?labelSelector=app%3Dapi&limit=1&continue={{first_page.metadata.continue}}"),
    Question("none_listed", "GET", f"{PODS}?labelSelector=app%3Dother"),
    Question("listed_by_name", "GET", f"{PODS}?fieldSelector=metadata.name%3Dapi-0"),
    Question("not_allowed", "POST", API_0, pod("api-0")),
    Question("debugger_dry_run", "PATCH", f"{DEBUGGERS}?dryRun=All", debugger("debugger-0"), STRATEGIC),
    Question(
        "debugger_added",
        "PATCH",
        f"{DEBUGGERS}?fieldValidation=Strict",
        with_metadata(debugger("debugger-1"), uid="{pod_made.metadata.uid}"),
        STRATEGIC,
    ),
    Question("debugger_changed", "PATCH", DEBUGGERS, debugger("debugger-1", command=["sleep", "61"]), STRATEGIC),
    Question("debugger_of_another", "PATCH", DEBUGGERS, with_metadata(debugger("debugger-2"), uid=OTHER), STRATEGIC),
    Question(
        "debugger_too_late",
        "PATCH",
        DEBUGGERS,
        with_metadata(debugger("debugger-2"), resourceVersion="{pod_made.metadata.resourceVersion}"),
        STRATEGIC,
    ),
    Question(
        "debugger_for_nobody", "PATCH", DEBUGGERS, debugger("debugger-2", targetContainerName="nobody"), STRATEGIC
    ),
    Question(
        "debugger_unknown_field",
        "PATCH",
        f"{DEBUGGERS}?fieldValidation=Strict",
        debugger("debugger-2", colour="red"),
        STRATEGIC,
    ),
    Question("debugger_in_no_pod", "PATCH", f"{PODS}/nobody/ephemeralcontainers", debugger("debugger-1"), STRATEGIC),
    Question("patch_of_no_type", "PATCH", DEBUGGERS, debugger("debugger-2"), "application/json"),
    Question("labels_merged", "PATCH", API_0, {"metadata": {"labels": {"app": None, "tier": "x"}}}, MERGE),
    Question("log_without_a_node", "GET", f"{API_0}/log?container=app"),
    Question("log_of_nobody", "GET", f"{API_0}/log?container=nobody"),
    Question("log_in_no_pod", "GET", f"{PODS}/nobody/log?container=app"),
    Question("may_not_get", "GET", API_0, headers=NOBODY),
    Question("may_not_list", "GET", PODS, headers=NOBODY),
    Question("may_not_create", "POST", PODS, pod("api-3"), headers=NOBODY),
    Question("may_not_patch", "PATCH", DEBUGGERS, debugger("debugger-2"), STRATEGIC, headers=NOBODY),
    Question("may_not_read_logs", "GET", f"{API_0}/log?container=app", headers=NOBODY),
    Question("pod_runs_made", "POST", PODS, pod("api-1", runs=True)),
    Question("pod_runs", "GET", API_1, until=_runs),
    Question("log", "GET", f"{API_1}/log?container=app", until=lambda answer: "two" in answer.body["log"]),
    Question("log_tail", "GET", f"{API_1}/log?container=app&tailLines=1"),
    Question("log_limited", "GET", f"{API_1}/log?container=app&limitBytes=5"),
    Question("log_before", "GET", f"{API_1}/log?container=app&previous=true"),
    Question("pod_waits_made", "POST", PODS, pod("api-4", runs=True, image="nowhere:1", imagePullPolicy="Never")),
    Question("pod_waits", "GET", f"{PODS}/api-4", until=_waits),
    Question("log_of_what_waits", "GET", f"{PODS}/api-4/log?container=app"),
    Question("namespace_restricted", "PATCH", OWN, RESTRICTED, MERGE),
    Question("not_restricted", "POST", PODS, pod("api-3")),
    Question("deleted_other", "DELETE", API_0, options(preconditions={"uid": OTHER})),
    Question("delete_dry_run", "DELETE", API_0, options(dryRun=["All"])),
    Question("deleted", "DELETE", API_0, options(gracePeriodSeconds=0)),
    Question("deleted_again", "DELETE", API_0, options()),
    Question("deleted_running", "DELETE", API_1, options(gracePeriodSeconds=1)),
    Question("gone", "GET", API_1, until=lambda answer: answer.status == 404),
    Question(
        "watched",
        "GET",
        f"{PODS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dapi-0&resourceVersion={{pod_made.metadata.resourceVersion}}",
    ),
)
# what is left of the questions is taken away again
CLEANING = Question("namespace_gone", "DELETE", OWN, options())


def recorded() -> dict[str, Outline]:
    """Return the outlines of a real server's answers by the questions' names."""
    found: dict[str, Outline] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found
