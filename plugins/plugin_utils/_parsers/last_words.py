# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program said last: of a stack trace the line that tells, else the lines near the end.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

# ECMA-48: control sequences, and strings that end with BEL or ST
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_FRAME = re.compile(r"\s+at \S|\s+\.\.\. \d+ (?:more|common frames)")
_GOROUTINE = re.compile(r"goroutine \d+ .*\[.*\]:")
_GO_STACK = re.compile(r"\s+\S+\.(?:go|s):\d+|\S+\(.*\)$|created by |exit status \d+$|goroutine \d+ ")
_GO_HEAD = re.compile(r"\s*(?:panic: |fatal error: )")
_EXCEPTION = re.compile(r"\b\w*(?:Exception|Error|Throwable|Fault)\b")
_TRACEBACK = "Traceback (most recent call last):"
_RUST = re.compile(r"thread '.*' (?:\(\d+\) )?panicked at ")
# of no use to who asks why it ended
_EMPTY = re.compile(r"[\s{}\[\]()^~]*$|Node\.js v[\d.]+$|exit status \d+$|\s+(?:errno|code|syscall|path): ")
_BAD = re.compile(
    r"\b(?:fatal|panic|emerg|alert|crit|critical|error|err|exception|failed|failure|cannot|could not|unable|no such|denied|refused)\b",
    re.IGNORECASE,
)
_USAGE = re.compile(r"usage(?: of [^:]*)?:", re.IGNORECASE)
_HELP = re.compile(r"\s|-|\S+:$")
_MILD = re.compile(r"\b(?:info|debug|trace|warn|warning|notice)\b", re.IGNORECASE)
# what stands above a usage, such as a banner between it and the error, and below it
_ABOVE = 2
# a trace that has more lines behind it was not the end
_NEAR = 10
_FEW = 3
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class LastWords:
    """lines: what tells, the end last; begins_in_trace: what was read begins within a stack trace, whose head is not here."""

    lines: tuple[str, ...]
    begins_in_trace: bool = False


def clean(line: str) -> str:
    """Return a line of a log as a terminal would show it: without colours, and only what was written last after a carriage return."""
    return printable(_ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2].rstrip().replace("\t", "    "))


def last_words(lines: Sequence[str]) -> LastWords:
    """Return what a program said last. lines: its log, as `clean` leaves it."""
    rows = [row for row in lines if row.strip()]
    for find in (_of_go, _of_python, _of_rust, _of_frames, _of_usage):
        found = find(rows)
        if found is not None:
            return LastWords(tuple(row.strip()[:_LONGEST] for row in found.lines), found.begins_in_trace)
    return LastWords(tuple(row.strip()[:_LONGEST] for row in _end(rows)))


def _of_go(rows: Sequence[str]) -> LastWords | None:
    stacks = [index for index, row in enumerate(rows) if _GOROUTINE.match(row)]
    heads = [index for index, row in enumerate(rows) if _GO_HEAD.match(row)]
    if not stacks or not all(_GO_STACK.match(row) for row in rows[-2:]):
        return None
    if heads:
        # a panic within a panic stands below it, and the last one is what ended it
        first = next(index for index in heads if all(_GO_HEAD.match(row) for row in rows[index : heads[-1] + 1]))
        return LastWords(tuple(rows[first : heads[-1] + 1]))
    return LastWords((), begins_in_trace=True)


def _of_python(rows: Sequence[str]) -> LastWords | None:
    found = []
    for index, row in enumerate(rows):
        if row.endswith(_TRACEBACK):
            ends = (at for at in range(index + 1, len(rows)) if not rows[at].startswith((" ", "\t")))
            found += list(ends)[:1]
    if not found or len(rows) - found[-1] > _NEAR:
        return None
    # what it was raised for stands above it
    return LastWords((*(rows[at] for at in found[-2:-1]), *rows[found[-1] : found[-1] + _FEW]))


def _of_rust(rows: Sequence[str]) -> LastWords | None:
    at = next((index for index in reversed(range(len(rows))) if _RUST.match(rows[index])), None)
    return None if at is None or len(rows) - at > 5 * _NEAR else LastWords(tuple(rows[at : at + 2]))


def _of_frames(rows: Sequence[str]) -> LastWords | None:
    """The traces of Java, Node.js and .NET: a head, and below it lines that begin with `at`."""
    frames = [index for index, row in enumerate(rows) if _FRAME.match(row)]
    if not frames:
        return None
    rest = [row for row in rows[frames[-1] + 1 :] if not _EMPTY.match(row)]
    if len(rest) > _NEAR or any(_BAD.search(row) and not _EXCEPTION.search(row) for row in rest):
        return None
    heads = [_head(rows, index) for index in frames if index and not _FRAME.match(rows[index - 1])]
    if not heads:
        return LastWords((), begins_in_trace=True)
    begin = next((at for at in reversed(heads) if "Caused by: " not in rows[at]), None)
    causes = [at for at in heads if begin is None or at > begin]
    return LastWords(tuple(rows[at] for at in ([] if begin is None else [begin]) + causes[-1:]))


def _of_usage(rows: Sequence[str]) -> LastWords | None:
    """Return what stands above a usage, which programs print below what is wrong with the call, and which can be long."""
    at = next((index for index in reversed(range(len(rows))) if _USAGE.match(rows[index])), 0)
    rest = rows[at + 1 :]
    lines = [index for index, row in enumerate(rest) if _HELP.match(row)]
    # a line or two can stand below it
    if at == 0 or len(rest) <= _FEW or 2 * len(lines) < len(rest) or len(rest) - 1 - lines[-1] > _ABOVE:
        return None
    # some say again below it what is wrong
    below = rest[lines[-1] + 1 :]
    return None if any(map(_BAD.search, below)) else LastWords((*rows[max(0, at - _ABOVE) : at], *below))


def _head(rows: Sequence[str], frame: int) -> int:
    """Return where the exception stands whose first frame that is: .NET has lines between them."""
    near = range(frame - 1, max(-1, frame - 4), -1)
    return next((at for at in near if _EXCEPTION.search(rows[at])), frame - 1)


def _end(rows: Sequence[str]) -> list[str]:
    told = [row for row in rows if not _EMPTY.match(row)]
    last = told[-_FEW:]
    if any(_BAD.search(row) for row in last):
        return last
    # what it said while it ended may stand below why it ended
    bad = [row for row in told[-2 * _NEAR : -_FEW] if _BAD.search(row) and not _MILD.search(row)]
    return [*bad[-1:], *last]
