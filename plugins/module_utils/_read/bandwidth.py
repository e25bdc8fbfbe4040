# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the line and the tools over there can do, measured: guesses are wrong on half of all networks.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec

from ansible_collections.incident.distroless.plugins.module_utils._read.compression import (
    NOTHING,
    PROGRAM,
    TOOLS,
    WORTH_ASKING,
    Codec,
    Compress,
    Packing,
    by_measure,
    by_name,
    has_holes,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session

# a first sample, and a second one where the first says little: it is over before a line has come up to its speed
_SAMPLE, _SECOND = 256 << 10, 2 << 20
_LONG_ENOUGH = 1.0
# with less than this to bring the first sample has to do
_MUCH = 16 << 20
# no tool takes in more; on a line like that nothing else is worth a measurement
_FASTEST: dict[Codec, float] = {"gzip": 150e6, "zstd": 1e9}

# half of it lines as a log has them, half a program: what is fetched is mostly one of the two, and gzip takes lines twice as
# fast. The lines repeat after more than gzip's 32 KiB; a shell can be small, so it is taken repeatedly.
_LOAD = 2 << 20
# of an answer of a few words
_MOST_NAMES = 256
_TOOLS_SCRIPT = rb"""
for tool in zstd gzip; do
  size=$(echo | packed $tool 2>/dev/null | wc -c) || exit
  [ $size -lt 9 ] || echo $tool
done
exit 0
"""
_ZEROS = b"dd if=/dev/zero bs=65536 count=%d 2>/dev/null\n"
_LINES = rb"""
lines=$(
  n=0
  while [ $n -lt 400 ]; do
    n=$((n + 1))
    echo "2026-01-01T00:00:$((n * 7919 % 60)).$((n * 10473 % 1000))Z INFO request id=$((n * 15485 % 1000003))" \
      "path=/api/v1/items/$((n * 3245 % 997)) status=200 took=$((n * 4997 % 887))ms"
  done
)
"""
_COMPRESS = (
    b'{ n=0; while [ $n -lt 28 ] && echo "$lines"; do n=$((n + 1)); done\n'
    # without a reader it ends: dd has enough after the first of a large program
    b"n=0; while [ $n -lt 64 ] && cat /proc/$$/exe; do n=$((n + 1)); done; } 2>/dev/null | "
    b"dd bs=65536 count=%d iflag=fullblock 2>/dev/null | packed %s | wc -c\n"
)


def local_tools() -> frozenset[Codec]:
    """Return what this host can decompress."""
    has_zstd = find_spec("zstandard") is not None or shutil.which("zstd") is not None
    return frozenset(TOOLS if has_zstd else ("gzip",))


def decide(
    session: Session,
    compress: Compress,
    wants: Sequence[Want],
    *,
    is_throttled: bool,
    here: Iterable[Codec],
    clock: Callable[[], float] = time.monotonic,
) -> Packing:
    """Return what to compress of these files. Raises Failure where what was asked for by name is not possible."""
    total = sum(want.count for want in wants)
    sparse = any(has_holes(want.entry) for want in wants)
    if compress == "none" or not total:
        return NOTHING
    if compress != "auto":
        return by_name(compress, here=here, there=_tools(session))
    if is_throttled or (total < WORTH_ASKING and not sparse):
        return NOTHING
    there = [tool for tool in _tools(session) if tool in here]
    rate = _rate(session, _SAMPLE, clock)
    if total >= _MUCH and _SAMPLE / rate < _LONG_ENOUGH:
        rate = _rate(session, _SECOND, clock)
    # what takes less than this on the bare line is not worth another question
    speeds = {
        tool: _speed(session, tool, clock)
        for tool in there
        if (total >= _MUCH and rate < _FASTEST[tool]) or total / rate > _LONG_ENOUGH
    }
    return by_measure(rate, speeds, there=there)


def _tools(session: Session) -> list[Codec]:
    """The tools that work over there, the better first."""
    found = session.run(PROGRAM + _TOOLS_SCRIPT).output(_MOST_NAMES).split()
    return [tool for tool in TOOLS if tool.encode() in found]


def _rate(session: Session, size: int, clock: Callable[[], float]) -> float:
    """Bytes a second of the line, over the second half of size bytes: neither the way there and back counts nor what a
    shaped line lets through at once."""
    came = counted = 0
    first = last = clock()
    for view in session.run(_ZEROS % (size // 65536)).read(lambda answer: answer.exactly(size)):
        came += len(view)
        last = clock()
        if came <= size // 2:
            first = last
        else:
            counted += len(view)
    return counted / (last - first) if last > first else math.inf


def _speed(session: Session, tool: Codec, clock: Callable[[], float]) -> float:
    """Bytes a second that a tool takes in over there; the time in which all starts and an answer comes does not count."""
    moments = [clock()]
    for size in (0, _LOAD):
        session.run(PROGRAM + _LINES + _COMPRESS % (size // 65536, tool.encode())).output(_MOST_NAMES)
        moments.append(clock())
    taken = (moments[2] - moments[1]) - (moments[1] - moments[0])
    return _LOAD / taken if taken > 0 else math.inf
