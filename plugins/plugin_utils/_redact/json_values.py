# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON as documents and logs hold it: where it stands in a line, what its objects mean, and how it is written again.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.secret_names import is_secret

_BEGIN = re.compile(rb"\{[ \t]*\"|\[[ \t]*[\[{\"]")
# so many places of a line are tried that only look like JSON; a line has one or two, and each try reads the line
_TRIES = 4
# in the singular: ["secrets", "pods"] are kinds
_HEADER = re.compile(r"[A-Za-z0-9_.-]{1,60}(?<![sS])")
_PAIR_NAMES = ("name", "key", "variable", "header", "param", "field", "option", "setting")
_PAIR_VALUES = ("value", "val", "content", "default")
_REFERENCE = frozenset(
    "name secretName namespace key items optional defaultMode mode path audience expirationSeconds apiVersion kind uid".split()
)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name stands twice in an object, and one of its values would be lost.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("A number is too large to be written again.")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite)


def parsed(data: bytes) -> Any:
    """A document. Raises ValueError for what is none, or could not be written again without a loss, and RecursionError."""
    return _DECODER.decode(data.decode("utf-8"))


def segments(data: bytes) -> Iterator[tuple[bytes, Any, bytes]]:
    """A text in pieces: what stands before an object or an array, its value, and its bytes; at last what is left, without bytes."""
    at = done = 0
    while begin := _BEGIN.search(data, at):
        end = data.find(b"\n", begin.start())
        at = end = len(data) if end == -1 else end
        for start, stop, value in _of_line(data, begin.start(), end):
            yield data[done:start], value, data[start:stop]
            done = stop
    yield data[done:], None, b""


def _of_line(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, Any]]:
    """Where objects and arrays stand in the rest of a line. Characters and bytes are counted beside each other."""
    text, at, tries = data[start:end].decode("utf-8", "surrogateescape"), 0, 0
    while tries < _TRIES:
        try:
            value, after = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            tries += 1
            stop = start + 1
            after = at + 1
        else:
            stop = start + len(text[at:after].encode("utf-8", "surrogateescape"))
            yield start, stop, value
        following = _BEGIN.search(data, stop, end)
        if following is None:
            return
        at = after + len(data[stop : following.start()].decode("utf-8", "surrogateescape"))
        start = following.start()


def written(value: Any, before: bytes) -> bytes:
    """A value on one line, spaced as it was before. Raises ValueError and RecursionError."""
    separators = (", ", ": ") if b'": ' in before else (",", ":")
    if not before.isascii():
        try:
            return json.dumps(value, separators=separators, ensure_ascii=False).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            pass
    return json.dumps(value, separators=separators).encode("ascii")


def numbered(name: str, taken: Mapping[str, Any]) -> str:
    """A name that no other has: two that became one marker both keep their values."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def is_reference(value: Mapping[str, Any]) -> bool:
    """Whether an object only tells where a Secret of Kubernetes is."""
    return any(name in value for name in ("name", "secretName", "path")) and _REFERENCE.issuperset(value)


def is_header(value: list[Any]) -> bool:
    """Whether an array is a header's name and its value: ["Authorization", "Token ..."]."""
    if len(value) != 2 or not all(isinstance(entry, str) for entry in value) or not _HEADER.fullmatch(value[0]):
        return False
    return is_secret(value[0].encode())


def secret_names(value: Mapping[str, Any]) -> dict[str, str]:
    """The names that values of an object have elsewhere in it: {"name": "DB_PASSWORD", "value": ...}."""
    if value.get("kind") == "Secret":
        return {"data": "secret", "stringData": "secret"}
    lower = {name.lower(): name for name in value}
    named = next(
        (value[lower[name]] for name in _PAIR_NAMES if name in lower and isinstance(value[lower[name]], str)), ""
    )
    return {lower[name]: named for name in _PAIR_VALUES if named and name in lower}
