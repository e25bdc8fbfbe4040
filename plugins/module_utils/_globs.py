# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Globs in the target's view: `*`, `?`, `[...]`, `**`, and a backslash that escapes.

As in a shell, a wildcard does not match a leading dot, and links to directories are followed, inside the target's root; but
`**` does not walk through links, and what stands behind it is matched in one listing.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._listing import Entry, Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._patterns import BRACKET, translate
from ansible_collections.incident.distroless.plugins.module_utils._resolve import Found, Looker, Unresolved, resolve

_WILDCARD = re.compile(rb"(?:[^\\*?\[]|\\.|\[)*?(?:[*?]|" + BRACKET + rb")", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a pattern came to. literal: it exists as it is written, or has no wildcard; then there is one match or problem."""

    pattern: bytes
    literal: bool
    matches: tuple[Found, ...]
    problems: tuple[Unlisted | Unresolved, ...]


def is_glob(pattern: bytes) -> bool:
    """Whether a pattern has a wildcard that is not escaped."""
    return _WILDCARD.match(pattern) is not None


def expand(
    looker: Looker, patterns: Sequence[bytes], *, prune: Sequence[bytes] = (), max_entries: int = 100_000
) -> list[Expansion]:
    """What each pattern means, in their order. What exists literally is taken literally, else a pattern is a glob.

    Raises Failure InvalidRequest for a pattern that cannot be read, LimitExceeded when a listing has more than max_entries.
    """
    expansions: list[Expansion] = []
    for pattern, answer in zip(patterns, resolve(looker, patterns), strict=True):
        if isinstance(answer, Found):
            expansions.append(Expansion(pattern, True, (answer,), ()))
        elif is_glob(pattern):
            expansions.append(_Glob(looker, pattern, prune, max_entries).expansion())
        else:
            expansions.append(_plain(looker, pattern, answer))
    return expansions


def _plain(looker: Looker, pattern: bytes, answer: Unresolved) -> Expansion:
    """A path without a wildcard: with its escapes taken away it may be there."""
    unescaped = _unescaped(pattern)
    (again,) = resolve(looker, [unescaped]) if unescaped != pattern else (answer,)
    if isinstance(again, Found):
        return Expansion(pattern, True, (again,), ())
    return Expansion(pattern, True, (), (again,))


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", name)


@dataclass(slots=True)
class _Glob:
    """One pattern on its way down the tree, a level of wildcards at a time."""

    looker: Looker
    pattern: bytes
    prune: Sequence[bytes]
    max_entries: int
    problems: list[Unlisted | Unresolved] = field(default_factory=list)

    def expansion(self) -> Expansion:
        names = [name for name in self.pattern.split(b"/") if name not in (b"", b".")]
        reached = [b""]
        while names:
            literal = next((index for index, name in enumerate(names) if is_glob(name)), len(names))
            steps = b"".join(b"/" + _unescaped(name) for name in names[:literal])
            reached = [path + steps for path in reached]
            names = names[literal:]
            if not names:
                return self._done(self._resolved(reached))
            directories = [answer for answer in self._resolved(reached) if answer.entry.type == "directory"]
            if names[0] == b"**" or len(names) == 1:
                return self._done(list(self._listed(directories, names)))
            wanted = names.pop(0)
            reached = [match.asked for match in self._listed(directories, [wanted])]
        return self._done([])

    def _done(self, found: Sequence[Found]) -> Expansion:
        """Links among the matches bring what they lead to; a match is taken once, however many ways led to it."""
        kept = {match.asked: match for match in found}
        links = [match.asked for match in kept.values() if match.entry.type == "link"]
        for path, answer in zip(links, resolve(self.looker, links), strict=True):
            if isinstance(answer, Found):
                kept[path] = answer
            else:
                self.problems.append(answer)
                del kept[path]
        return Expansion(self.pattern, False, tuple(kept.values()), tuple(self.problems))

    def _resolved(self, paths: Sequence[bytes]) -> list[Found]:
        """Those of paths that are there: behind a wildcard a name is missing in most directories, which is no problem."""
        answers = resolve(self.looker, [path or b"/" for path in paths]) if paths else []
        self.problems += [
            answer
            for answer in answers
            if isinstance(answer, Unresolved) and answer.reason not in ("Missing", "NotADirectory")
        ]
        return [answer for answer in answers if isinstance(answer, Found)]

    def _listed(self, directories: Sequence[Found], names: Sequence[bytes]) -> Iterator[Found]:
        """What matches names below directories, in one listing; deep only where there is a `**`."""
        matches = _matcher(names)
        depth = None if b"**" in names else 1
        # several ways may lead to one directory, by links
        places: dict[bytes, list[Found]] = {}
        for directory in directories:
            places.setdefault(directory.path, []).append(directory)
        for answer in (
            self.looker.scan(list(places), prune=self.prune, max_depth=depth, max_entries=self.max_entries)
            if places
            else ()
        ):
            if isinstance(answer, Unlisted):
                self.problems.append(answer)
                continue
            for top, rest in _below(answer, places):
                if matches(rest):
                    for place in places[top]:
                        yield Found(place.asked.rstrip(b"/") + rest, answer.path, answer, place.links)


def _below(entry: Entry, places: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The directories that were listed which an entry is in, and its path from there; two of them may lie in one another."""
    for top in places:
        prefix = top.rstrip(b"/") + b"/"
        if entry.path.startswith(prefix) and entry.path != top:
            yield top, entry.path[len(prefix) - 1 :]


def _matcher(names: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether a path below a directory, which begins with a slash, matches names."""
    pieces = [_piece(name, is_last=index == len(names) - 1) for index, name in enumerate(names)]
    try:
        expression = re.compile(b"".join(pieces), re.DOTALL)
    except re.error as error:
        shown = b"/".join(names).decode("utf-8", "backslashreplace")
        raise Failure("InvalidRequest", f"The glob {shown} cannot be read: {error}.") from error
    return lambda path: expression.fullmatch(path) is not None


def _piece(name: bytes, *, is_last: bool) -> bytes:
    hidden = b"" if name.startswith((b".", b"\\.")) else rb"(?!\.)"
    if name == b"**":
        return rb"(?:/(?!\.)[^/]+)+" if is_last else rb"(?:/(?!\.)[^/]+)*"
    return b"/" + hidden + translate(name)
