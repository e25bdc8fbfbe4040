# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What preflight says will work is what works: its sentences are made true, and false, on a real API server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CHECKOUT, Credentials, Kubectl, Play, Played, as_user, pod_manifest
from .oncall import as_variables, rules_of
from .patience import PATIENCE
from .test_admission import API, DEBUGGERS, installed, wait_until_refused

USES = ["look", "fetch", "copy", "quarantine", "evidence"]
LEVEL = "pod-security.kubernetes.io/enforce=restricted"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def strict(make_namespace: Callable[..., Kubectl]) -> Kubectl:
    """A namespace that came to enforce restricted Pod Security after pods of both kinds ran in it."""
    kubectl = make_namespace()
    fits = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    kubectl.apply(pod_manifest("nonroot", "incident.test/app:nonroot", container={"securityContext": fits}))
    kubectl.apply(pod_manifest("root", "incident.test/app:root"))
    for name in ("nonroot", "root"):
        kubectl.wait_until_running(name)
    kubectl.run("label", "namespace", kubectl.namespace, LEVEL)
    wait_until_refused(kubectl, "root", "violates PodSecurity")
    return kubectl


def verdicts(found: Played) -> dict[str, str]:
    return {row["use"]: row["status"] for row in found["uses"]}


def row(found: Played, check: str, use: str | None = None) -> dict[str, Any]:
    (only,) = [entry for entry in found["checks"] if (entry["check"], entry["use"]) == (check, use)]
    return only


def asked_until(ask: Callable[[], Played], said: Callable[[Played], object], wanted: object) -> Played:
    """What is answered once the API server has taken up what was written a moment ago: Roles, bindings and policies."""
    until = time.monotonic() + PATIENCE
    while said(found := ask()) != wanted:
        assert time.monotonic() < until, found["table"]
        time.sleep(0.2)
    return found


def exception(found: Played, engine: str = "ValidatingAdmissionPolicy") -> dict[str, Any]:
    (only,) = [entry for entry in found["exceptions"] if entry["engine"] == engine]
    return only


def run_preflight(folder: Path, variables: Mapping[str, Any], environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit status of the playbook, and all that it printed."""
    given = {f"preflight_{key}": value for key, value in variables.items()}
    command = ["ansible-playbook", "incident.distroless.preflight", "--extra-vars", json.dumps(given)]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**as_user(), **environment, "ANSIBLE_NOCOLOR": "true"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_who_may_do_nothing_gets_the_role_and_with_that_every_use_is_possible(
    kubectl: Kubectl, call: Play, app: str, credentials: Credentials, tmp_path: Path
) -> None:
    oncall = credentials([])
    environment = as_variables(oncall)
    # as AWX and a command line hand lists over
    asked = {"namespaces": kubectl.namespace, "uses": json.dumps(USES)}
    status, printed = run_preflight(tmp_path, asked, environment)
    assert status == 2, printed
    assert "Traceback" not in printed
    assert f"Not possible: look in {kubectl.namespace} (permissions)" in printed
    assert "kind: Role" in printed
    assert oncall["api_key"] not in printed
    assert run_preflight(tmp_path, {**asked, "fail_on": "never"}, environment)[0] == 0

    nothing = call("preflight", uses=USES, **oncall)
    assert not nothing["failed"]
    assert verdicts(nothing) == dict.fromkeys(USES, "missing")
    assert row(nothing, "pod")["status"] == "unknown"
    assert "the verb list on pods" in row(nothing, "pod")["next"]
    assert oncall["api_key"] not in json.dumps(nothing.result)

    kubectl.run("apply", "-f", "-", stdin=nothing["role"])
    every = asked_until(lambda: call("preflight", uses=USES, **oncall), verdicts, dict.fromkeys(USES, "ok"))
    # nobody granted these, and no use needs them
    assert (row(every, "image on the node")["status"], row(every, "namespace")["status"]) == ("unknown", "unknown")
    assert "the verb get on nodes" in row(every, "image on the node")["next"]
    assert not kubectl.debuggers(app)

    looked = call("ephemeral_debug", pod=app, commands=["true"], **oncall)
    assert [command["rc"] for command in looked.target["commands"]] == [0], looked["msg"]


def test_each_verb_that_is_missing_is_named_by_the_use_that_it_is_missing_for(
    kubectl: Kubectl, call: Play, app: str, credentials: Credentials
) -> None:
    by_use = yaml.safe_load((CHECKOUT / "playbooks" / "files" / "roles-by-use.yml").read_text(encoding="utf-8"))
    rules = [rule for item in by_use["items"] for rule in item["rules"]] + rules_of("quarantine-role.yml")
    taken = {("pods/ephemeralcontainers", "patch"), ("pods", "create"), ("networkpolicies", "create")}
    allowed = [
        {**rule, "resources": [resource], "verbs": [verb]}
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if (resource, verb) not in taken
    ]
    oncall = credentials(allowed)
    inject = "patch on pods/ephemeralcontainers"
    missing = {
        "look": f"not allowed: {inject}",
        "fetch": f"not allowed: {inject}",
        "copy": "not allowed: create on pods",
        "quarantine": "not allowed: create on networkpolicies",
        "evidence": f"not allowed: {inject}",
    }

    def said(found: Played) -> dict[str, str]:
        return {use: row(found, "permissions", use)["message"] for use in USES}

    found = asked_until(lambda: call("preflight", uses=USES, pod=app, **oncall), said, missing)
    further = [entry["message"] for entry in found["checks"] if entry["check"] == "further permissions"]
    assert f"not allowed: {inject}; the pod is isolated, and nothing tries from inside whether that holds" in further
    # what cannot be asked is not denied
    assert (row(found, "profile auto")["status"], row(found, "copy")["status"]) == ("unknown", "unknown")
    assert "the verb patch on pods/ephemeralcontainers" in row(found, "profile auto")["next"]


def test_an_administrator_may_and_a_namespace_that_is_empty_or_not_there_is_said(
    kubectl: Kubectl, call: Play, app: str, make_namespace: Callable[..., Kubectl]
) -> None:
    before = {pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]}
    empty, absent = make_namespace().namespace, f"{kubectl.namespace}-not"
    found = call("preflight", namespaces=[kubectl.namespace, empty, absent], uses=USES)
    by_namespace = {
        namespace: {entry["use"]: entry["status"] for entry in found["uses"] if entry["namespace"] == namespace}
        for namespace in (kubectl.namespace, empty, absent)
    }
    assert by_namespace == {
        kubectl.namespace: dict.fromkeys(USES, "ok"),
        # isolating a pod is nothing that is tried
        empty: {**dict.fromkeys(USES, "unknown"), "quarantine": "ok"},
        absent: dict.fromkeys(USES, "missing"),
    }, found["table"]
    there = {entry["check"]: entry for entry in found["checks"] if entry["namespace"] == kubectl.namespace}
    assert there["image on the node"]["status"] == "ok"
    alone = {entry["check"]: entry["status"] for entry in found["checks"] if entry["namespace"] is None}
    assert alone["certificate"] == "ok"
    assert {pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]} == before


def test_pod_security_lets_in_what_the_table_says(strict: Kubectl, call: Play) -> None:
    where = {"namespace": strict.namespace}
    nonroot, root = (call("preflight", uses=["look"], pod=pod, **where) for pod in ("nonroot", "root"))
    assert verdicts(nonroot) == {"look": "ok"}, nonroot["table"]
    profiles = {
        entry["check"]: entry["status"] for entry in nonroot["checks"] if entry["check"].startswith(("profile", "iden"))
    }
    assert {check for check, status in profiles.items() if status == "ok"} == {"profile auto", "profile restricted"}
    assert set(profiles.values()) == {"ok", "denied"}
    assert verdicts(root) == {"look": "denied"}, root["table"]
    assert "PodSecurityDenied" in row(root, "profile auto")["message"]
    # no policy has denied it, so that none is to be excepted from
    assert not any(entry["needed"] for entry in root["exceptions"])
    # and so it is
    assert not call("ephemeral_debug", pod="nonroot", check=True, **where)["failed"]
    assert call("ephemeral_debug", pod="root", check=True, **where).failure["reason"] == "PodSecurityDenied"


def test_the_exception_from_a_policy_lets_its_subject_image_and_namespace_through_and_nobody_else(
    kubectl: Kubectl, call: Play, app: str, strict: Kubectl, credentials: Credentials
) -> None:
    oncall = credentials(rules_of("role.yml"))
    name = f"no-debuggers-{kubectl.namespace}"
    rule = {"expression": "false", "message": "debuggers \u202eneed \x1b[31ma: ticket"}
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [DEBUGGERS]}, "validations": [rule]}
    policy = {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    both = [
        {
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": [kubectl.namespace, strict.namespace],
        }
    ]
    binding = {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchExpressions": both}},
        },
    }

    def ask(**options: Any) -> Played:
        return call("preflight", uses=["look"], **{"pod": app, **options})

    with installed(kubectl, policy, binding):
        wait_until_refused(kubectl, app, name)
        denied = asked_until(lambda: ask(**oncall), verdicts, {"look": "denied"})
        assert all(line.isprintable() for line in denied["table"])
        assert (exception(denied)["needed"], exception(denied)["policies"]) == (True, [name])
        assert not exception(denied, "Kyverno")["needed"]
        kubectl.run("apply", "--server-side", "--field-manager=test", "-f", "-", stdin=exception(denied)["manifest"])
        asked_until(lambda: ask(**oncall), verdicts, {"look": "ok"})
        # another subject, and another repository whose name begins alike
        for other in (ask(), ask(image="busybox-of-others:1.37", **oncall)):
            assert verdicts(other) == {"look": "denied"}
        # the same one who may do everything in another namespace
        account = denied["subject"].removeprefix("system:serviceaccount:")
        strict.run("create", "rolebinding", "oncall", "--clusterrole=cluster-admin", f"--serviceaccount={account}")
        elsewhere = {"namespace": strict.namespace, "pod": "nonroot"}
        there = asked_until(lambda: ask(**elsewhere, **oncall), verdicts, {"look": "denied"})
        assert name in row(there, "profile auto")["message"]
        looked = call("ephemeral_debug", pod=app, commands=["true"], name="excepted", **oncall)
        assert not looked["failed"], looked["msg"]


def test_a_webhook_that_is_down_denies_what_it_would_deny_at_night(kubectl: Kubectl, call: Play, app: str) -> None:
    hook = {
        "name": "down.incident.test",
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": kubectl.namespace}},
        "rules": [DEBUGGERS],
    }
    kind, metadata = "ValidatingWebhookConfiguration", {"name": f"down-{kubectl.namespace}"}
    with installed(kubectl, {"apiVersion": API, "kind": kind, "metadata": metadata, "webhooks": [hook]}):
        wait_until_refused(kubectl, app, "failed calling webhook")
        found = call("preflight", uses=["look", "copy"], pod=app)
    assert verdicts(found) == {"look": "denied", "copy": "ok"}
    assert "failed calling webhook" in row(found, "profile auto")["message"]


def test_without_an_api_server_or_with_a_token_that_it_does_not_know_it_fails_in_words(
    call: Play, credentials: Credentials
) -> None:
    oncall = credentials([])
    away = call("preflight", **{**oncall, "host": "https://127.0.0.1:1"})
    unknown = call("preflight", **{**oncall, "api_key": "nobody"})
    assert (away["reason"], unknown["reason"]) == ("ApiUnreachable", "Unauthorized")
    for found in (away, unknown):
        assert found["failed"]
        assert found["checks"] == found["uses"] == found["table"] == found["exceptions"] == []
