# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each part between a task and its pod falls silent in turn: the task ends when its time is up, and leaves nobody behind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._modules import (
    debug_pod,
    ephemeral_debug,
    evidence_api,
    pod_logs,
    proc_fs_fetch,
)
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import (
    MUTE,
    SILENT,
    SPEECHLESS,
    FakeCluster,
    Fault,
    Stream,
    fake_cluster,
)
from ansible_collections.incident.distroless.tests.unit.support.local_processes import is_there
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task

LIMIT = 1
POD = {"namespace": "shop", "pod": "api-0"}
Task = Callable[..., Ended]


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with fake_cluster() as found:
        found.state.put(pod())
        yield found


def debug(cluster: FakeCluster, _folder: Path, **options: Any) -> Ended:
    return run_task(ephemeral_debug.run, cluster, **POD, wait_timeout=LIMIT, **options)


def absent(cluster: FakeCluster, _folder: Path, **options: Any) -> Ended:
    return debug(cluster, _folder, state="absent", name="witness", **options)


def fetch(cluster: FakeCluster, folder: Path, **options: Any) -> Ended:
    given = {"src": ["/etc"], "dest": str(folder), "debug": {"wait_timeout": LIMIT}}
    return run_task(proc_fs_fetch.run, cluster, **POD, **given, deadline=LIMIT, **options)


def copy(cluster: FakeCluster, _folder: Path, **options: Any) -> Ended:
    return run_task(debug_pod.run, cluster, **POD, wait_timeout=LIMIT, **options)


def logs(cluster: FakeCluster, _folder: Path, **options: Any) -> Ended:
    return run_task(pod_logs.run, cluster, containers=[{**POD, "container": "app"}], timeout=LIMIT, **options)


def evidence(cluster: FakeCluster, folder: Path, **options: Any) -> Ended:
    given = {"pods": [{**POD, "container": "app"}], "what": ["pod"], "dest": str(folder), "timeout": LIMIT}
    return run_task(evidence_api.run, cluster, **given, **options)


@contextmanager
def listening(backlog: int = 16) -> Iterator[socket.socket]:
    """A listener that takes connections in as long as its backlog has room, and never looks at them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        yield listener


@contextmanager
def no_name_server(
    _cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, _folder: Path
) -> Iterator[Mapping[str, Any]]:
    is_over = threading.Event()

    def ask(*_words: Any) -> Any:
        is_over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    # a resolver cannot be set for this process alone
    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield {"host": "https://api.example:6443"}
    is_over.set()


@contextmanager
def no_connection(
    _cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path
) -> Iterator[Mapping[str, Any]]:
    with listening(0) as listener:
        # with its backlog full the kernel drops every further SYN
        waiting = [socket.socket() for _number in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield {"host": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        for one in waiting:
            one.close()


@contextmanager
def no_tls(_cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Mapping[str, Any]]:
    with listening() as listener:
        yield {"host": f"https://127.0.0.1:{listener.getsockname()[1]}"}


@contextmanager
def no_answer(cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Mapping[str, Any]]:
    cluster.faults += [Fault("/shop/pods", MUTE)] * 20
    yield {}


@contextmanager
def no_event(cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Mapping[str, Any]]:
    cluster.faults += [Fault("watch=true", Stream(then=SILENT))] * 20
    yield {}


@contextmanager
def no_exec(cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Mapping[str, Any]]:
    cluster.faults += [Fault("/exec?", MUTE)] * 20
    yield {}


@contextmanager
def no_shell(cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Mapping[str, Any]]:
    cluster.faults += [Fault("/exec?", SPEECHLESS)] * 20
    yield {}


@contextmanager
def no_token(cluster: FakeCluster, _monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Mapping[str, Any]]:
    """A credential plugin that starts another program and waits for it."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", f"echo $$ >>{folder}/plugins; sleep 600 & echo $! >>{folder}/plugins; wait; sleep 600"],
        "interactiveMode": "Never",
    }
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": cluster.url}}],
        "users": [{"name": "u", "user": {"exec": plugin}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    yield {"host": None, "api_key": None, "kubeconfig": kubeconfig}


# which part says nothing -> the tasks that meet it
MEET: Mapping[Any, list[Task]] = {
    no_name_server: [debug],
    no_connection: [debug],
    no_tls: [evidence],
    no_answer: [debug, absent, fetch, copy, logs],
    no_event: [debug, copy],
    no_exec: [debug],
    no_shell: [debug, fetch],
    no_token: [copy],
}
# a server that has never answered is not there, any other one is slow; which of both, is the machine's choice
REASONS = {"ApiUnreachable", "WaitTimeout"}
CASES = [(part, task) for part, tasks in MEET.items() for task in tasks]


def reason_of(ended: Ended) -> str:
    result = ended.result
    rows = [*result.get("failed_targets", ()), *result.get("logs", ())]
    return str(next((row["reason"] for row in rows), result.get("reason")))


@pytest.mark.parametrize(("part", "task"), CASES, ids=[f"{part.__name__}-{task.__name__}" for part, task in CASES])
def test_a_task_ends_in_time_whichever_part_falls_silent(
    part: Any, task: Task, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    took: list[float] = []
    # a busy machine may be late once; what waits for a silent part is late each time
    while not took or (took[-1] > 2 * LIMIT + 10 and len(took) < 3):
        began = time.monotonic()
        with part(cluster, monkeypatch, tmp_path) as options:
            ended = task(cluster, tmp_path, **options)
            took.append(time.monotonic() - began)
            assert ended.has_failed
            assert reason_of(ended) in REASONS, ended.result
            if reason_of(ended) == "ApiUnreachable":
                # with its port, or by what says where it is
                server = options.get("host", cluster.url) or "the server of the kubeconfig"
                assert server in ended["msg"], ended.result
        monkeypatch.undo()
    print(f"{part.__name__}, {task.__name__}: {took[-1]:.1f} s of {LIMIT}")
    assert took[-1] <= 2 * LIMIT + 10
    # a debugger that it made is told of; whether a request arrived whose answer came too late nobody knows
    if cluster.asked_for("/exec?"):
        assert ended["changed"]
    assert_nobody_runs(tmp_path / "plugins")


def assert_nobody_runs(pids: Path) -> None:
    """The programs that a task started have ended."""
    until = time.monotonic() + 60
    while any(is_there(int(pid)) for pid in (pids.read_text(encoding="ascii").split() if pids.exists() else ())):
        assert time.monotonic() < until
        time.sleep(0.02)
