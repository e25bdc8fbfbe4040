# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote side that answers whatever it likes: what no real shell would say can only be had from a fake."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count, repeat
from types import SimpleNamespace
from unittest import mock

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote import session
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session, new_nonce


class Liar:
    """A transport whose jobs all print the same. Then they end, go on with `forever` without end, or say nothing more."""

    hears_end = True

    def __init__(self, answer: bytes, *, forever: bytes = b"", is_silent: bool = False, step: int = 4096) -> None:
        self.sent, self.patience = 0, 0.0
        self._answer, self._forever, self._is_silent, self._step = answer, forever, is_silent, step
        self._mark = b""
        self._jobs: deque[Iterator[tuple[int, bytes]]] = deque()

    def send(self, data: bytes) -> None:
        """See Transport.send."""
        if data.startswith(b"mark="):
            self._mark = data[5:].partition(b"\n")[0]
        elif data.endswith((b" run\n", b" ask\n")):
            self._jobs.append(self._says())
        elif data.endswith(b" kill\n"):
            self._jobs.clear()
            self._jobs.append(iter(self._end(137)))

    def _says(self) -> Iterator[tuple[int, bytes]]:
        pieces = ((1, self._answer[at : at + self._step]) for at in range(0, len(self._answer), self._step))
        if self._forever:
            return chain(pieces, repeat((1, self._forever)))
        return chain(pieces, () if self._is_silent else self._end(0))

    def _end(self, rc: int) -> list[tuple[int, bytes]]:
        return [(channel, self._mark + b" %d\n" % rc) for channel in (1, 2)]

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive; nobody waits for a silent one."""
        while self._jobs:
            for channel, data in self._jobs[0]:
                self.sent += len(data)
                return channel, memoryview(bytearray(data))
            self._jobs.popleft()
        if self._is_silent:
            raise Failure("WaitTimeout", "nothing came")
        return None

    def keep_alive(self) -> None:
        """See Transport.keep_alive; nothing between here and there cuts silence."""

    def close(self) -> None:
        """See Transport.close."""

    @property
    def exit_code(self) -> int | None:
        """See Transport.exit_code."""
        return 0


def session_with(liar: Liar) -> Session:
    """A session with it."""
    return Session(liar, new_nonce(), timeout=1.0)


@contextmanager
def hurried() -> Iterator[None]:
    """Let half a second pass with each of a session's looks at its clock, so that nobody waits for a silent one."""
    clock = count(0.0, 0.5)
    with mock.patch.object(session, "time", SimpleNamespace(monotonic=lambda: next(clock))):
        yield
