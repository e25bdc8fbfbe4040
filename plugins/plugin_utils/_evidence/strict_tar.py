# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The members of an archive in GNU tar's format, read as a stream to its last byte.

What is written in another way than evidence_seal and GNU tar write it is no member: programs differ in what they make of it. Python's
tarfile takes a header that is none for the end, where GNU tar looks for the next one behind it and lets that write over files.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

FILE, HARD_LINK, LINK, DIRECTORY = b"0", b"1", b"2", b"5"
# devices and a pipe, which have no data either
_WITHOUT_DATA = (HARD_LINK, LINK, b"3", b"4", DIRECTORY, b"6")
_LONG_NAME, _LONG_LINK = b"L", b"K"

_BLOCK = 512
_MAGIC = b"ustar  \0"
_MAX_NAME = 1 << 20
_CHUNK = 1 << 20


class NoMember(ValueError):
    """Why an archive is not read any further, as a sentence."""


@dataclass(frozen=True, slots=True)
class Member:
    """kind is its type flag, link what a link leads to, size in bytes. pieces is its data, and gone when the next member is taken."""

    kind: bytes
    name: bytes
    link: bytes
    size: int
    pieces: Iterator[bytes]


def members(stream: IO[bytes]) -> Iterator[Member]:
    """The members of an archive. Raises OSError, and NoMember where something else stands, or where data stand behind the end."""
    long: dict[bytes, bytes] = {}
    while any(header := _block(stream)):
        kind, size = _kind(header), _size(header)
        if kind in (_LONG_NAME, _LONG_LINK):
            if kind in long:
                raise NoMember("The archive has two long names for one member.")
            long[kind] = _long(stream, size)
            continue
        if kind != FILE and (kind not in _WITHOUT_DATA or size):
            raise NoMember(f"The archive has a member of the kind {kind!r} with {size} bytes; a bundle has none.")
        name = long.pop(_LONG_NAME, _text(header[:100]))
        pieces = _pieces(stream, size)
        yield Member(kind, name, long.pop(_LONG_LINK, _text(header[157:257])), size, pieces)
        _drain(pieces)
    if long:
        raise NoMember("The archive has a long name for no member.")
    if any(_block(stream)):
        raise NoMember("The archive goes on behind its end.")
    while rest := stream.read(_CHUNK):
        if any(rest):
            raise NoMember("The archive goes on behind its end.")


def _drain(pieces: Iterator[bytes]) -> None:
    for _piece in pieces:
        pass


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise NoMember("The archive ends before its end.")
    return found


def _block(stream: IO[bytes]) -> bytes:
    return _exactly(stream, _BLOCK)


def _kind(header: bytes) -> bytes:
    """The type flag of a header. Raises NoMember for what is no header."""
    checksum = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if header[148:156] != b"%06o\0 " % checksum:
        raise NoMember(
            "The archive has something in place of a member's header, and what stands behind it was not read."
        )
    if header[257:265] != _MAGIC or any(header[345:]):
        raise NoMember(
            "The archive is not in GNU tar's format, which evidence_seal writes: unpack it, and check the folder."
        )
    return header[156:157]


def _size(header: bytes) -> int:
    field = header[124:136]
    if re.fullmatch(rb"[0-7]{11}\0", field):
        return int(field[:11], 8)
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    raise NoMember("The archive has a member whose size is not understood.")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _long(stream: IO[bytes], size: int) -> bytes:
    """A name that has no place in a header."""
    if size > _MAX_NAME:
        raise NoMember(f"The archive has a name of {size} bytes.")
    name, end, rest = b"".join(_pieces(stream, size)).partition(b"\0")
    if not end or rest:
        raise NoMember("The archive has a long name that is not understood.")
    return name


def _pieces(stream: IO[bytes], size: int) -> Iterator[bytes]:
    for begin in range(0, size, _CHUNK):
        yield _exactly(stream, min(_CHUNK, size - begin))
    if any(_exactly(stream, -size % _BLOCK)):
        raise NoMember("The archive has data between its members.")
