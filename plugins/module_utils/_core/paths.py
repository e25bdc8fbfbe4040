# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File names are bytes: how they are shown, taken from options, and written as a word of a shell script.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import binascii

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# characters; messages of fifty targets come together in one result
_BRIEF = 160


def display(path: bytes) -> tuple[str, str | None]:
    r"""Return the path as text, and its exact bytes as base64 when the text alone would not give them back.

    A name that is UTF-8 stays as it is, control characters included. In any other each odd byte is shown as \xNN and
    a literal backslash doubled, so that the two can be told apart. (ansible-core >= 2.19 refuses surrogate escapes.)
    """
    try:
        return path.decode("utf-8"), None
    except UnicodeDecodeError:
        text = path.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
        return text, base64.b64encode(path).decode("ascii")


def brief(text: str) -> str:
    """Return a path for a message: what is very long is cut in the middle."""
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 60]}...{text[-50:]}"


def exact(text: str) -> bytes:
    """Return the bytes of a path that was given as text. Raises Failure InvalidRequest for a path that no file can have."""
    try:
        return _possible(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise Failure("InvalidRequest", f"{text!r} cannot be the name of a file: {error.reason}.") from error


def from_base64(text: str) -> bytes:
    """Return the bytes of a path that was given as base64, as results print it. Raises Failure InvalidRequest."""
    try:
        return _possible(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Failure("InvalidRequest", f"{text!r} is not the base64 of a path: {error}.") from error


def quote(path: bytes) -> bytes:
    """Return the bytes as one word of a POSIX shell script: single quotes, in which every byte but the quote itself is plain."""
    if b"\0" in path:
        raise ValueError("a shell word cannot hold a NUL byte")
    return b"'" + path.replace(b"'", b"'\\''") + b"'"


def _possible(path: bytes) -> bytes:
    if not path or b"\0" in path:
        raise Failure("InvalidRequest", f"{path!r} cannot be the name of a file: it is empty or holds a NUL byte.")
    return path
