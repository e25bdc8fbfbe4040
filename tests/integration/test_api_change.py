# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the quarantine role changes in the API, one object at a time; kubectl says what became of it."""

from __future__ import annotations

import pytest

from .conftest import Credentials, Kubectl, Play, pod_manifest

SHUT = {"podSelector": {"matchLabels": {"shut": "yes"}}, "policyTypes": ["Ingress", "Egress"]}
POLICY = {"kind": "NetworkPolicy", "metadata": {"name": "shut"}, "spec": SHUT}


def policies(kubectl: Kubectl) -> list[str]:
    return kubectl.text("get", "networkpolicies", "-o", "name").split()


def test_an_object_is_made_left_alone_changed_and_deleted(kubectl: Kubectl, play: Play) -> None:
    dry = play("api_change", definition=POLICY, check=True)
    assert (dry["changed"], policies(kubectl)) == (True, [])
    made = play("api_change", definition=POLICY, diff=True)
    assert (made["changed"], made["result"]["spec"]) == (True, SHUT)
    assert (made["diff"]["before"], made["diff"]["after"]["metadata"]["name"]) == ({}, "shut")
    assert policies(kubectl) == ["networkpolicy.networking.k8s.io/shut"]
    assert not play("api_change", definition=POLICY)["changed"]
    labelled = {**POLICY, "metadata": {"name": "shut", "labels": {"by": "test"}}}
    assert play("api_change", definition=labelled, check=True)["changed"]
    assert play("api_change", definition=labelled)["changed"]
    assert kubectl.json("get", "networkpolicy", "shut")["metadata"]["labels"] == {"by": "test"}
    assert play("api_change", definition=POLICY, state="absent", check=True)["changed"]
    assert policies(kubectl) != []
    assert play("api_change", definition=POLICY, state="absent")["changed"]
    assert policies(kubectl) == []
    assert not play("api_change", definition=POLICY, state="absent")["changed"]


def test_a_pod_gets_and_loses_labels_and_its_spec_is_not_shown(kubectl: Kubectl, play: Play) -> None:
    variables = {"env": [{"name": "TOKEN", "value": "very-secret"}], "args": ["--also=very-secret"]}
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot", container=variables))
    uid = kubectl.pod("api")["metadata"]["uid"]
    patch = {"kind": "Pod", "metadata": {"name": "api", "uid": uid, "labels": {"app": None, "new": "yes"}}}
    patched = play("api_change", state="patched", definition=patch, diff=True, verbosity=3)
    assert patched["changed"]
    assert patched["result"]["metadata"]["labels"] == {"new": "yes"}
    assert "very-secret" not in patched.printed
    assert kubectl.pod("api")["metadata"]["labels"] == {"new": "yes"}
    assert not play("api_change", state="patched", definition=patch)["changed"]
    other = {**patch, "metadata": {**patch["metadata"], "uid": "another", "labels": {"x": "y"}}}
    assert play("api_change", state="patched", definition=other)["reason"] == "PodGone"


def test_what_is_not_there_is_not_patched_into_being(play: Play) -> None:
    refused = play("api_change", state="patched", definition={"kind": "Pod", "metadata": {"name": "nobody"}})
    assert (refused["reason"], refused["changed"]) == ("NoTarget", False)
    assert "state: present" in refused["hint"]


@pytest.mark.parametrize(("state", "verb"), [("present", "create"), ("absent", "get")])
def test_a_verb_that_is_missing_is_named(play: Play, credentials: Credentials, state: str, verb: str) -> None:
    verbs = ["get"] if verb == "create" else ["delete"]
    rules = [{"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs}]
    refused = play("api_change", state=state, definition=POLICY, **credentials(rules))
    assert refused["reason"] == "RbacDenied"
    assert f'verbs: ["{verb}"]' in refused["hint"]
