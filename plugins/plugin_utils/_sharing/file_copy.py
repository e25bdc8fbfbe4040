# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file's copy in which what is secret or names somebody is replaced, and how the file is written; what is not understood is as it was.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import IO

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import MAX_PEM, Redactor

_CHUNK = 8 << 20
# a document is replaced as a whole where it is not larger than this, else as text
MAX_DOCUMENT = 64 << 20
NOT_UNDERSTOOD = ("binary", "unknown_encoding")
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"%PDF-")
# what no text has
_NO_TEXT = re.compile(rb"[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_NO_WORD = re.compile(rb"[^\x20-\x7e\t\n\r\x1b]")


def encoding_of(data: bytes) -> str:
    """Return how the text of a file is written whose beginning this is: "utf-8" for all in which ASCII is what it is, "utf-16-le" and
    its like; one of NOT_UNDERSTOOD for a binary file, which replacing would damage, and for an encoding that nothing tells.

    A log whose beginning was cut off is all zeros there, and text all the same; a tar of texts is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if data[257:262] == b"ustar" or data.startswith(_PACKED):
        return "binary"
    words = data.replace(b"\0", b"")
    if len(words) < len(data) and (wide := _wide(data)):
        return wide
    if _is_text(words):
        # a few signs of a terminal are in many logs
        return "binary" if len(_NO_TEXT.findall(words)) * 10 > len(words) else "utf-8"
    if len(words) < len(data) or _NO_TEXT.search(words):
        return "binary"
    # one of the encodings with a byte a sign, and most of it ASCII
    return "utf-8" if len(_NO_WORD.findall(words)) * 2 < len(words) else "unknown_encoding"


def _is_text(words: bytes) -> bool:
    """Return whether a beginning is UTF-8, whose last sign may be cut."""
    try:
        words.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def _wide(data: bytes) -> str:
    """Return the encoding of a text that is mostly ASCII, in which each sign has two or four bytes; "" for another one."""
    for width, zeros in (("utf-32-le", (1, 2, 3)), ("utf-32-be", (0, 1, 2)), ("utf-16-le", (1,)), ("utf-16-be", (0,))):
        step = 4 if "32" in width else 2
        whole = data[: len(data) // step * step]
        signs = len(whole) // step
        others = [place for place in range(step) if place not in zeros]
        is_zero = all(whole[place::step].count(0) * 10 > signs * 8 for place in zeros)
        if signs and is_zero and all(whole[place::step].count(0) * 50 <= signs for place in others):
            return width
    return ""


def copied(file: IO[bytes], target: IO[bytes], redactor: Redactor, *, is_document: bool) -> str:
    """Copies one file; what was done with it: replaced, unchanged, or one of NOT_UNDERSTOOD, and it is as it was."""
    encoding = encoding_of(_beginning(file))
    size = os.fstat(file.fileno()).st_size
    if encoding in NOT_UNDERSTOOD or (encoding != "utf-8" and size > MAX_DOCUMENT):
        _as_it_is(file, target)
        return encoding if encoding in NOT_UNDERSTOOD else "unknown_encoding"
    if encoding != "utf-8":
        # signs of two bytes; where one is none, nothing of it is understood
        data = file.read()
        try:
            text = data.decode(encoding)
            is_exact = text.encode(encoding) == data
        except UnicodeError:
            is_exact = False
        if not is_exact:
            file.seek(0)
            _as_it_is(file, target)
            return "unknown_encoding"
        # the mark of the order of bytes is no sign of the first word
        bare = text.removeprefix("\ufeff")
        target.write((text[: len(text) - len(bare)] + redactor.words(bare)).encode(encoding, "backslashreplace"))
        return "replaced" if redactor.counts else "unchanged"
    document = redactor.document(file.read()) if is_document and size <= MAX_DOCUMENT else None
    if document is not None:
        target.write(document)
    else:
        redactor.counts.clear()
        file.seek(0)
        for piece in pieces(file):
            target.write(redactor.text(piece))
    return "replaced" if redactor.counts else "unchanged"


def _as_it_is(file: IO[bytes], target: IO[bytes]) -> None:
    while piece := file.read(_CHUNK):
        target.write(piece)


def _beginning(file: IO[bytes]) -> bytes:
    """Return the first piece of a file that is not all zeros; it stands at its beginning again afterwards."""
    found = b""
    while piece := file.read(1 << 16):
        found = piece
        if piece.strip(b"\0"):
            break
    file.seek(0)
    return found


def pieces(file: IO[bytes], size: int = _CHUNK) -> Iterator[bytes]:
    """Return a text in pieces that end with a line where they can, and never within a key that has its end near by."""
    rest = b""
    while chunk := file.read(size):
        data = rest + chunk
        cut = _cut(data, size)
        rest = data[cut:]
        if cut:
            yield data[:cut]
    if rest:
        yield rest


def _cut(data: bytes, size: int) -> int:
    cut = data.rfind(b"\n") + 1
    begin = data.rfind(b"-----BEGIN ", max(0, len(data) - MAX_PEM))
    if begin != -1 and data.find(b"-----END ", begin) == -1:
        cut = min(cut, begin) if cut else begin
    if cut or len(data) < 2 * size:
        return cut
    # a line without an end: between two words of it, where there are some
    return max(data.rfind(mark) for mark in (b" ", b",", b"\t")) + 1 or len(data)
