# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a task's options to an API server: by whose word it is asked, and what is said where that cannot be had."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._modules import pod_logs
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import TOKEN, FakeCluster, fake_cluster
from ansible_collections.incident.distroless.tests.unit.support.local_processes import is_there
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task
from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as kubernetes_core
from kubernetes.client import ApiException

LOG = {"namespace": "shop", "pod": "api-0", "container": "app"}
SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _outside_of_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests has a kubeconfig of his own, or is in a pod."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for name in ("KUBECONFIG", "K8S_AUTH_KUBECONFIG", "K8S_AUTH_HOST", "K8S_AUTH_API_KEY", "K8S_AUTH_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A cluster with a pod that has said nothing."""
    with fake_cluster() as found:
        found.state.put(pod())
        yield found


def ask(cluster: FakeCluster, **options: Any) -> Ended:
    """A task that knows the cluster by these options alone."""
    return run_task(pod_logs.run, cluster, containers=[LOG], **{"host": None, "api_key": None, **options})


def reason(ended: Ended) -> str | None:
    """Why the log was not read."""
    rows = ended.result.get("logs")
    found: str | None = rows[0]["reason"] if rows else ended["reason"]
    return found


def settings(server: str, user: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig's content."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def kubeconfig(folder: Path, server: str, **user: Any) -> str:
    """A kubeconfig with one user; JSON is YAML."""
    path = folder / "kubeconfig"
    path.write_text(json.dumps(settings(server, user)), encoding="utf-8")
    return str(path)


def plugin(script: str) -> dict[str, Any]:
    """A user whom a credential plugin vouches for."""
    version = "client.authentication.k8s.io/v1"
    return {"apiVersion": version, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}


def test_a_host_and_a_key_are_enough(cluster: FakeCluster) -> None:
    assert reason(ask(cluster, **cluster.options())) is None
    # nothing is asked but what the task is about
    assert [line.partition("?")[0] for line in cluster.requests] == ["GET /api/v1/namespaces/shop/pods/api-0/log"]


def test_a_kubeconfig_names_the_server_and_the_user(cluster: FakeCluster, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, cluster.url, token=TOKEN)
    assert reason(ask(cluster, kubeconfig=path)) is None
    assert reason(ask(cluster, kubeconfig=path, context="x")) is None


def test_one_of_several_clusters_gets_nothing_that_the_environment_says(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_AUTH_API_KEY", TOKEN)
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_USER", "nobody@example.org")
    # of one cluster alone it is meant
    assert reason(ask(cluster, host=cluster.url)) == "RbacDenied"
    monkeypatch.setattr(pod_logs, "connect", partial(connect, uses_environment=False))
    assert reason(ask(cluster, host=cluster.url)) == "InvalidRequest"
    assert reason(ask(cluster, **cluster.options())) is None


def test_a_kubeconfig_can_be_given_as_its_content(cluster: FakeCluster) -> None:
    assert reason(ask(cluster, kubeconfig=settings(cluster.url, {"token": TOKEN}))) is None


def test_a_credential_plugin_says_the_token(cluster: FakeCluster, tmp_path: Path) -> None:
    answer = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": TOKEN},
    }
    path = kubeconfig(
        tmp_path,
        cluster.url,
        exec=plugin(f"echo '{json.dumps(answer)}'".replace("the-on-call-person's", "the-on-call-person'\\''s")),
    )
    assert reason(ask(cluster, kubeconfig=path)) is None


def test_a_credential_plugin_that_takes_too_long_is_named_and_not_waited_for(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path, cluster.url, exec=plugin("exec sleep 5"))
    ended = ask(cluster, kubeconfig=path, timeout=1)
    assert (ended.has_failed, ended["reason"]) == (True, "ApiUnreachable")
    assert "credential plugin" in ended["hint"]
    assert cluster.requests == []


def test_a_credential_plugin_that_fails_ends_the_task_without_what_it_printed(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path, cluster.url, exec=plugin(f"echo {SECRET}; echo {SECRET} >&2; exit 1"))
    ended = ask(cluster, kubeconfig=path)
    assert ended.has_failed
    assert SECRET not in json.dumps(dict(ended.result))


def test_what_a_kubeconfig_said_is_not_inherited_by_the_next_task(cluster: FakeCluster, tmp_path: Path) -> None:
    ask(cluster, kubeconfig=kubeconfig(tmp_path, cluster.url, token=TOKEN))
    asked = len(cluster.requests)
    ended = ask(cluster, host=cluster.url, api_key="another's")
    assert (len(cluster.requests), reason(ended)) == (asked + 1, "Unauthorized")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Invalid kube-config"),
        ({"kubeconfig": "/nowhere/kubeconfig"}, "kube-config"),
        ({"context": "nobody"}, "nobody"),
    ],
    ids=["nothing", "no file", "no context"],
)
def test_settings_that_lead_nowhere_are_an_invalid_request(
    cluster: FakeCluster, tmp_path: Path, options: dict[str, str], said: str
) -> None:
    if "context" in options:
        options = {**options, "kubeconfig": kubeconfig(tmp_path, cluster.url, token=TOKEN)}
    ended = ask(cluster, **options)
    assert (ended.has_failed, ended["reason"]) == (True, "InvalidRequest")
    assert said in ended["msg"]
    assert "Check kubeconfig and context" in ended["hint"]


def test_a_kubeconfig_that_is_none_ends_the_task_without_its_content(cluster: FakeCluster, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(f"{{password: {SECRET}", encoding="utf-8")
    ended = ask(cluster, kubeconfig=str(path))
    assert (ended.has_failed, ended["reason"]) == (True, "ApiUnreachable")
    assert SECRET not in json.dumps(dict(ended.result))


def test_a_person_whom_the_server_does_not_know_is_unauthorized(cluster: FakeCluster) -> None:
    ended = ask(cluster, host=cluster.url, api_key="nobody's")
    assert ended.has_failed
    assert reason(ended) == "Unauthorized"


def test_a_person_can_ask_as_another(cluster: FakeCluster) -> None:
    ended = ask(cluster, **cluster.options(), impersonate_user="nobody@example.org", impersonate_groups=["a", "b"])
    assert reason(ended) == "RbacDenied"
    assert 'User "nobody@example.org" cannot get resource "pods/log"' in ended["logs"][0]["msg"]


@pytest.mark.parametrize(("is_checked", "warned"), [(True, False), (False, True)])
def test_a_certificate_that_is_not_verified_is_warned_of_without_the_password_in_the_url(
    cluster: FakeCluster, is_checked: bool, warned: bool
) -> None:
    # nobody listens at port 1
    ended = ask(cluster, host=f"https://me:{SECRET}@127.0.0.1:1", api_key="x", validate_certs=is_checked, timeout=10)
    assert reason(ended) == "ApiUnreachable"
    warnings = [str(line) for line in ended.result.get("warnings", ())]
    assert any("The certificate of https://127.0.0.1:1 is not verified" in line for line in warnings) is warned
    assert not any(SECRET in line for line in warnings)


def test_a_server_that_is_not_there_is_named(cluster: FakeCluster) -> None:
    ended = ask(cluster, host="http://127.0.0.1:1", api_key="x", timeout=10)
    assert reason(ended) == "ApiUnreachable"
    assert "127.0.0.1:1" in ended["logs"][0]["msg"]


@pytest.mark.parametrize("body", [b'{"message": "renew it"}', "renew it", None])
def test_what_an_issuer_refuses_while_the_client_is_made_keeps_its_reason(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    def refuse(_settings: Any) -> Any:
        refusal = ApiException(status=401)
        refusal.body = body
        raise refusal

    monkeypatch.setattr(kubernetes_core, "_create_configuration", refuse)
    ended = ask(cluster, **cluster.options())
    assert (ended.has_failed, ended["reason"]) == (True, "Unauthorized")
    assert ("renew it" in ended["msg"]) is bool(body)


def test_a_credential_plugin_that_takes_too_long_is_ended_with_all_that_it_started(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $$ $! >{pids}.part; mv {pids}.part {pids}; wait; sleep 600"
    seconds = 2
    # on a busy machine it has not come to that when its time is up
    while not pids.exists() and seconds < 600:
        ended = ask(cluster, kubeconfig=kubeconfig(tmp_path, cluster.url, exec=plugin(script)), timeout=seconds)
        assert ended["reason"] == "ApiUnreachable"
        seconds *= 2
    until = time.monotonic() + 60
    while any(is_there(int(pid)) for pid in pids.read_text(encoding="utf-8").split()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_server_that_is_not_known_yet_is_named_by_what_says_it(cluster: FakeCluster, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://api.example:6443", exec=plugin("exec sleep 60"))
    ended = ask(cluster, kubeconfig=path, context="x", timeout=1)
    assert ended["reason"] == "ApiUnreachable"
    assert f"connecting to the server of {path}, context x: the credentials cannot be had in time" in ended["msg"]


@pytest.mark.parametrize("given", [-1, 1e9, "nan"])
def test_a_pace_that_is_none_is_refused_by_name(cluster: FakeCluster, given: float | str) -> None:
    ended = run_task(pod_logs.run, cluster, containers=[LOG], requests_per_second=given)
    assert reason(ended) == "InvalidRequest"
    assert "requests_per_second" in ended["msg"]
