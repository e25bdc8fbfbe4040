# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Globs in the target's view: `*`, `?`, `[...]`, `**`, and a backslash that escapes.

As in a shell, a wildcard does not match a leading dot, and links to directories are followed, inside the target's root; but
`**` does not walk through links, and what stands behind it is matched in one listing.

Links to one directory are as many ways to all that is in it, and with each level of a glob they multiply: a directory with a
few hundred links to itself has millions of matches. So matches are counted, and what lies at the end of many ways is looked at
once.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_match import BRACKET, Matcher
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import upwards
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    MAX_LINKS,
    Found,
    Looker,
    Unresolved,
    look_up,
    resolve,
)

_WILDCARD = re.compile(rb"(?:[^\\*?\[]|\\.|\[)*?(?:[*?]|" + BRACKET + rb")", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


# names that a glob may look at however few it may match: one file of a large directory is not many files
_MANY = 100_000

# what stopped a glob half-way: too many names or matches, or the time
Cut = Literal["number", "time"]


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a pattern came to. literal: it exists as it is written, or has no wildcard; then there is one match or problem.

    A link that a glob matches is what it leads to, unless that is a directory. cut says why not all was looked at below base,
    the path before the first wildcard.
    """

    pattern: bytes
    literal: bool
    matches: tuple[Found, ...]
    problems: tuple[Unlisted | Unresolved, ...]
    base: bytes = b"/"
    cut: Cut | None = None


def is_glob(pattern: bytes) -> bool:
    """Return whether a pattern has a wildcard that is not escaped."""
    return _WILDCARD.match(pattern) is not None


def expand(
    looker: Looker,
    patterns: Sequence[bytes],
    *,
    prune: Sequence[bytes] = (),
    max_entries: int = _MANY,
    until: float = math.inf,
) -> list[Expansion]:
    """Return what each pattern means, in their order. What exists literally is taken literally, else a pattern is a glob.

    No glob has more than max_entries matches, or looks at more names than that or 100,000, whichever is more; after one that
    the time (until, of time.monotonic()) cut, looker is of no more use. Raises Failure InvalidRequest for a pattern that cannot
    be read.
    """
    answers = dict(zip(patterns, resolve(looker, patterns), strict=True))
    # first what needs no listing: a glob may take all the time
    plain = {
        pattern: Expansion(pattern, True, (answer,), ())
        if isinstance(answer, Found)
        else _plain(looker, pattern, answer)
        for pattern, answer in answers.items()
        if isinstance(answer, Found) or not is_glob(pattern)
    }
    return [
        plain[pattern] if pattern in plain else _Glob(looker, pattern, prune, max_entries, until).expansion()
        for pattern in patterns
    ]


def _plain(looker: Looker, pattern: bytes, answer: Unresolved) -> Expansion:
    """A path without a wildcard: with its escapes taken away it may be there."""
    unescaped = _unescaped(pattern)
    (again,) = resolve(looker, [unescaped]) if unescaped != pattern else (answer,)
    if isinstance(again, Found):
        return Expansion(pattern, True, (again,), ())
    return Expansion(pattern, True, (), (again,))


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", name)


@dataclass(frozen=True, slots=True)
class _Way:
    """A path as asked, the same from a directory that no link leads to, and the links that were followed up to there."""

    asked: bytes
    path: bytes
    links: tuple[bytes, ...]

    def down(self, steps: bytes) -> _Way:
        """The way on from here."""
        return _Way(self.asked + steps, self.path + steps, self.links)

    def end(self, answer: Found | Unresolved) -> Found | Unresolved:
        """Return what is at its end, when that is at the end of path."""
        asked = self.asked or b"/"
        if isinstance(answer, Unresolved):
            return Unresolved(asked, answer.at, answer.reason)
        links = (*self.links, *answer.links)
        if len(links) > MAX_LINKS:
            return Unresolved(asked, answer.path, "Loop")
        return Found(asked, answer.path, answer.entry, links)


@dataclass(slots=True)
class _Glob:
    """One pattern on its way down the tree, a level of wildcards at a time."""

    looker: Looker
    pattern: bytes
    prune: Sequence[bytes]
    max_entries: int
    until: float
    cut: Cut | None = None
    problems: list[Unlisted | Unresolved] = field(default_factory=list)

    def expansion(self) -> Expansion:
        names = [name for name in self.pattern.split(b"/") if name not in (b"", b".")]
        ways = [_Way(b"", b"", ())]
        while names:
            literal = next((index for index, name in enumerate(names) if is_glob(name)), len(names))
            ways = [way.down(_path(names[:literal])) for way in ways]
            names = names[literal:]
            if not names:
                return self._done(self._ended(ways))
            directories = [answer for _way, answer in self._reached(ways) if answer.entry.type == "directory"]
            if names[0] == b"**" or len(names) == 1:
                return self._done(self._led(self._listed(directories, names, self.max_entries)))
            matches = self._listed(directories, [names.pop(0)], self._max_names)
            ways = [_Way(match.asked, match.path, match.links) for match in matches]
        return self._done(())

    @property
    def _max_names(self) -> int:
        return max(self.max_entries, _MANY)

    def _done(self, found: Iterable[Found]) -> Expansion:
        matches = self._fewest(list(found), self.max_entries)
        names = takewhile(lambda name: not is_glob(name), self.pattern.split(b"/"))
        base = _path([name for name in names if name not in (b"", b".")]) or b"/"
        return Expansion(self.pattern, False, tuple(matches), tuple(self.problems), base, self.cut)

    def _fewest(self, found: Sequence[Found], most: int) -> Sequence[Found]:
        """At most so many of found: each thing first by the way with the fewest links, as long as there is room by others."""
        if len(found) <= most:
            return found
        self.cut = self.cut or "number"
        first: dict[bytes, Found] = {}
        for match in sorted(found, key=lambda match: len(match.links)):
            first.setdefault(match.path, match)
        return [*first.values(), *(match for match in found if match is not first[match.path])][:most]

    def _ends(self, ways: Sequence[_Way], *, follow: bool = True) -> Iterator[tuple[_Way, Found | Unresolved]]:
        """Each way with what is at its end, as long as there is time."""
        answers = look_up(self.looker, [way.path or b"/" for way in ways], self.until, follow=follow)
        for way in ways:
            if (answer := answers.get(way.path or b"/")) is None:
                self.cut = "time"
            else:
                yield way, way.end(answer)

    def _reached(self, ways: Sequence[_Way]) -> Iterator[tuple[_Way, Found]]:
        """Those of ways that end somewhere: behind a wildcard a name is missing in most directories, which is no problem."""
        for way, answer in self._ends(ways):
            if isinstance(answer, Found):
                yield way, answer
            elif answer.reason not in ("Missing", "NotADirectory"):
                self.problems.append(answer)

    def _ended(self, ways: Sequence[_Way]) -> Iterator[Found]:
        """Yield what is at the end of ways, links to directories as links: `/**/current` must not bring a tree once more."""
        reached = list(self._reached(ways))
        doubtful = [way for way, match in reached if match.links and match.entry.type == "directory"]
        links = {way.asked: answer for way, answer in self._ends(doubtful, follow=False) if isinstance(answer, Found)}
        for way, match in reached:
            yield links.get(way.asked, match)

    def _led(self, found: Sequence[Found]) -> Iterator[Found]:
        """Yield what was found, and in the place of links what they lead to; links to directories stay: `/**` must not bring a tree
        once for each of its names."""
        links = {match.asked: match for match in found if match.entry.type == "link"}
        ways = [_Way(match.asked, match.path, match.links) for match in links.values()]
        led = {way.asked: answer for way, answer in self._ends(ways)}
        for match in found:
            answer = led.get(match.asked)
            if match.asked not in links:
                yield match
            elif isinstance(answer, Unresolved):
                self.problems.append(answer)
            elif answer is not None:
                yield match if answer.entry.type == "directory" else answer

    def _listed(self, directories: Sequence[Found], names: Sequence[bytes], most: int) -> Sequence[Found]:
        """Return what matches names below directories, in one listing; deep only where there is a `**`.

        Where there are too many ways, each thing is still found by one of them, with the fewest links.
        """
        matches = Matcher(names, takes_hidden=False).matches
        is_deep = b"**" in names
        # several ways may lead to one directory, by links
        places: dict[bytes, list[Found]] = {}
        for directory in sorted(directories, key=lambda directory: len(directory.links)):
            places.setdefault(directory.path, []).append(directory)
        found: dict[bytes, Found] = {}
        again: dict[bytes, Found] = {}
        for answer in self._scanned(list(places), is_deep):
            for top, rest in _below(answer, places, is_deep):
                for place in places[top] if matches(rest) else ():
                    kept = found if place is places[top][0] else again
                    asked = place.asked.rstrip(b"/") + rest
                    if len(kept) >= most and asked not in kept:
                        self.cut = self.cut or "number"
                        break
                    kept[asked] = Found(asked, answer.path, answer, place.links)
        return self._fewest([*found.values(), *(match for asked, match in again.items() if asked not in found)], most)

    def _scanned(self, tops: Sequence[bytes], is_deep: bool) -> Iterator[Entry]:
        """Yield what is in directories, until there is too much of it or no more time."""
        depth = None if is_deep else 1
        if time.monotonic() > self.until:
            self.cut = "time"
            return
        try:
            for answer in self.looker.scan(tops, prune=self.prune, max_depth=depth, max_entries=self._max_names):
                if time.monotonic() > self.until:
                    self.cut = "time"
                    return
                if isinstance(answer, Unlisted):
                    self.problems.append(answer)
                else:
                    yield answer
        except Failure as failure:
            if failure.reason != "LimitExceeded":
                raise
            self.cut = self.cut or "number"


def _path(names: Sequence[bytes]) -> bytes:
    return b"".join(b"/" + _unescaped(name) for name in names)


def _below(entry: Entry, places: Container[bytes], is_deep: bool) -> Iterator[tuple[bytes, bytes]]:
    """The directories that were listed which an entry is in, and its path from there; two of them may lie in one another."""
    if entry.path == b"/":
        return
    above = entry.path.rpartition(b"/")[0] or b"/"
    for top in upwards(above) if is_deep else (above,):
        if top in places:
            yield top, entry.path[len(top.rstrip(b"/")) :]
