# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of this machine in the place of the target's root, read by a real shell, brought to a real folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.denied_groups import NO_GROUPS, ClosedGroups
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched, Source, fetch
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    Session,
    exec_command,
    new_nonce,
)

from .local_shells import SHELLS, Pipes, open_session
from .target_things import TARGET


class World:
    """root is the target's file system, home what the user named as dest, copy the target's folder in it."""

    def __init__(self, base: Path, shell: str) -> None:
        self.root, self.home = base / "root", base / "home"
        self.copy = self.home / "shop/app-0/app"
        self.shell = shell
        self.sessions: list[Session] = []
        self.root.mkdir()

    def write(self, path: str | bytes, content: bytes = b"hello") -> Path:
        """A file of the target."""
        file = self.root / os.fsdecode(path).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def link(self, path: str, text: str) -> None:
        """A link of the target."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(text)

    def open_session(self) -> Session:
        session = open_session(self.shell)
        self.sessions.append(session)
        return session

    def at(self, seconds: int) -> Callable[[], Session]:
        """Opens sessions in which the target's clock says this."""

        def opener() -> Session:
            session = self.open_session()
            session.define(b"date() { echo %d; }\n" % seconds)
            return session

        return opener

    def fetch(
        self,
        *src: str | bytes,
        opener: Callable[[], Session] | None = None,
        secrets: tuple[bytes, ...] = (),
        target: Mapping[str, Any] | None = None,
        processes: Sequence[int] = (),
        closed: ClosedGroups = NO_GROUPS,
        **changes: Any,
    ) -> Fetched:
        wanted = tuple(os.fsencode(path) for path in src)
        options = FetchOptions(src=wanted, dest=str(self.home), **changes)
        source = Source(
            about=target or TARGET,
            pid=os.getpid(),
            open_session=opener or self.open_session,
            secrets=secrets,
            processes=lambda _session: processes,
            closed=closed,
            root=os.fsencode(self.root),
        )
        return fetch(source, options, Budget(options.max_total_size, options.max_files))

    def manifest(self) -> dict[str, dict[str, Any]]:
        """The manifest's rows by src."""
        document = json.loads((self.home / "shop/app-0/app.manifest.json").read_bytes())
        assert [row["src"] for row in document["files"]] == sorted(row["src"] for row in document["files"])
        return {row["src"]: row for row in document["files"]}

    def no_temporary_is_left(self) -> bool:
        return not list(self.home.rglob(".incident-distroless.*"))


class Faulty(Pipes):
    """A connection with a fault: it breaks after so many bytes, damages the first piece that holds a word, or does something
    at every piece that does."""

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        breaks_after: int | None = None,
        damages: bytes | None = None,
        meddles: tuple[bytes, Callable[[], None]] | None = None,
    ) -> None:
        super().__init__(argv, env)
        self._left, self._damages, self._meddles = breaks_after, damages, meddles

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        piece = super().receive(timeout)
        if piece is None:
            return None
        if self._left is not None:
            self._left -= len(piece[1])
            if self._left < 0:
                raise Failure("ConnectionLost", "cut by the test")
        if self._meddles is not None and self._meddles[0] in bytes(piece[1]):
            self._meddles[1]()
        if self._damages is not None and self._damages in bytes(piece[1]):
            damaged = bytes(piece[1]).replace(self._damages, self._damages.swapcase(), 1)
            self._damages = None
            return piece[0], memoryview(damaged)
        return piece


def faulty_openers(world: World, faults: Sequence[dict[str, Any]]) -> Callable[[], Session]:
    """Opens sessions with these faults, one after the other, and then sound ones."""
    left = list(faults)

    def opener() -> Session:
        if not left:
            return world.open_session()
        nonce = new_nonce()
        shell = SHELLS[world.shell]
        transport = Faulty([*shell.argv, *exec_command(nonce)[1:]], {**os.environ, **shell.env}, **left.pop(0))
        return Session(transport, nonce, timeout=60)

    return opener


def statuses(fetched: Fetched) -> dict[str, tuple[str, str | None]]:
    return {row["src"]: (row["status"], row["reason"]) for row in [*fetched.files, *fetched.skipped_files]}
