# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be asked, and what becomes of answers: a stand-in for the API answers over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules.api_objects import (
    Question,
    parse,
    picked,
    work,
)
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "api-0"},
    "spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "secret"}]}]},
}


def of_the_web(name: str, revision: str, ready: str = "False") -> dict[str, Any]:
    """A pod of the Deployment web."""
    owner = {"kind": "ReplicaSet", "name": f"web-{revision}", "uid": f"uid-{revision}", "controller": True}
    labels = {"app": "web", "pod-template-hash": revision}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels, "ownerReferences": [owner]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


ANSWERS: dict[str, tuple[int, Mapping[str, Any]]] = {
    "/api/v1/namespaces/shop/pods/api-0": (200, POD),
    "/api/v1/namespaces/shop/pods/web-a": (200, {"spec": {}, **of_the_web("web-a", "1a")}),
    "/api/v1/namespaces/shop/pods/alone": (
        200,
        {"metadata": {"name": "alone", "uid": "1", "labels": {"app": "x"}}, "spec": {}},
    ),
    # the labels that all of them have
    "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb&limit=100": (
        200,
        {
            "items": [
                {"spec": {}, **of_the_web("web-a", "1a")},
                {"spec": {}, **of_the_web("web-b", "1a")},
                {"spec": {}, **of_the_web("web-c", "2b", "True")},
                {"spec": {}, "metadata": {"name": "other", "uid": "uid-other", "labels": {"app": "web"}}},
            ]
        },
    ),
    "/api/v1/namespaces/shop/pods/gone": (404, {"message": 'pods "gone" not found'}),
    "/api/v1/namespaces/shop/events?fieldSelector=involvedObject.name%3Dapi-0%2Ctype%3DWarning": (
        200,
        {"kind": "EventList", "items": [{"metadata": {"name": "one"}}]},
    ),
    "/api/v1/nodes/worker": (200, {"kind": "Node", "metadata": {"name": "worker"}}),
    "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies": (200, {"kind": "NetworkPolicyList", "items": None}),
    "/api/v1/namespaces/shop/services": (
        403,
        {
            "message": 'services is forbidden: User "u" cannot list resource "services" in API group "" in the namespace "shop"'
        },
    ),
    "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices": (
        404,
        {"message": "the server could not find the requested resource"},
    ),
}


class Handler(BaseHTTPRequestHandler):
    """Answers as ANSWERS says."""

    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What the clock of its machine says."""
        ahead = getattr(self.server, "ahead", 0)
        return "" if ahead is None else super().date_time_string((timestamp or time.time()) + ahead)

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


class Module:
    """A task's options."""

    def __init__(self, host: str, *requests: Mapping[str, Any], **options: Any) -> None:
        self.params = {
            **dict.fromkeys(AUTH_ARG_SPEC),
            "host": host,
            "api_key": "t",
            "namespace": None,
            "continue_on_error": False,
            "requests": list(requests),
            "concurrency": 4,
            "timeout": 120,
            **options,
        }


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def host(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


SHOP = {"namespace": "shop"}


def test_several_questions_have_their_answers_in_the_same_order(host: str) -> None:
    selectors = ["involvedObject.name=api-0", "type=Warning"]
    asked = [
        {"kind": "Pod", "name": "api-0", "api": "pod", **SHOP},
        {"kind": "Event", "field_selectors": selectors, **SHOP},
        {"kind": "Node", "name": "worker", "namespace": None},
        {"kind": "NetworkPolicy", **SHOP},
    ]
    report = work(Module(host, *asked))
    answers = report.fields["answers"]
    assert (report.changed, report.failure, report.failed) == (False, None, [])
    assert [row["item"] for row in answers] == asked
    assert [[entry["metadata"]["name"] for entry in row["resources"]] for row in answers] == [
        ["api-0"],
        ["one"],
        ["worker"],
        [],
    ]
    assert {row["reason"] for row in answers} == {None}


@pytest.mark.parametrize(("ahead", "hours"), [(7200, 2), (-10800, -3), (None, 0)])
def test_how_far_the_clock_of_the_api_is_ahead_is_told_by_its_own_date(
    server: ThreadingHTTPServer, host: str, ahead: int | None, hours: int
) -> None:
    server.ahead = ahead  # type: ignore[attr-defined]
    offset = work(Module(host, {"kind": "Pod", "name": "api-0", **SHOP})).fields["clock_offset"]
    # the answer is on its way for a while, however busy the machine is for less than minutes
    assert round(offset / 3600) == hours
    assert (offset == 0) == (ahead is None)


def test_values_of_environment_variables_stay_where_they_are(host: str) -> None:
    report = work(Module(host, {"kind": "Pod", "name": "api-0"}, namespace="shop"))
    assert "secret" not in str(report.as_result())


def test_only_the_fields_that_are_asked_for_come_back_and_secrets_in_none_of_them(host: str) -> None:
    fields = ["metadata.name", "spec.containers.name", "spec.containers.env", "status.phase"]
    report = work(Module(host, {"kind": "Pod", "name": "api-0", "fields": fields, **SHOP}))
    container = {"name": "app", "env": [{"name": "A", "value": "(left out)"}]}
    assert report.fields["answers"][0]["resources"] == [
        {"metadata": {"name": "api-0"}, "spec": {"containers": [container]}}
    ]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a"], {"a": {"b": 1, "c": [{"d": 2, "e": 3}]}}),
        (["a.b"], {"a": {"b": 1}}),
        (["a.c.d"], {"a": {"c": [{"d": 2}]}}),
        # the wider of two
        (["a.b", "a"], {"a": {"b": 1, "c": [{"d": 2, "e": 3}]}}),
        # what is no mapping has nothing below it
        (["a.b.x", "f", "g.h"], {"a": {"b": 1}, "f": None}),
        (["nothing"], {}),
    ],
)
def test_a_path_of_fields_leads_through_lists_and_to_what_is_there(paths: list[str], expected: dict[str, Any]) -> None:
    thing = {"a": {"b": 1, "c": [{"d": 2, "e": 3}]}, "f": None}
    assert picked(thing, [path.split(".") for path in paths]) == expected


def test_objects_of_a_list_say_what_they_are(host: str) -> None:
    asked = {"kind": "Event", "field_selectors": ["involvedObject.name=api-0", "type=Warning"], **SHOP}
    (event,) = work(Module(host, asked)).fields["answers"][0]["resources"]
    assert (event["kind"], event["apiVersion"]) == ("Event", "v1")


def test_a_name_that_is_not_there_is_no_object_and_no_failure(host: str) -> None:
    report = work(Module(host, {"kind": "Pod", "name": "gone", **SHOP}))
    assert (report.fields["answers"][0]["resources"], report.failure) == ([], None)


@pytest.mark.parametrize(("kind", "reason"), [("Service", "RbacDenied"), ("EndpointSlice", "ApiUnsupported")])
def test_what_is_refused_fails_the_task_unless_it_goes_on(host: str, kind: str, reason: str) -> None:
    asked = [{"kind": kind, **SHOP}, {"kind": "Pod", "name": "api-0", **SHOP}]
    report = work(Module(host, *asked))
    assert report.failure is not None
    assert report.failure.reason == reason
    first, second = report.fields["answers"]
    assert (first["reason"], first["resources"], len(second["resources"])) == (reason, None, 1)
    assert kind in first["msg"]
    assert work(Module(host, *asked, continue_on_error=True)).failure is None


def test_each_request_has_a_row_where_nothing_can_be_asked() -> None:
    asked = [{"kind": "Pod", **SHOP}, {"kind": "Service", **SHOP}]
    report = work(Module("https://127.0.0.1:9", *asked, ca_cert="/nowhere"))
    assert [row["reason"] for row in report.fields["answers"]] == ["InvalidRequest"] * 2
    assert report.failure is not None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kind": "Secret", **SHOP}, "requests[3].kind: expected one of EndpointSlice"),
        ({**SHOP}, "got None"),
        ({"kind": "Pod"}, "requests[3].namespace: expected the namespace of a Pod"),
        ({"kind": "Pod", "namespace": ""}, "got none"),
        ({"kind": "Pod", "namespace": 1}, "requests[3].namespace: expected text, got 1"),
        ({"kind": "Pod", "name": 5, **SHOP}, "requests[3].name: expected text"),
        ({"kind": "Pod", "field_selectors": "", "label_selectors": "a=b", **SHOP}, "label_selectors: expected a list"),
        ({"kind": "Pod", "field_selectors": [" "], **SHOP}, "field_selectors: expected a list"),
        ({"kind": "Pod", "name": "a", "label_selectors": ["a=b"], **SHOP}, "a name and selectors"),
        ({"kind": "Pod", "wait": True, **SHOP}, "unknown keys: wait"),
        ({"kind": "Pod", "fields": "metadata.name", **SHOP}, "requests[3].fields: expected a list of paths of fields"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_place(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        parse(3, entry, None)
    assert caught.value.reason == "InvalidRequest"
    assert words in caught.value.message


def test_the_tasks_namespace_is_that_of_requests_without_one() -> None:
    assert parse(0, {"kind": "Pod", "name": "", "field_selectors": None}, "shop") == Question("Pod", "shop", None, [])
    assert parse(0, {"kind": "Node"}, "shop").namespace is None
    assert parse(0, {"kind": "Pod", "namespace": "other"}, "shop").namespace == "other"


@pytest.mark.parametrize("option", ["concurrency", "timeout"])
def test_a_number_that_nothing_can_be_done_with_is_refused(host: str, option: str) -> None:
    with pytest.raises(Failure) as caught:
        work(Module(host, **{option: 0}))
    assert caught.value.reason == "InvalidRequest"


def test_pods_like_another_are_those_of_its_workload_and_the_ready_ones_come_first(host: str) -> None:
    report = work(Module(host, {"kind": "Pod", "like": "web-a", **SHOP}, {"kind": "Pod", "like": "alone", **SHOP}))
    names = [[entry["metadata"]["name"] for entry in row["resources"]] for row in report.fields["answers"]]
    assert names == [["web-c", "web-b"], []]


@pytest.mark.parametrize("more", [{"name": "api-0"}, {"label_selectors": ["a=b"]}, {"kind": "Service"}, {"like": 5}])
def test_what_is_asked_for_by_a_likeness_is_pods_and_nothing_else(more: dict[str, Any]) -> None:
    with pytest.raises(Failure, match=r"requests\[3\]\.like"):
        parse(3, {"kind": "Pod", "like": "web-a", **SHOP, **more}, None)
