# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deadline from the door on, whatever takes its time or never ends: credentials, requests, their answers, watches,
pauses, streams. On a clock of our own; sessions are waited for in _remote/test_session_time.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

import pytest
import urllib3
import websocket
from ansible_collections.incident.distroless.plugins.module_utils._core import deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import inject, wait_until_ended
from ansible_collections.incident.distroless.plugins.module_utils._k8s import answers, client, watch
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote import pod_exec
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_exec
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import make_target
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from hypothesis import example, given
from hypothesis import strategies as st

Answer = TypeVar("Answer")
FOREVER = float("inf")
CONTAINER = {"name": "debugger-1", "image": "busybox:1.37", "command": ["sleep", "60"], "targetContainerName": "app"}


POD = pod(ephemeralContainers=[CONTAINER])


class Clock:
    """A clock that goes on only when somebody waits; letting_go is what went by after the deadline while answers were closed."""

    def __init__(self) -> None:
        self.now, self.until, self.letting_go = 1000.0, 1000.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def within(self, seconds: float, call: Callable[[], Answer], *, ends_programs: bool = False) -> Answer:
        """See deadline.within: what the call took is known when it is over."""
        assert ends_programs in (True, False)
        began = self.now
        try:
            return call()
        finally:
            if self.now - began > seconds:
                self.now = began + max(0.0, seconds)
                raise TimeoutError


@contextmanager
def virtual() -> Iterator[Clock]:
    """The clock of all that waits for the API server."""
    clock = Clock()
    with ExitStack() as patched:
        for module in (deadline, client, watch, pod_exec):
            patched.enter_context(mock.patch.object(module, "time", clock))
        for module in (client, answers, pod_exec):
            patched.enter_context(mock.patch.object(module, "within", clock.within))
        yield clock


# seconds that a part takes, and what it comes to
TAKES = st.one_of(st.floats(0, 40), st.just(0.0), st.just(FOREVER))
ENDS = st.sampled_from(["as asked", "busy", "busy for long", "in trouble", "refused", "broken", "not JSON"])
EVENTS = st.sampled_from(["changed", "bookmark", "forgotten", "end", "break"])
PARTS = st.lists(st.tuples(TAKES, ENDS), max_size=12)
WATCHED = st.lists(st.tuples(TAKES, EVENTS), max_size=12)


class Server:
    """An API server, a credential plugin and a line to them, of whose parts each takes its time; what comes after the last
    one of a list takes for ever or comes at once."""

    def __init__(
        self, clock: Clock, parts: list[tuple[float, str]], watched: list[tuple[float, str]], last: float
    ) -> None:
        self.clock = clock
        self._parts = chain(parts, repeat((last, "as asked")))
        self._watched = chain(watched, repeat((last, "end")))
        self.rest_client = SimpleNamespace(pool_manager=self)
        self.configuration = SimpleNamespace(host="https://api:6443", auth_settings=self._settings)
        self.default_headers: dict[str, str] = {}

    def _take(self) -> str:
        seconds, what = next(self._parts)
        self.clock.sleep(seconds)
        return what

    def _settings(self) -> dict[str, Any]:
        self._take()
        return {"token": {"in": "header", "key": "authorization", "value": "Bearer x"}}

    def connection_from_url(self, _url: str) -> Any:
        connection = SimpleNamespace(connect=self._connect, close=lambda: None, sock=SimpleNamespace(settimeout=float))
        return SimpleNamespace(proxy=None, _new_conn=lambda: connection)

    def _connect(self) -> None:
        if self._take() == "broken":
            raise OSError("no connection")

    def request(self, _method: str, url: str, **_options: Any) -> Any:
        what = self._take()
        if what == "broken":
            raise urllib3.exceptions.ProtocolError("it broke")
        status = {"busy": 429, "busy for long": 503, "in trouble": 500, "refused": 403}.get(what, 200)
        headers = {"busy": {"Retry-After": "0"}, "busy for long": {"Retry-After": "20"}}.get(what, {})
        return Reply(self, status, headers, b"<html>" if what == "not JSON" else json.dumps(POD).encode())

    def next_event(self) -> bytes:
        seconds, what = next(self._watched)
        self.clock.sleep(seconds)
        if what == "break":
            raise urllib3.exceptions.ProtocolError("it broke")
        kind = {"changed": "MODIFIED", "bookmark": "BOOKMARK", "forgotten": "ERROR"}.get(what)
        thing = {"kind": "Status", "code": 410} if what == "forgotten" else POD
        return b"" if kind is None else json.dumps({"type": kind, "object": thing}).encode() + b"\n"


class Reply:
    """An answer, which takes its time too, and slow seconds to be closed."""

    connection, slow = None, 0.0

    def __init__(self, server: Server, status: int, headers: dict[str, str], body: bytes) -> None:
        self.server, self.status, self.headers, self._body = server, status, headers, body

    def read(self, _most: int = 0) -> bytes:
        if self.server._take() == "broken":
            raise urllib3.exceptions.ProtocolError("it broke")
        return self._body

    def stream(self, _size: int) -> Iterator[bytes]:
        while piece := self.server.next_event():
            yield piece

    def release_conn(self) -> None:
        """Nothing."""

    def close(self) -> None:
        # of what letting go takes a second is waited for
        clock = self.server.clock
        clock.letting_go += max(0.0, clock.now + min(1.0, self.slow) - max(clock.now, clock.until))
        clock.now += self.slow


def adding(cluster: Cluster) -> object:
    return inject(cluster, make_target(POD, None), CONTAINER)


def ending(cluster: Cluster) -> object:
    wait_until_ended(cluster, make_target(POD, None), "debugger-1")
    return None


def looking(cluster: Cluster) -> object:
    return cluster.get("/api/v1/namespaces/shop/pods/api-0", "looking")


def streaming(cluster: Cluster) -> object:
    return open_exec(cluster, "shop", "api-0", "debugger-1", ["sh"])


WORK = {"adding": adding, "ending": ending, "looking": looking, "streaming": streaming}


@pytest.mark.parametrize("work", WORK)
# each part within its own time, and all of them together not
@example(parts=[(14.0, "as asked"), (14.0, "as asked"), (14.0, "as asked")], watched=[], last=0.0, limit=30.0, slow=0.0)
# a pause that goes beyond it
@example(parts=[], watched=[], last=0.0, limit=10.02, slow=0.0)
@example(parts=[(0.0, "as asked"), (9.95, "busy")], watched=[], last=0.0, limit=10.0, slow=0.0)
@example(parts=[*[(0.0, "as asked")] * 2, (3.98, "in trouble")], watched=[], last=0.0, limit=4.0, slow=0.0)
@given(
    parts=PARTS,
    watched=WATCHED,
    last=st.sampled_from([0.0, 0.5, FOREVER]),
    limit=st.floats(0.5, 300),
    slow=st.sampled_from([0.0, 30.0]),
)
def test_nothing_is_waited_for_beyond_the_deadline(
    work: str, parts: list[tuple[float, str]], watched: list[tuple[float, str]], last: float, limit: float, slow: float
) -> None:
    with virtual() as clock:
        server = Server(clock, parts, watched, last)
        clock.until += limit
        Reply.slow = slow

        def handshake(_socket: object, *_words: object, **_options: object) -> None:
            what = server._take()
            if what == "broken":
                raise OSError("it broke")
            if what != "as asked":
                raise websocket.WebSocketBadStatusException("Handshake status %d %s", 500, "No", {})  # pylint: disable=raising-format-tuple

        with mock.patch.object(websocket.WebSocket, "connect", handshake), suppress(Failure):
            WORK[work](Cluster(server, Deadline(limit)))
        assert clock.now - clock.letting_go <= clock.until + 1e-6
