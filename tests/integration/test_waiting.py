# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a debugger of the real cluster through a proxy that breaks, forgets, stalls and refuses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from kubernetes.client import ApiClient, Configuration

from .conftest import Kubectl, Play, pod_manifest
from .faulty import Fault, FaultyProxy, Request, answer, faulty, stream
from .inside import request, target_of

EXPIRED = {
    "kind": "Status",
    "status": "Failure",
    "code": 410,
    "reason": "Expired",
    "message": "too old resource version",
}
BUSY = {"kind": "Status", "status": "Failure", "code": 429, "reason": "TooManyRequests", "message": "Too many requests"}
# far beyond what was allowed, on the busiest machine too
FOREVER = 120
MUTE = Fault(answer=b"", silent=True)


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def through(proxy: FaultyProxy, seconds: float = 240) -> Cluster:
    return Cluster(ApiClient(Configuration(host=proxy.url)), Deadline(seconds))


def the_first(times: int, is_meant: Callable[[Request], bool], fault: Callable[[Request], Fault]) -> Any:
    """Does a fault to the first of those requests that are meant."""
    left = times

    def interfere(asked: Request) -> Fault | None:
        nonlocal left
        if not is_meant(asked) or left == 0:
            return None
        left -= 1
        return fault(asked)

    return interfere


def bookmark(watch: Request) -> dict[str, Any]:
    (version,) = parse_qs(urlsplit(watch.path).query)["resourceVersion"]
    return {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": version}}}


# what happens to so many watches, before one is left in peace
BROKEN: dict[str, tuple[int, Callable[[Request], Fault]]] = {
    "cut in the first event": (2, lambda _watch: Fault(events=0)),
    "cut behind an event": (1, lambda _watch: Fault(events=1)),
    "forgotten, said in the stream": (2, lambda _watch: stream({"type": "ERROR", "object": EXPIRED})),
    "forgotten, said at once": (2, lambda _watch: answer(410, EXPIRED)),
    "refused": (2, lambda _watch: answer(500, {"message": "etcd is busy"})),
    "a bookmark and the end": (2, lambda watch: stream(bookmark(watch))),
    "the end": (2, lambda _watch: stream()),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_watch_that_breaks_is_taken_up_again(
    kubectl: Kubectl, app: str, kubeconfig: dict[str, Any], tmp_path: Path, broken: str
) -> None:
    times, fault = BROKEN[broken]
    name = f"watched-{list(BROKEN).index(broken)}"
    with faulty(kubeconfig, tmp_path, the_first(times, lambda asked: asked.is_watch, fault)) as proxy:
        attached = ensure(through(proxy), target_of(kubectl, app), request(name), IdentityRequest())
        assert attached.session
        attached.session.close()
        assert attached.debugger.name == name
        assert attached.seen.root_readable
        assert proxy.count(lambda asked: asked.method == "PATCH") == 1
        first = next(index for index, asked in enumerate(proxy.requests) if asked.is_watch)
        # by the time of a look after it the debugger may run, and nothing is left to watch for
        again = [
            asked for asked in proxy.requests[first + 1 :] if asked.is_watch or asked.path.endswith(f"/pods/{app}")
        ]
        assert again or broken == "cut behind an event"


def test_a_busy_api_server_is_asked_again_when_it_says(
    kubectl: Kubectl, app: str, kubeconfig: dict[str, Any], tmp_path: Path
) -> None:
    refused: list[str] = []

    def interfere(asked: Request) -> Fault | None:
        kind = "watch" if asked.is_watch else "exec" if "/exec?" in asked.path else asked.method
        if kind in refused:
            return None
        refused.append(kind)
        return answer(429, BUSY, Retry_After="1")

    with faulty(kubeconfig, tmp_path, interfere) as proxy:
        target = target_of(kubectl, app)
        attached = ensure(through(proxy), target, request("patient"), IdentityRequest())
        assert attached.session
        attached.session.close()
        assert refused == ["watch", "PATCH", "exec"]
        through(proxy).get("/api/v1/nodes", "looking")
        assert refused == ["watch", "PATCH", "exec", "GET"]


SILENT: dict[str, Callable[[Request], Fault | None]] = {
    "a watch that says nothing": lambda asked: stream(silent=True) if asked.is_watch else None,
    "a watch of bookmarks only": lambda asked: stream(bookmark(asked), silent=True) if asked.is_watch else None,
    "a watch that is never answered": lambda asked: MUTE if asked.is_watch else None,
    "a PATCH that is never answered": lambda asked: MUTE if asked.method == "PATCH" else None,
    "an exec that is never answered": lambda asked: MUTE if "/exec?" in asked.path else None,
    "a server that is always busy": lambda _asked: answer(429, BUSY, Retry_After="1"),
}


@pytest.mark.parametrize("silent", SILENT)
def test_nothing_is_waited_for_longer_than_allowed(
    kubectl: Kubectl, app: str, kubeconfig: dict[str, Any], tmp_path: Path, silent: str
) -> None:
    target = target_of(kubectl, app)
    with faulty(kubeconfig, tmp_path, SILENT[silent]) as proxy:
        began = time.monotonic()
        with pytest.raises(Failure) as caught:
            ensure(through(proxy, 3), target, request(f"silent-{list(SILENT).index(silent)}"), IdentityRequest())
        took = time.monotonic() - began
    assert caught.value.reason == ("ApiUnreachable" if "busy" in silent else "WaitTimeout"), caught.value.message
    assert took < FOREVER, "what is silent here is so for ever: 3 s were allowed"


def test_a_task_through_such_a_proxy_ends_as_any_other(
    call: Play, app: str, kubeconfig: dict[str, Any], tmp_path: Path
) -> None:
    with faulty(
        kubeconfig, tmp_path, the_first(1, lambda asked: asked.is_watch, lambda _watch: Fault(events=0))
    ) as proxy:
        options = {"host": proxy.url, "api_key": "the-proxy-has-its-own"}
        environment = {"KUBECONFIG": "/dev/null", "K8S_AUTH_KUBECONFIG": ""}
        played = call(
            "ephemeral_debug", pod=app, name="whole", commands=["echo in"], **options, environment=environment
        )
    assert played.target["commands"][0]["stdout"] == "in\n"
