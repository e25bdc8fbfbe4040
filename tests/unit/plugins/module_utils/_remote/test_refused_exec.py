# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refused exec is said in the API server's words, whatever version of websocket-client is here."""

from __future__ import annotations

from typing import Any

import pytest
import websocket
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import failure_from_status
from ansible_collections.incident.distroless.plugins.module_utils._remote import pod_exec
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_exec

FORBIDDEN = b'{"message": "pods \\"api\\" is forbidden: User \\"u\\" cannot create resource \\"pods/exec\\" in API group \\"\\" in the namespace \\"shop\\""}'


class Api:
    """Answers a request without an upgrade as said, and remembers what was asked."""

    host = name = "https://api:6443"

    def __init__(self, answer: Failure | None) -> None:
        self.answer, self.asked = answer, []
        self.deadline = Deadline(10)

    def refused(self, http_status: int, status: Any, doing: str) -> Failure:
        return failure_from_status(http_status, status, doing)

    def dial(self, _doing: str) -> None:
        """Nobody is there."""

    def headers(self, _doing: str) -> list[tuple[str, str]]:
        return []

    def get(self, path: str, _doing: str, query: Any) -> dict[str, Any]:
        self.asked.append((path, dict(query)["container"]))
        if self.answer is not None:
            raise self.answer
        return {}


def refused(monkeypatch: pytest.MonkeyPatch, api: Api, status: int, body: bytes | None, *, is_old: bool) -> Failure:
    error = websocket.WebSocketBadStatusException("Handshake status %d %s", status, "No", {})
    error.resp_body = body
    if is_old:
        del error.resp_body

    def connect(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(websocket.WebSocket, "connect", connect)
    with pytest.raises(Failure) as caught:
        open_exec(api, "shop", "api", "debugger", ["sh"])  # type: ignore[arg-type]
    return caught.value


def test_the_body_of_the_answer_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(None)
    failure = refused(monkeypatch, api, 403, FORBIDDEN, is_old=False)
    assert failure.reason == "RbacDenied"
    assert "pods/exec" in failure.hint
    assert api.asked == []


@pytest.mark.parametrize("is_old", [True, False], ids=["no attribute", "no body"])
def test_without_a_body_the_same_is_asked_again_without_an_upgrade(
    monkeypatch: pytest.MonkeyPatch, *, is_old: bool
) -> None:
    api = Api(Failure("PodGone", 'exec in shop/api/debugger: pods "api" not found'))
    failure = refused(monkeypatch, api, 404, None, is_old=is_old)
    assert (failure.reason, failure.message) == ("PodGone", 'exec in shop/api/debugger: pods "api" not found')
    assert api.asked == [("/api/v1/namespaces/shop/pods/api/exec", "debugger")]


def test_an_answer_that_only_misses_the_upgrade_says_nothing_of_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(Failure("InvalidRequest", "Upgrade request required"))
    failure = refused(monkeypatch, api, 403, None, is_old=True)
    assert failure.reason == "RbacDenied"
    assert "HTTP 403" in failure.message


def test_a_server_in_trouble_is_asked_again_after_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(pod_exec.time, "sleep", sleep)
    monkeypatch.setattr(pod_exec.time, "monotonic", lambda: now[0])
    api = Api(None)
    monkeypatch.setattr(api.deadline, "_at", 60.0)
    assert refused(monkeypatch, api, 500, b"{}", is_old=False).reason == "ApiUnreachable"
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], len(pauses) < 12) == (0.05, 1.0, True)
