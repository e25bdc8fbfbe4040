# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Those who may refuse a debugger by rules of their own: a policy in the API server, a webhook beside it, a quota."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, facts, pod_manifest
from .patience import PATIENCE
from .test_saying_no import assert_says

API = "admissionregistration.k8s.io/v1"
DEBUGGERS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["UPDATE"],
    "resources": ["pods/ephemeralcontainers"],
}


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def only_in(namespace: str) -> dict[str, Any]:
    return {"matchLabels": {"kubernetes.io/metadata.name": namespace}}


@contextmanager
def installed(kubectl: Kubectl, *objects: dict[str, Any]) -> Iterator[None]:
    """Objects of the whole cluster, whose selectors keep them to one namespace, until the block's end."""
    try:
        for item in objects:
            kubectl.apply(item)
        yield
    finally:
        for item in reversed(objects):
            kubectl.run("delete", item["kind"], item["metadata"]["name"], "--wait=false", check=False)


def wait_until_refused(kubectl: Kubectl, pod: str, words: str) -> None:
    """The API server takes up a new rule a moment after it was written."""
    body = {"spec": {"ephemeralContainers": [{"name": "asked", "image": "busybox:1.37", "targetContainerName": "app"}]}}
    asking = ["patch", "pod", pod, "--subresource=ephemeralcontainers", "--dry-run=server", "-p", json.dumps(body)]
    until = time.monotonic() + PATIENCE
    while words not in (said := kubectl.run(*asking, check=False).stderr.decode()):
        assert time.monotonic() < until, said
        time.sleep(0.2)


def test_a_policy_of_the_api_server_refuses_with_its_own_words(kubectl: Kubectl, call: Play, app: str) -> None:
    name = f"no-debuggers-{kubectl.namespace}"
    message = "debuggers need a ticket in the annotation shop.example/ticket"
    has_ticket = "'shop.example/ticket' in object.metadata.?annotations.orValue({})"
    rule = {"expression": has_ticket, "message": message}
    spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [DEBUGGERS]}, "validations": [rule]}
    policy = {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    where = {"namespaceSelector": only_in(kubectl.namespace)}
    binding = {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": where},
    }
    with installed(kubectl, policy, binding):
        wait_until_refused(kubectl, app, message)
        assert_says(call("ephemeral_debug", pod=app, name="unwanted"), "AdmissionDenied", name, message)
        # check mode asks the same question
        assert_says(call("ephemeral_debug", pod=app, name="unwanted", check=True), "AdmissionDenied", message)
    assert not kubectl.debuggers(app)


MIRROR = """
Object{spec: Object.spec{ephemeralContainers: object.spec.ephemeralContainers.map(c, Object.spec.ephemeralContainers{
  name: c.name,
  image: c.image.startsWith("docker.io/") ? c.image : "docker.io/library/" + c.image,
  env: [Object.spec.ephemeralContainers.env{name: "AGENT_HOST", value: "10.0.0.7"}]
})}}
"""


def test_what_a_policy_makes_of_a_debugger_is_found_again_and_ended(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("mirrored", "incident.test/app:nonroot"))
    kubectl.wait_until_running("mirrored")
    name = f"mirror-{kubectl.namespace}"
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [DEBUGGERS]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": MIRROR}}],
    }
    binding = {"policyName": name, "matchResources": {"namespaceSelector": only_in(kubectl.namespace)}}
    kind, metadata = "MutatingAdmissionPolicy", {"name": name}
    policy = {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}
    bound = {"apiVersion": API, "kind": f"{kind}Binding", "metadata": metadata, "spec": binding}
    body = {"spec": {"ephemeralContainers": [{"name": "asked", "image": "busybox:1.37", "targetContainerName": "app"}]}}
    asking = [
        "patch",
        "pod",
        "mirrored",
        "--subresource=ephemeralcontainers",
        "--dry-run=server",
        "-p",
        json.dumps(body),
    ]
    with installed(kubectl, policy, bound):
        until = time.monotonic() + PATIENCE
        while b"AGENT_HOST" not in (said := kubectl.run(*asking, "-o", "yaml", check=False)).stdout:
            assert time.monotonic() < until, said
            time.sleep(0.2)
        first = call("ephemeral_debug", pod="mirrored")
        again = call("ephemeral_debug", pod="mirrored")
        ended = call("ephemeral_debug", pod="mirrored", state="absent")
    assert first.target["mutated_by_admission"] == again.target["mutated_by_admission"] == ["env", "image"]
    assert (first["changed"], again["changed"], again.target["reused"]) == (True, False, True)
    (entry,) = kubectl.debuggers("mirrored")
    assert ended.target["ended"] == [entry["name"]] == [first.target["debugger"]]


@contextmanager
def webhook(kubectl: Kubectl, folder: Path, refusal: dict[str, Any]) -> Iterator[str]:
    """A validating webhook on the node's address that answers each debugger of the namespace with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = {"uid": review["request"]["uid"], "allowed": False, "status": refusal}
            body = json.dumps({**review, "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Nothing: the test prints what matters."""

    address = facts()["NODE_IP"]
    certificate, key = folder / "webhook.crt", folder / "webhook.key"
    making = ["openssl", "req", "-x509", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    making += ["-subj", "/CN=webhook", "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key)]
    subprocess.run([*making, "-out", str(certificate)], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer((address, 0), Handler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    name = f"careful.{kubectl.namespace}.example"
    hook = {
        "name": name,
        "rules": [DEBUGGERS],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "namespaceSelector": only_in(kubectl.namespace),
        "clientConfig": {
            "url": f"https://{address}:{server.server_address[1]}/",
            "caBundle": base64.b64encode(certificate.read_bytes()).decode(),
        },
    }
    configuration = {
        "apiVersion": API,
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }
    try:
        with installed(kubectl, configuration):
            yield name
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_refuses_with_its_own_words(kubectl: Kubectl, call: Play, app: str, tmp_path: Path) -> None:
    # a code that Kubernetes itself uses for something else: webhooks choose their own
    refusal = {"code": 409, "reason": "Conflict", "message": "image busybox:1.37 is not signed by shop.example"}
    with webhook(kubectl, tmp_path, refusal) as name:
        wait_until_refused(kubectl, app, "not signed")
        assert_says(call("ephemeral_debug", pod=app, name="unsigned"), "AdmissionDenied", name, refusal["message"])
    assert not kubectl.debuggers(app)


@pytest.fixture
def full(make_namespace: Callable[..., Kubectl]) -> Kubectl:
    """A namespace whose one pod is all that its quota allows."""
    kubectl = make_namespace()
    hard = {"pods": "1", "count/pods": "1"}
    kubectl.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": hard}})
    kubectl.run("wait", "resourcequota/full", "--for=jsonpath={.status.hard.pods}=1", f"--timeout={PATIENCE}s")
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return kubectl


def quotas_own_words(full: Kubectl) -> str:
    said = full.run("run", "second", "--image=incident.test/app:nonroot", check=False).stderr.decode()
    assert "exceeded quota: full" in said
    return said.partition("forbidden: ")[2].strip()


def test_kubernetes_own_quota_does_not_count_a_debugger(full: Kubectl, call: Play) -> None:
    quotas_own_words(full)
    assert call("ephemeral_debug", namespace=full.namespace, pod="api").target["root_readable"] is True


def test_a_quota_that_a_webhook_enforces(full: Kubectl, call: Play, tmp_path: Path) -> None:
    words = quotas_own_words(full)
    with webhook(full, tmp_path, {"code": 403, "reason": "Forbidden", "message": words}):
        wait_until_refused(full, "api", "exceeded quota")
        assert_says(call("ephemeral_debug", namespace=full.namespace, pod="api"), "QuotaExceeded", words)
