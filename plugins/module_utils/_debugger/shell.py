# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shell in a target's debugger: the one way to open a session, and what runs in it one after the other.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import ExecStream, open_exec
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    OUTLET,
    PARTING,
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.resource_limits import is_throttled


def open_session(
    cluster: Cluster,
    target: Target,
    debugger: str,
    silence: float = 60.0,
    *,
    has_outlet: bool = True,
    until: float = math.inf,
) -> Session:
    """A shell in a target's debugger that lives as long as the stream; what runs there gives way where the target has little CPU.

    silence is how many seconds without an answer are too many, until the moment (time.monotonic()) after which none is waited
    for. With an outlet its jobs write to an exec of their own, opened
    with the first of them, which may break at any moment and leaves nothing; what ends the debugger needs none.
    """
    nonce = new_nonce()

    def start(cluster: Cluster, command: Sequence[str]) -> ExecStream:
        return open_exec(cluster, target.namespace, target.pod, debugger, command)

    def open_outlet() -> ExecStream:
        return start(cluster.until(Deadline(min(silence, cluster.deadline.seconds))), OUTLET)

    session = Session(
        start(cluster, exec_command(nonce)),
        nonce,
        timeout=silence,
        is_nice=is_throttled(target),
        open_outlet=open_outlet if has_outlet else None,
    )
    session.until = until
    return session


class Shells:
    """The remote shells of commands that run one after the other: one for each, but for those that share one.

    As a context manager the last of them is ended at the end.
    """

    def __init__(self, opening: Callable[..., Session]) -> None:
        """opening opens a session and takes silence, the seconds without output that are too many."""
        self._opening = opening
        self._kept: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if (session := self._kept) is not None:
            session.timeout = PARTING
            # what ran in it is known; a shell that does not answer any more ends with its connection
            with suppress(Failure):
                session.finish()
            session.close()

    def has(self, *, is_shared: bool) -> bool:
        """Return whether a command would run in the shell of one before it."""
        return is_shared and self._kept is not None

    def take(self, silence: int, *, is_shared: bool) -> Session:
        """Return the shell for a command, whose caller keeps it or closes it. Raises Failure."""
        kept = None
        if is_shared:
            kept, self._kept = self._kept, None
        return kept or self._opening(silence=float(silence))

    def keep(self, session: Session) -> None:
        """Keep the shell of a command that has ended for the next one. What still prints into it would be in that one's output."""
        if session.is_free:
            self._kept = session
        else:
            session.close()
