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
# a line of a stack below its head: Java, Node.js and .NET; Ruby; PHP; Elixir; the backtraces of Rust
_FRAME = re.compile(
    r"\s+at \S|\s+\.\.\. \d+ (?:more|common frames)|\s+--- End of .*stack trace"
    r"|\s+from \S+:\d+:in "
    r"|#\d+ (?:\S+\(\d+\): |\[internal function\]|\{main\}$)|\s+thrown in .+ on line \d+$|\S*\s*Stack trace:$"
    r"|\s+(?:\(\S+ [\d.]+\) )?\S+\.(?:exs?|erl):\d+: "
    r"|\s+\d+: +(?:0x[0-9a-f]+ - )?[<\w]\S*::\S|[Ss]tack backtrace:$"
)
# .NET tells what led to an exception in the line below it, and the innermost first
_INNER = re.compile(r"\s*---> ")
_FOLLOWS = re.compile(r"\s*(?:Caused by: |Suppressed: |---> )")
_GOROUTINE = re.compile(r"goroutine \d+ .*\[.*\]:")
_GO_CALL = re.compile(r"\s+\S+\.(?:go|s):\d+(?: |$)")
_GO_STACK = re.compile(r"\s+\S+\.(?:go|s):\d+|\S+\(.*\)$|created by |exit status \d+$|goroutine \d+ ")
_GO_HEAD = re.compile(r"\s*(?:panic: |fatal error: |SIG[A-Z]+: )")
_EXCEPTION = re.compile(r"\b\w*(?:Exception|Error|Throwable|Fault)\b")
_TRACEBACK = "Traceback (most recent call last):"
_RUST = re.compile(r"thread '.*' (?:\(\d+\) )?panicked at ")
# what stands between a head and its first frame: words of the source, a caret, a list of who asked
_BETWEEN = re.compile(r"\s|- |\S.*:$")
# what runs an app's script says below it that the script failed
_RUNNER = re.compile(r"npm (?:ERR!|error|notice|warn)|error Command failed|info Visit https://yarnpkg|\s*ELIFECYCLE")
_SCRIPT_FAILED = re.compile(r"ELIFECYCLE|Lifecycle script|[Cc]ommand failed")
# Spring Boot and the JVM have a form of their own for it
_SPRING = "APPLICATION FAILED TO START"
_JVM = re.compile(
    r"# (?:A fatal error has been detected by|There is insufficient memory for) the Java Runtime Environment"
)
# what belongs to an error that stands above it
_BELONGS = re.compile(r"\b(?:HINT|DETAIL|CONTEXT|STATEMENT):")
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
    rows = _without_runner([row for row in lines if row.strip()])
    for find in (_of_go, _of_python, _of_rust, _of_spring, _of_jvm, _of_frames, _of_usage):
        found = find(rows)
        if found is not None:
            return LastWords(tuple(row.strip()[:_LONGEST] for row in found.lines), found.begins_in_trace)
    return LastWords(tuple(row.strip()[:_LONGEST] for row in _end(rows)))


def _without_runner(rows: Sequence[str]) -> Sequence[str]:
    """Return the lines without those by which npm, yarn or pnpm say of a script that it failed: it has said itself why."""
    end = len(rows)
    while end and _RUNNER.match(rows[end - 1]):
        end -= 1
    return rows[:end] if end and any(map(_SCRIPT_FAILED.search, rows[end:])) else rows


def _of_go(rows: Sequence[str]) -> LastWords | None:
    stacks = [index for index, row in enumerate(rows) if _GOROUTINE.match(row)]
    calls = [index for index, row in enumerate(rows) if _GO_CALL.match(row)]
    if not stacks or not calls:
        return None
    rest = [row for row in rows[calls[-1] + 1 :] if not _GO_STACK.match(row)]
    if len(rest) > _FEW or any(map(_BAD.search, rest)):
        return None
    heads = [index for index, row in enumerate(rows) if _GO_HEAD.match(row)]
    if heads:
        # a panic within a panic stands below it, and the last one is what ended it
        first = next(index for index in heads if all(_GO_HEAD.match(row) for row in rows[index : heads[-1] + 1]))
        return LastWords(tuple(rows[first : heads[-1] + 1]))
    # who logs an error and then its stacks has a head of its own form, such as klog
    broken = max((at for at in range(calls[-1]) if not _GO_STACK.match(rows[at])), default=-1)
    begin = next((at for at in stacks if at > broken), None)
    if begin is None:
        return None
    is_told = begin > 0 and not _GO_STACK.match(rows[begin - 1])
    return LastWords((rows[begin - 1],)) if is_told else LastWords((), begins_in_trace=True)


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
    """Return a panic of Rust, or an error with its causes as anyhow and eyre print them, each with or without a backtrace."""
    at = next((index for index in reversed(range(len(rows))) if _RUST.match(rows[index])), None)
    if at is not None:
        rest = [row for row in rows[at:] if not _FRAME.match(row)]
        return None if len(rest) > 5 * _NEAR else LastWords(tuple(rows[at : at + 2]))
    at = next((index for index in reversed(range(len(rows))) if rows[index].strip() == "Caused by:"), 0)
    below = rows[at + 1 :]
    causes = next((index for index, row in enumerate(below) if row[0] != " " or _FRAME.match(row)), len(below))
    if not at or not causes or sum(not _FRAME.match(row) for row in below[causes:]) > _NEAR:
        return None
    return LastWords((rows[at - 1], below[causes - 1]))


def _of_spring(rows: Sequence[str]) -> LastWords | None:
    """Return what Spring Boot says of a start that failed, without what it advises."""
    at = next((index for index in reversed(range(len(rows))) if rows[index] == _SPRING), None)
    parts = {
        row: index
        for index, row in enumerate(rows)
        if at is not None and index > at and row in ("Description:", "Action:")
    }
    if "Description:" not in parts or len(rows) - parts.get("Action:", len(rows)) > 2 * _NEAR:
        return None
    return LastWords(tuple(rows[parts["Description:"] + 1 : parts.get("Action:")][: 2 * _FEW]))


def _of_jvm(rows: Sequence[str]) -> LastWords | None:
    """Return what the JVM says as it crashes: the signal or what it could not get, and in which library that was."""
    at = next((index for index in reversed(range(len(rows))) if _JVM.match(rows[index])), None)
    if at is None or len([row for row in rows[at:] if not row.startswith("#")]) > _NEAR:
        return None
    told = [row for row in rows[at + 1 :] if row.strip("# ")]
    frame = next((index for index, row in enumerate(told) if row.endswith("Problematic frame:")), None)
    return LastWords((*told[:1], *([] if frame is None else told[frame + 1 : frame + 2])))


def _of_frames(rows: Sequence[str]) -> LastWords | None:
    """Return of a trace that has its head above the head, and the last of what caused it."""
    frames = [index for index, row in enumerate(rows) if _FRAME.match(row)]
    if not frames:
        return None
    rest = [row for row in rows[frames[-1] + 1 :] if not _EMPTY.match(row)]
    if len(rest) > _NEAR or any(_BAD.search(row) and not _EXCEPTION.search(row) for row in rest):
        return None
    heads = [_head(rows, index) for index in frames if index and not _FRAME.match(rows[index - 1])]
    if not heads:
        return LastWords((), begins_in_trace=True)
    begin = next((at for at in reversed(heads) if not _FOLLOWS.match(rows[at])), None)
    causes = [at for at in heads if begin is None or at > begin]
    if begin is None and _INNER.match(rows[heads[-1]]):
        begin = next((at for at in reversed(range(heads[-1])) if not _INNER.match(rows[at])), None)
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
    """Return where the exception stands whose first frame that is: .NET and Node.js have lines between them."""
    above = list(range(frame - 1, max(-1, frame - 2 * _NEAR), -1))
    above = above[: next((count for count, at in enumerate(above) if _FRAME.match(rows[at])), len(above))]
    near = next((at for at in above[:_FEW] if _EXCEPTION.search(rows[at])), None)
    if near is not None:
        return near
    return next((at for at in above if not _BETWEEN.match(rows[at]) and not _EMPTY.match(rows[at])), frame - 1)


def _end(rows: Sequence[str]) -> list[str]:
    told = [row for row in rows if not _EMPTY.match(row)]
    last = told[-_FEW:]
    if any(_BAD.search(row) for row in last):
        return [*_begin_of_burst(told), *last]
    # what it said while it ended may stand below why it ended
    bad = [row for row in told[-2 * _NEAR : -_FEW] if _BAD.search(row) and not _MILD.search(row)]
    return [*bad[-1:], *last]


def _begin_of_burst(told: Sequence[str]) -> list[str]:
    """Return the first of the errors that were told one after the other up to the end: the others follow from it."""
    near = told[-2 * _NEAR :]
    at = next((index for index in reversed(range(len(near))) if _BAD.search(near[index])), len(near))
    while at and (_BAD.search(near[at - 1]) or _BELONGS.search(near[at - 1])):
        at -= 1
    return list(near[at : at + 1]) if at < len(near) - _FEW else []
