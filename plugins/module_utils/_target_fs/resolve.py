# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a path leads in the target's own view: links, `..` and loops as the target's kernel would follow them.

Pure but for the looker, which answers for many paths at once which component is a link. The kernel never follows a link
for us: below /proc/<pid>/root an absolute one would lead into the debugger's own root (man 7 path_resolution).

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    Hop,
    Unlisted,
    Why,
)

# include/linux/namei.h, MAXSYMLINKS
MAX_LINKS = 40
# between two looks at the clock: seconds, where each path is a chain of as many links as the kernel follows
_AT_ONCE = 128


class Looker(Protocol):
    """What looks at the target's files; _listing.TargetFiles is one."""

    def walk(self, paths: Sequence[bytes]) -> list[Entry | Hop | Absent]:
        """For each path without `..`: its entry, or the first of its components that is a link, or why there is none."""

    def scan(
        self,
        dirs: Sequence[bytes],
        *,
        prune: Sequence[bytes] = (),
        max_depth: int | None = None,
        max_entries: int = 100_000,
    ) -> Iterator[Entry | Unlisted]:
        """All that is in directories."""


@dataclass(frozen=True, slots=True)
class Found:
    """A path that leads somewhere: asked as it was asked for, path without any link in it, links those that were followed."""

    asked: bytes
    path: bytes
    entry: Entry
    links: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A path that leads nowhere: at is where it ended, without a link before its last component."""

    asked: bytes
    at: bytes
    reason: Why


def normal(path: bytes) -> bytes:
    """path without `.` and double slashes; `..` stays, since it climbs links. Raises Failure InvalidRequest if not absolute."""
    if not path.startswith(b"/"):
        shown = path.decode("utf-8", "backslashreplace")
        raise Failure(
            "InvalidRequest",
            f"{shown!r} is not an absolute path.",
            "Paths are the target's own and begin with a slash.",
        )
    return b"/" + b"/".join(name for name in path.split(b"/") if name not in (b"", b"."))


def resolve(looker: Looker, paths: Sequence[bytes], *, follow: bool = True) -> list[Found | Unresolved]:
    """Where each path leads, in their order; as many round trips as the longest chain of links has.

    follow=False leaves a link alone that is the last component, as lstat does.
    """
    walks = [_Walk(path, follow=follow) for path in paths]
    while waiting := [walk for walk in walks if walk.outcome is None]:
        for walk, answer in zip(waiting, looker.walk([walk.question() for walk in waiting]), strict=True):
            walk.take(answer)
    return [walk.outcome for walk in walks if walk.outcome is not None]


def look_up(
    looker: Looker, paths: Iterable[bytes], until: float, *, follow: bool = True
) -> dict[bytes, Found | Unresolved]:
    """Where paths lead, as resolve says; those that are missing were not looked at before until (time.monotonic())."""
    distinct = list(dict.fromkeys(paths))
    answers: dict[bytes, Found | Unresolved] = {}
    for begin in range(0, len(distinct), _AT_ONCE):
        if time.monotonic() > until:
            break
        part = distinct[begin : begin + _AT_ONCE]
        answers.update(zip(part, resolve(looker, part, follow=follow), strict=True))
    return answers


@dataclass(slots=True)
class _Walk:
    """One path under way: here is what is known to hold no link, ahead the components still to go."""

    asked: bytes
    follow: bool
    here: list[bytes] = field(default_factory=list)
    ahead: list[bytes] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    outcome: Found | Unresolved | None = None

    def __post_init__(self) -> None:
        self.ahead = _components(self.asked)

    def question(self) -> bytes:
        """The path to look at next: up to the first `.` or `..`, which need a directory before them."""
        return _joined(self.here + self.ahead[: self._reach()])

    def take(self, answer: Entry | Hop | Absent) -> None:
        """Goes on from what the looker answered to the question."""
        if isinstance(answer, Absent):
            self.outcome = Unresolved(self.asked, answer.path, answer.reason)
        elif isinstance(answer, Hop):
            self._hop(answer)
        else:
            self._arrive(answer)

    def _reach(self) -> int:
        return next((index for index, name in enumerate(self.ahead) if name in (b".", b"..")), len(self.ahead))

    def _arrive(self, entry: Entry) -> None:
        reach = self._reach()
        self.here += self.ahead[:reach]
        self.ahead = self.ahead[reach:]
        if not self.ahead:
            self.outcome = Found(self.asked, _joined(self.here), entry, tuple(self.links))
        elif entry.type != "directory":
            self.outcome = Unresolved(self.asked, _joined(self.here), "NotADirectory")
        elif self.ahead.pop(0) == b"..":
            # at the root it stays there
            del self.here[-1:]

    def _hop(self, hop: Hop) -> None:
        names = [name for name in hop.path.split(b"/") if name]
        rest = (self.here + self.ahead)[len(names) :]
        if not rest and not self.follow:
            self.outcome = Found(self.asked, hop.path, hop.entry, tuple(self.links))
        elif names[0] == b"proc":
            # /proc/self, /proc/<pid>/fd/<n>, cwd, exe: they mean the process that asks, which is the debugger
            self.outcome = Unresolved(self.asked, hop.path, "MagicLink")
        elif len(self.links) >= MAX_LINKS:
            self.outcome = Unresolved(self.asked, hop.path, "Loop")
        else:
            self.links.append(hop.path)
            self.here = [] if hop.text.startswith(b"/") else names[:-1]
            self.ahead = _components(hop.text) + rest


def _components(path: bytes) -> list[bytes]:
    """The names in a path. One that ends in a slash or `/.` means a directory, which a last `.` stands for."""
    names = [name for name in path.split(b"/") if name not in (b"", b".")]
    return [*names, b"."] if path.endswith((b"/", b"/.")) and names else names


def _joined(names: Sequence[bytes]) -> bytes:
    return b"/" + b"/".join(names)
