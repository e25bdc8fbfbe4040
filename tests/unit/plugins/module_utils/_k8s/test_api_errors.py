# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages are those that Kubernetes 1.36 really sends."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import REASONS, Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
    retry_after,
    role_for,
)

RBAC = 'pods "api-0" is forbidden: User "oncall" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "shop"'


@pytest.mark.parametrize(
    ("http_status", "message", "reason"),
    [
        (401, "Unauthorized", "Unauthorized"),
        (403, RBAC, "RbacDenied"),
        (403, 'pods "a" is forbidden: violates PodSecurity "restricted:latest": privileged', "PodSecurityDenied"),
        (
            403,
            'pods "a" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=9, limited: pods=9',
            "QuotaExceeded",
        ),
        (403, 'admission webhook "images.example" denied the request: image is not signed', "AdmissionDenied"),
        (
            422,
            "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no debuggers",
            "AdmissionDenied",
        ),
        (500, 'Internal error occurred: failed calling webhook "images.example": timeout', "AdmissionDenied"),
        (403, 'pods "api-0" is forbidden: ', "RbacDenied"),
        (403, "<html>the proxy says no</html>", "RbacDenied"),
        (404, 'pods "api-0" not found', "PodGone"),
        (404, 'pod "api-0" does not exist', "PodGone"),
        (404, 'replicasets.apps "api-5d4f" not found', "NoTarget"),
        (404, 'nodes "node-1" not found', "NoTarget"),
        (404, 'persistentvolumeclaims "data" not found', "NoTarget"),
        (404, '<html>The page "/api/v1" not found</html>', "ApiUnsupported"),
        (404, "The requested page does not exist", "ApiUnsupported"),
        (404, "the server could not find the requested resource", "ApiUnsupported"),
        (404, "404 page not found", "ApiUnsupported"),
        (409, "the object has been modified", "Conflict"),
        (422, 'existing ephemeral containers "x" may not be removed', "Conflict"),
        (422, 'existing ephemeral containers "x" may not be changed', "Conflict"),
        (422, 'Pod "a" is invalid: metadata.uid: Invalid value: "1": field is immutable', "PodGone"),
        (400, 'strict decoding error: unknown field "spec.ephemeralContainers[0].foo"', "InvalidRequest"),
        (405, "the server does not allow this method on the requested resource", "ApiUnsupported"),
        (503, "apiserver is shutting down", "ApiUnreachable"),
    ],
)
def test_every_refusal_has_its_reason(http_status: int, message: str, reason: str) -> None:
    failure = failure_from_status(http_status, {"message": message}, "adding a debugger")
    assert failure.reason == reason
    assert failure.message.startswith("adding a debugger: ")


def test_a_missing_permission_names_verb_resource_and_namespace_and_the_role_that_grants_it() -> None:
    hint = failure_from_status(403, {"message": RBAC}, "adding").hint
    assert "verb patch on pods/ephemeralcontainers" in hint
    assert 'in the namespace "shop"' in hint
    assert 'rules: [{apiGroups: [""], resources: ["pods/ephemeralcontainers"], verbs: ["patch"]}]' in hint


@pytest.mark.parametrize(
    ("namespace", "kind", "metadata"),
    [("shop", "Role", {"namespace": "shop"}), (None, "ClusterRole", {})],
)
def test_the_role_of_a_hint_can_be_applied_as_it_is(namespace: str | None, kind: str, metadata: dict[str, str]) -> None:
    role = yaml.safe_load(role_for("get", "nodes", "", namespace))
    assert (role["kind"], role["metadata"]) == (kind, {"name": "incident-distroless", **metadata})
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]


def test_an_answer_that_is_no_status_is_shown_as_it_is_and_not_whole() -> None:
    assert parse_status(b"upstream connect error")["message"] == "upstream connect error"
    assert len(parse_status(b"x" * 10_000)["message"]) == 500
    assert parse_status(b'{"message": 5}')["message"] == '{"message": 5}'
    assert parse_status(b'{"metadata": {}, "status": "Success"}')["status"] == "Success"


def test_every_reason_has_a_meaning_and_a_hint() -> None:
    for word, reason in REASONS.items():
        assert reason.meaning.endswith("."), word
        assert reason.hint.endswith("."), word


def test_a_word_outside_of_the_closed_list_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        raise Failure("SomethingElse", "x")


@pytest.mark.parametrize(
    "end", ['": strict decoding error: unknown field "spec.ephemeralContainers[0].flavour"', '"', ""]
)
def test_the_patch_that_an_answer_repeats_is_not_shown(end: str) -> None:
    patch = r"map[spec:map[ephemeralContainers:[map[env:[map[name:P value:hunter2 \"and more\" hunter2]]]]]]"
    failure = failure_from_status(
        422, {"message": f'Pod "a" is invalid: patch: Invalid value: "{patch}{end}'}, "adding a debugger"
    )
    assert failure.reason == "InvalidRequest"
    assert "hunter2" not in failure.message
    assert "flavour" in failure.message or "flavour" not in end


@pytest.mark.parametrize(
    ("http_status", "header", "seconds"),
    [
        (429, "1", 1.0),
        (503, "0", 0.0),
        (429, None, None),
        (404, "1", None),
        (503, "Fri, 31 Dec", None),
        (429, "-1", None),
    ],
)
def test_a_server_that_is_busy_says_when_to_come_again(
    http_status: int, header: str | None, seconds: float | None
) -> None:
    assert retry_after(http_status, header) == seconds
