# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Globs as tests on paths that are already known: what exclude leaves out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# any number of directories
_DEEP = b"**"


@dataclass(frozen=True, slots=True)
class _Step:
    """What a component of a path is matched with: an expression, or None for any number of components."""

    name: re.Pattern[bytes] | None
    takes_hidden: bool


class Matcher:
    """A glob that goes through a path component by component, with all that it may have come to so far.

    One expression for the whole would try each way in which its `**` can share a path: for `**/a/**/b` and a chain of a thousand
    directories called a, which any pod can make, that takes minutes.
    """

    def __init__(self, names: Sequence[bytes], *, takes_hidden: bool) -> None:
        """names are the glob's components; without takes_hidden a wildcard does not match a leading dot, as in a shell.

        Raises Failure InvalidRequest.
        """
        self._steps: list[_Step] = []
        for number, name in enumerate(names):
            is_open = takes_hidden or name.startswith((b".", b"\\."))
            if name != _DEEP or number == len(names) - 1:
                self._steps.append(_Step(_compiled(b"*" if name == _DEEP else name), is_open))
            if name == _DEEP:
                # at the end it stands for one at least
                self._steps.append(_Step(None, is_open))

    def matches(self, path: bytes, *, or_above: bool = False) -> bool:
        """Return whether an absolute path matches; or_above: or a directory that it is in."""
        at = self._and_further({0})
        end = len(self._steps)
        for name in path.split(b"/")[1:]:
            at = self._and_further(self._after(at, name))
            if or_above and end in at:
                return True
            if not at:
                return False
        return end in at

    def _after(self, at: Iterable[int], name: bytes) -> set[int]:
        reached = set()
        for number in at:
            if number == len(self._steps):
                continue
            step = self._steps[number]
            if name.startswith(b".") and not step.takes_hidden:
                continue
            if step.name is None:
                reached.add(number)
            elif step.name.fullmatch(name):
                reached.add(number + 1)
        return reached

    def _and_further(self, at: set[int]) -> set[int]:
        """Return what is reached without another component."""
        ahead = [*at]
        while ahead:
            number = ahead.pop()
            if number < len(self._steps) and self._steps[number].name is None and number + 1 not in at:
                at.add(number + 1)
                ahead.append(number + 1)
        return at


def any_of(patterns: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Return whether a path, or a directory that it is in, matches one of the patterns.

    A pattern that begins with a slash is a whole path; any other may begin at every directory, so that `*.gz` means
    every such name and `cache/*` what is in every directory of that name. Raises Failure InvalidRequest.
    """
    matchers = [_matcher(pattern) for pattern in patterns]
    return lambda path: any(matcher.matches(path, or_above=True) for matcher in matchers)


def _matcher(pattern: bytes) -> Matcher:
    # an escaped slash is a slash
    plain = _ESCAPED.sub(lambda found: b"/" if found[1] == b"/" else found[0], pattern).rstrip(b"/")
    if not plain:
        raise Failure("InvalidRequest", "A pattern that is empty or / would match everything.")
    names = plain.split(b"/")
    return Matcher(names[1:] if plain.startswith(b"/") else [_DEEP, *names], takes_hidden=True)


def _compiled(name: bytes) -> re.Pattern[bytes]:
    try:
        return re.compile(translate(name), re.DOTALL)
    except re.error as error:
        shown = name.decode("utf-8", "backslashreplace")
        raise Failure("InvalidRequest", f"The pattern {shown} is not a valid glob: {error}.") from error


def translate(name: bytes) -> bytes:
    """Return the regular expression of a glob's component, whose wildcards match bytes of a name."""
    pieces: list[bytes] = [b""]
    at = 0
    while at < len(name):
        step = _TOKEN.match(name, at)
        # the last alternative matches any byte
        text = step.group() if step else name[at : at + 1]
        at += len(text)
        if text.startswith(b"*"):
            pieces.append(b"")
        else:
            pieces[-1] += _expression(text)
    if len(pieces) == 1:
        return pieces[0]
    # what stands between two stars is found at its first place and nowhere else: no place behind it would do better, and trying
    # them all takes for ever
    first, *middle, last = pieces
    return first + b"".join(b"(?>.*?%s)" % piece for piece in middle if piece) + b".*" + last


_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# one that is not closed is no bracket; a backslash escapes in it as well
BRACKET = rb"\[[!^]?\]?(?:\\[^/]|[^\]/\\])*\]"
_TOKEN = re.compile(rb"\*+|\?|" + BRACKET + rb"|\\.|.", re.DOTALL)


def _expression(token: bytes) -> bytes:
    if token == b"?":
        return b"."
    if token.startswith(b"[") and len(token) > 1:
        is_not = token[1:2] in (b"!", b"^")
        inside = _MEMBER.sub(_member, token[2 if is_not else 1 : -1])
        return b"[%s%s]" % (b"^" if is_not else b"", inside)
    return re.escape(token[1:] if token.startswith(b"\\") and len(token) > 1 else token)


_MEMBER = re.compile(rb"\\(.)|[\[\]^&~|]", re.DOTALL)


def _member(found: re.Match[bytes]) -> bytes:
    """Return what is special in Python's brackets and not in a shell's, and what was escaped."""
    return re.escape(found[1] or found[0])
