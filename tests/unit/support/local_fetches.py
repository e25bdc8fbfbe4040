# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of this machine in the place of the target's root, read by a real shell, brought to a real folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._fetch.denied_groups import NO_GROUPS, ClosedGroups
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched, Source, fetch
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session

from .local_shells import open_session
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

    def fetch(
        self,
        *src: str | bytes,
        opener: Callable[[], Session] | None = None,
        secrets: tuple[bytes, ...] = (),
        target: dict[str, str] | None = None,
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


def statuses(fetched: Fetched) -> dict[str, tuple[str, str | None]]:
    return {row["src"]: (row["status"], row["reason"]) for row in [*fetched.files, *fetched.skipped_files]}
