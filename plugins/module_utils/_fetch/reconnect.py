# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to a target's files, made again when it breaks, and how long that is worth it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self, TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    TargetFiles,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.tools import LOOKING, try_tools

Answer = TypeVar("Answer")

# what another try may mend; a pod that is gone or a permission that is missing stays so
_MAY_PASS = {"ConnectionLost", "ApiUnreachable", "WaitTimeout", "LookBroken"}
_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class DeadlineReached(Exception):
    """The moment to stop at has come; what is done is done."""


class Remote:
    """A target's files behind a session that can be opened again. until: the moment (time.monotonic()) to give up at."""

    def __init__(
        self, open_session: Callable[[], Session], pid: int, *, root: bytes | None, retries: int, until: float
    ) -> None:
        self._open_session, self._pid, self._root = open_session, pid, root
        self._retries, self._until = retries, until
        self._session: Session | None = None
        self._files: TargetFiles | None = None
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.drop()

    def files(self) -> TargetFiles:
        """The target's files; opens a session if there is none. Raises Failure."""
        if self._files is None:
            self._session = self._open_session()
            try_tools(self._session, LOOKING)
            self._files = TargetFiles(self._session, self._pid, root=self._root)
        return self._files

    def drop(self) -> None:
        """Ends the session, whatever it is doing; the remote side ends its work by itself."""
        session, self._session, self._files = self._session, None, None
        if session is not None:
            session.close()

    def check_deadline(self) -> None:
        """Raises DeadlineReached when it is time to give up."""
        if time.monotonic() > self._until:
            raise DeadlineReached

    def is_over(self, failure: Failure) -> bool:
        """Return whether it was the task's own time that was up when something failed."""
        return failure.reason in _MAY_PASS and time.monotonic() >= self._until

    def succeeded(self) -> None:
        """Something was completed: the tries are counted anew, or a long work on a weak line could never end."""
        self._failures = 0

    def failed(self, failure: Failure) -> None:
        """Drops the session after a failure and waits a little. Raises the failure when trying again is of no use."""
        self.drop()
        if self.is_over(failure):
            why = f"The deadline was reached before the files were known: {failure.message}"
            raise Failure("WaitTimeout", why, "Raise deadline, or narrow src.") from failure
        self._failures += 1
        pause = min(_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        if failure.reason not in _MAY_PASS or self._failures > self._retries or time.monotonic() + pause > self._until:
            raise failure
        time.sleep(pause)

    def ask(self, work: Callable[[TargetFiles], Answer]) -> Answer:
        """Return what work gives, tried again on a new session when the connection is lost. Raises Failure."""
        while True:
            try:
                answer = work(self.files())
            except Failure as failure:
                self.failed(failure)
            else:
                self.succeeded()
                return answer
