# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Globs as tests on paths that are already known: what exclude leaves out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure


def any_of(patterns: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether a path, or a directory that it is in, matches one of the patterns.

    A pattern that begins with a slash is a whole path; any other may begin at every directory, so that `*.gz` means
    every such name and `cache/*` what is in every directory of that name. Raises Failure InvalidRequest.
    """
    heads = [b"" if pattern.startswith(b"/") else b"(?:/.*)?/" for pattern in patterns]
    bodies = [translate(pattern.rstrip(b"/")) for pattern in patterns]
    if not bodies:
        return lambda _path: False
    whole = b"|".join(head + body for head, body in zip(heads, bodies, strict=True))
    try:
        found = re.compile(b"(?:%s)(?:/.*)?" % whole, re.DOTALL).fullmatch
    except re.error as error:
        raise Failure("InvalidRequest", f"Of the patterns {_shown(patterns)} one cannot be read: {error}.") from error
    return lambda path: found(path) is not None


def _shown(patterns: Sequence[bytes]) -> str:
    return ", ".join(pattern.decode("utf-8", "backslashreplace") for pattern in patterns)


def translate(pattern: bytes) -> bytes:
    """A glob as a regular expression. Within a name `*` and `?`, between slashes `**` for any number of directories."""
    if not pattern:
        raise Failure("InvalidRequest", "A pattern that is empty or / would match everything.")
    parts = []
    at = 0
    while at < len(pattern):
        step = _TOKEN.match(pattern, at)
        # the last alternative matches any byte
        text = step.group() if step else pattern[at : at + 1]
        at += len(text)
        parts.append(_expression(text))
    return b"".join(parts)


# one that is not closed is no bracket; a backslash escapes in it as well
BRACKET = rb"\[[!^]?\]?(?:\\[^/]|[^\]/\\])*\]"
_TOKEN = re.compile(rb"(?<![^/])\*\*/|(?<![^/])\*\*\Z|\*+|\?|" + BRACKET + rb"|\\.|.", re.DOTALL)


def _expression(token: bytes) -> bytes:
    if token == b"**/":
        return b"(?:[^/]*/)*"
    if token == b"**":
        return b".*"
    if token.startswith(b"*"):
        return b"[^/]*"
    if token == b"?":
        return b"[^/]"
    if token.startswith(b"[") and len(token) > 1:
        is_not = token[1:2] in (b"!", b"^")
        inside = _MEMBER.sub(_member, token[2 if is_not else 1 : -1])
        return b"(?!/)[%s%s]" % (b"^" if is_not else b"", inside)
    return re.escape(token[1:] if token.startswith(b"\\") and len(token) > 1 else token)


_MEMBER = re.compile(rb"\\(.)|[\[\]^&~|]", re.DOTALL)


def _member(found: re.Match[bytes]) -> bytes:
    """What is special in Python's brackets and not in a shell's, and what was escaped."""
    return re.escape(found[1] or found[0])
