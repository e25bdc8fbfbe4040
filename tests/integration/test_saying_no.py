# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user gets when it cannot be: a reason of the closed list, the cause, and what to do next. Never a traceback."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CHECKOUT, Credentials, Kubectl, Play, Played, facts, pod_manifest
from .faulty import Fault, Request, faulty
from .patience import PATIENCE

RULES: list[dict[str, Any]] = yaml.safe_load(
    (CHECKOUT / "playbooks" / "files" / "role.yml").read_text(encoding="utf-8")
)["rules"]

# nothing of the test run's own settings may help
ALONE = {"KUBECONFIG": "/dev/null", "K8S_AUTH_KUBECONFIG": ""}


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def assert_says(played: Played, reason: str, *words: str) -> None:
    assert played.status == 0, played.printed  # ignore_errors
    assert played["failed"]
    assert played["reason"] == reason, played["msg"]
    assert played.failure["reason"] == reason
    assert played.failure["hint"]
    for word in words:
        assert word in played["msg"] + played.failure["hint"]
    assert "Traceback" not in played.printed


def test_an_image_that_cannot_be_pulled_fails_with_the_runtimes_words(call: Play, app: str) -> None:
    assert_says(
        call("ephemeral_debug", pod=app, image="registry.invalid/none:1"),
        "ImagePullFailed",
        "registry.invalid/none:1",
        "no such host",
    )


def test_an_image_that_is_not_there_and_may_not_be_pulled(call: Play, app: str) -> None:
    assert_says(
        call("ephemeral_debug", pod=app, image="incident.test/none:1", image_pull_policy="Never"), "ImagePullFailed"
    )


def test_an_image_name_that_is_none(kubectl: Kubectl, call: Play, app: str) -> None:
    before = kubectl.debuggers(app)
    assert_says(
        call("ephemeral_debug", pod=app, image="Not An Image"), "ImagePullFailed", "is not a valid image reference"
    )
    assert kubectl.debuggers(app) == before


def test_an_image_without_a_shell(call: Play, app: str) -> None:
    assert_says(
        call("ephemeral_debug", pod=app, image="incident.test/app:root", image_pull_policy="Never"),
        "ImageHasNoShell",
        "sleep",
    )


def test_a_pod_that_is_not_there(call: Play) -> None:
    assert_says(call("ephemeral_debug", pod="nobody"), "NoTarget", "nobody")


def test_a_namespace_that_is_not_there(call: Play) -> None:
    assert_says(call("ephemeral_debug", namespace="nowhere", pod="nobody"), "NoTarget")


def test_a_finished_pod(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(
        pod_manifest(
            "done", "incident.test/app:65532", container={"args": ["--exit-after", "100ms"]}, restartPolicy="Never"
        )
    )
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    assert_says(call("ephemeral_debug", pod="done"), "TargetNotRunning", "finished")
    assert_says(call("ephemeral_debug", label_selectors=["app=done"]), "NoTarget")


def test_a_crashing_container(kubectl: Kubectl, call: Play) -> None:
    # its program is not there: one that starts and ends is running for the moment in which it may be selected
    kubectl.apply(pod_manifest("crashing", "incident.test/app:65532", container={"command": ["/nothing"]}))
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    kubectl.run("wait", "pod/crashing", f"--for={reason}=CrashLoopBackOff", f"--timeout={PATIENCE}s")
    assert_says(call("ephemeral_debug", pod="crashing"), "TargetNotRunning")


def test_a_pod_that_waits_for_a_node(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("homeless", "incident.test/app:65532", nodeSelector={"no": "where"}))
    kubectl.run("wait", "pod/homeless", "--for=condition=PodScheduled=False", f"--timeout={PATIENCE}s")
    assert_says(call("ephemeral_debug", pod="homeless"), "TargetNotRunning", "Pending")


def test_an_unknown_container(call: Play, app: str) -> None:
    assert_says(call("ephemeral_debug", pod=app, container="web"), "ContainerNotFound", "app")


def test_container_and_target_that_differ(call: Play, app: str) -> None:
    assert_says(
        call("ephemeral_debug", pod=app, container="app", target="debugger-1"),
        "InvalidRequest",
        "name names the debugger",
    )


def test_a_bad_selector(call: Play) -> None:
    assert_says(call("ephemeral_debug", label_selectors=["a=(b"]), "InvalidRequest")


def test_pod_security_refuses_a_named_profile(make_namespace: Callable[..., Kubectl], call: Play) -> None:
    careful = make_namespace("baseline")
    careful.apply(pod_manifest("api", "incident.test/app:nonroot"))
    careful.wait_until_running("api")
    played = call("ephemeral_debug", namespace=careful.namespace, pod="api", profile="general")
    assert_says(played, "PodSecurityDenied", "SYS_PTRACE", "baseline", "profile auto")
    assert not careful.debuggers("api")


def test_an_unreadable_target_is_not_a_success(call: Play, app: str) -> None:
    played = call("ephemeral_debug", pod=app, identity="image", profile="baseline")
    assert_says(played, "PermissionDenied", "0:0", "65532:65532", "allow_elevated")


def test_a_debugger_that_its_runtime_refuses_to_create(call: Play, app: str) -> None:
    # busybox runs as root, which is found out when the image is there
    custom = {"securityContext": {"runAsNonRoot": True}}
    played = call("ephemeral_debug", pod=app, identity="image", profile="baseline", custom=custom)
    assert_says(played, "ContainerCreateFailed", "runAsNonRoot and image will run as root", "run_as_user")


def test_the_time_runs_out(kubectl: Kubectl, call: Play, app: str) -> None:
    asked = {"pod": app, "image": "registry.invalid/none:2", "name": "slow"}
    assert_says(call("ephemeral_debug", **asked, wait_timeout=1), "WaitTimeout", "wait_timeout")
    again = call("ephemeral_debug", **asked, wait_timeout=1)
    assert (again.failure["reason"] in ("WaitTimeout", "ImagePullFailed"), again["changed"]) == (True, False)
    assert [entry["name"] for entry in kubectl.debuggers(app) if entry["image"] == asked["image"]] == ["slow"]
    waits = "{.status.ephemeralContainerStatuses[?(@.name=='slow')].state.waiting.reason}"
    kubectl.run("wait", f"pod/{app}", f"--for=jsonpath={waits}=ImagePullBackOff", f"--timeout={PATIENCE}s")
    ended = call("ephemeral_debug", pod=app, name="slow", state="absent")
    assert (ended["changed"], ended.target["ended"]) == (False, [])
    assert any("slow has not started (ImagePullBackOff" in words for words in ended.target["warnings"])


def test_an_unknown_field_is_refused_by_the_server(call: Play, app: str) -> None:
    assert_says(call("ephemeral_debug", pod=app, custom={"securityContex": {}}), "InvalidRequest", "securityContex")


def test_a_name_that_is_taken_by_someone_elses_container(kubectl: Kubectl, call: Play, app: str) -> None:
    played = call("ephemeral_debug", pod=app, name="app")
    assert played.target["debugger"] == "app-2"


def test_the_documented_role_is_enough(play: Play, app: str, credentials: Credentials, tmp_path: Path) -> None:
    oncall = credentials(RULES)
    played = play(
        "proc_fs_fetch",
        label_selectors=["app=api"],
        src=["/data/app.log"],
        dest=str(tmp_path / "home"),
        debug={"name": "by-role"},
        **oncall,
    )
    assert played.status == 0, played.printed
    assert not played.result.get("failed"), played["msg"]
    assert oncall["api_key"] not in played.printed


@pytest.mark.parametrize(
    ("resource", "verb"),
    [
        ("pods", "get"),
        ("pods", "watch"),
        ("pods/ephemeralcontainers", "patch"),
        ("pods/exec", "create"),
        ("pods", "list"),
    ],
)
def test_each_rule_is_needed_and_its_absence_is_named(
    kubectl: Kubectl, call: Play, app: str, credentials: Credentials, resource: str, verb: str
) -> None:
    rules = [
        {
            **rule,
            "verbs": [allowed for allowed in rule["verbs"] if resource not in rule["resources"] or allowed != verb],
        }
        for rule in RULES
    ]
    selection = {"label_selectors": ["app=api"]} if verb == "list" else {"pod": app}
    name = f"without-{resource}-{verb}".replace("/", "-")
    played = call("ephemeral_debug", **selection, name=name, **credentials([rule for rule in rules if rule["verbs"]]))
    assert_says(played, "RbacDenied", verb, resource, kubectl.namespace, "rbac.authorization.k8s.io")


def test_a_token_that_is_none(play: Play, app: str, credentials: Credentials) -> None:
    played = play("ephemeral_debug", pod=app, **{**credentials(RULES), "api_key": "not-a-token-at-all"})
    assert_says(played, "Unauthorized")
    assert "not-a-token-at-all" not in played.printed


@pytest.fixture
def expired(tmp_path: Path) -> dict[str, str]:
    """An administrator's client certificate, signed by the cluster's own authority, whose time is over."""
    key, request, certificate = (str(tmp_path / name) for name in ("old.key", "old.csr", "old.crt"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    subject = ["-subj", "/O=system:masters/CN=admin"]
    asking = ["openssl", "req", "-new", *curve, *subject, "-keyout", key, "-out", request]
    signing = ["openssl", "x509", "-req", "-in", request, "-CA", facts()["CA_CERT"], "-CAkey", facts()["CA_KEY"]]
    # the one that ends in the moment in which it begins
    for command in (
        asking,
        [*signing, "-CAcreateserial", "-CAserial", f"{request}.srl", "-days", "0", "-out", certificate],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return {"client_cert": certificate, "client_key": key}


def test_a_client_certificate_whose_time_is_over(
    call: Play, app: str, credentials: Credentials, expired: dict[str, str]
) -> None:
    options = {key: value for key, value in credentials(RULES).items() if key != "api_key"}
    assert_says(call("ephemeral_debug", pod=app, **options, **expired), "Unauthorized", "certificate")


def test_a_token_whose_account_is_gone(kubectl: Kubectl, call: Play, app: str, credentials: Credentials) -> None:
    oncall = credentials(RULES)
    account = json.loads(base64.urlsafe_b64decode(oncall["api_key"].split(".")[1] + "=="))["sub"].rpartition(":")[2]
    kubectl.run("delete", "serviceaccount", account)
    played = call("ephemeral_debug", pod=app, **oncall)
    assert_says(played, "Unauthorized", "Renew the token")
    assert oncall["api_key"] not in played.printed


def test_an_api_without_ephemeral_containers(call: Play, app: str, tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    def older(request: Request) -> Fault | None:
        # the words are the real server's, about a subresource that it does not know
        unknown = request.path.replace("/ephemeralcontainers", "/ephemeralcontainersofold")
        return Fault(path=unknown) if unknown != request.path else None

    with faulty(kubeconfig, tmp_path, older) as proxy:
        played = call(
            "ephemeral_debug",
            pod=app,
            name="too-new",
            host=proxy.url,
            api_key="the-proxy-has-its-own",
            environment=ALONE,
        )
        assert_says(played, "ApiUnsupported", "could not find the requested resource", "1.25")
        assert proxy.count(lambda request: request.method == "PATCH") == 1


def test_an_api_server_that_is_not_there(call: Play, app: str, credentials: Credentials) -> None:
    assert_says(
        call("ephemeral_debug", pod=app, **{**credentials(RULES), "host": "https://127.0.0.1:9"}),
        "ApiUnreachable",
        "refused",
    )


def test_an_api_server_with_another_certificate_authority(call: Play, app: str, credentials: Credentials) -> None:
    played = call("ephemeral_debug", pod=app, **{**credentials(RULES), "ca_cert": "/etc/ssl/certs/ca-certificates.crt"})
    assert_says(played, "CertificateRefused", "authority that is not trusted here", "ca_cert")


def test_an_api_server_that_accepts_and_says_nothing(call: Play, app: str, credentials: Credentials) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=lambda: [silent.accept() for _connection in range(3)], daemon=True).start()
        host = f"https://127.0.0.1:{silent.getsockname()[1]}"
        assert_says(
            call("ephemeral_debug", pod=app, wait_timeout=2, **{**credentials(RULES), "host": host}), "ApiUnreachable"
        )


def test_a_destination_that_is_full(call: Play, app: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        played = call("proc_fs_fetch", pod=app, src=["/data/blob.bin"], dest=str(small))
        assert_says(played, "DestUnwritable", "do not fit", "free space")
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_destination_that_nobody_may_write(call: Play, app: str) -> None:
    assert_says(call("proc_fs_fetch", pod=app, src=["/data/app.log"], dest="/proc/evidence"), "DestUnwritable", "/proc")
