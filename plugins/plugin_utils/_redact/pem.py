# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys in PEM, also where a log begins or ends within one, and where each of its lines has a time before it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.secret_names import STAMP, Mark

# a PEM block that is longer than this is none
MAX_PEM = 1 << 16
_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}+-----")
_END = re.compile(rb"-----END [A-Z0-9 ]{1,40}+-----")
_BREAK = rb"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n|\Z)"
# the lines of one whose end was cut off: base64, and what tells how it was encrypted
_LINE = (
    rb"(?:"
    + STAMP
    + rb")?[ \t]{0,64}(?:[A-Za-z0-9+/]*+={0,2}|(?:Proc-Type|DEK-Info|Comment): [^\r\n\\]{0,200}+)[ \t]*+"
)
_REST = re.compile(
    rb"[ \t]*+"
    + _BREAK
    + rb"(?:"
    + _LINE
    + rb"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)|"
    + _LINE
    + rb"(?=[\"'\r\n]|\Z)){0,4096}"
)
# one line of it without a line break, as some print it
_WORDS = re.compile(rb"[A-Za-z0-9+/= \t]*+")
# a line before an end whose beginning was cut off: base64 alone
_TAIL = re.compile(rb"(?:" + STAMP + rb")?[ \t>|]*+[A-Za-z0-9+/]{1,128}+={0,2}[ \t\r]*+")
_TAIL_START = re.compile(rb"(?:" + STAMP + rb")?[ \t>|]*+")
_BASE64 = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"+/="
_SHORTEST_TAIL = 16
_LINE_ENDS = re.compile(rb"\n|\\{1,8}n")


def pem(data: bytes, mark: Mark) -> bytes:
    """The text with each block replaced, from its first line to its last."""
    pieces: list[bytes] = []
    at, begin, end = 0, _BEGIN.search(data), _END.search(data)
    while begin or end:
        if end and (not begin or end.start() < begin.start()):
            stop = end.end()
            found = _headless(data, at, end.start())
            first = stop if found is None else found
            end = _END.search(data, stop)
        elif begin:
            first, stop = begin.start(), begin.end()
            if end and end.start() - stop <= MAX_PEM:
                stop = end.end()
                end = _END.search(data, stop)
            else:
                rest = _REST.match(data, stop) or _WORDS.match(data, stop)
                stop = rest.end() if rest else stop
            begin = _BEGIN.search(data, stop)
        pieces.append(data[at:first])
        if first < stop:
            pieces.append(mark("key", data[first:stop]))
        at = stop
    return b"".join([*pieces, data[at:]])


def _headless(data: bytes, floor: int, end: int) -> int | None:
    """Where the lines of a block begin whose first line was cut off, not before floor; None where no such line is there."""
    floor = max(floor, end - MAX_PEM)
    breaks = [match.span() for match in _LINE_ENDS.finditer(data, floor, end)]
    if not breaks or not _TAIL_START.fullmatch(data, breaks[-1][1], end):
        return None
    first = None
    begins = [floor, *(stop for _start, stop in breaks)]
    for begin, (stop, _end) in zip(begins[-2::-1], breaks[::-1], strict=True):
        if not _TAIL.fullmatch(data, begin, stop):
            # the string of a log line may begin within the block
            word = stop - len(data[begin:stop]) + len(data[begin:stop].rstrip(_BASE64))
            return word if stop - word >= _SHORTEST_TAIL else first
        first = begin
    return first
