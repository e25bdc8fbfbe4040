# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are written all the time, in ways after which it can be told whether a copy is what the file was at one moment."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# of a file; each begins with a number of eight bytes
BLOCK = 1024
STRIDE = 683
# seconds between two writes: about two of them while a file of some MiB is read, so that two readers in step can miss both
PAUSE = 0.002

# Overwriting puts the k-th number into block k * STRIDE modulo their count, which is a power of two: one write stands in front of where
# a reader is, the next one behind it, and what it then has was never there. The others give all blocks of a generation the same number.
_WRITER = r"""
import mmap, os, sys, time
kind, sizes = sys.argv[1], dict(zip(sys.argv[2::2], map(int, sys.argv[3::2])))
block = {block}
by_block = kind in ("overwritten", "set back", "mmap")
word = lambda number: number.to_bytes(8, "little")
whole = lambda number, blocks: (word(number) + bytes(block - 8)) * blocks
files = []
for path, blocks in sizes.items():
    with open(path, "wb") as file:
        first = [number for _at, number in sorted((number * {stride} % blocks, number) for number in range(blocks))]
        file.write(b"".join(whole(number, 1) for number in first) if by_block else whole(1, blocks))
    file = os.open(path, os.O_RDWR)
    files.append((path, file, mmap.mmap(file, 0), blocks, iter(range(blocks if by_block else 1, sys.maxsize))))
print("ready", flush=True)
while True:
    for path, file, view, blocks, numbers in files:
        number = next(numbers)
        at = number * {stride} % blocks * block
        if kind == "mmap":
            view[at : at + 8] = word(number)
        elif by_block:
            os.pwrite(file, word(number), at)
            if kind == "set back":
                os.utime(path, ns=(10**18, 10**18))
        elif kind == "appended":
            os.pwrite(file, whole(number, 1), os.fstat(file).st_size)
        elif kind == "truncated":
            os.ftruncate(file, 0)
            for at in range(blocks):
                os.pwrite(file, whole(number, 1), at * block)
        elif kind == "replaced":
            with open(path + ".new", "wb") as new:
                new.write(whole(number, blocks))
            os.rename(path + ".new", path)
        time.sleep({pause})
"""
KINDS = ("overwritten", "set back", "mmap", "appended", "truncated", "replaced")


@contextmanager
def writer(kind: str, sizes: Mapping[Path, int]) -> Iterator[None]:
    """Writes files of so many blocks until the end, one after the other and again, and has begun."""
    script = _WRITER.replace("{block}", str(BLOCK)).replace("{stride}", str(STRIDE)).replace("{pause}", str(PAUSE))
    words = [str(word) for path, blocks in sizes.items() for word in (path, blocks)]
    process = subprocess.Popen([sys.executable, "-S", "-c", script, kind, *words], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def was_there(kind: str, content: bytes, blocks: int) -> bool:
    """Return whether a file of that kind was this at one moment, or began so."""
    words = array("Q", content)[:: BLOCK // 8]
    if kind == "appended":
        return list(words[blocks:]) == list(range(1, len(words) - blocks + 1)) and set(words[:blocks]) == {1}
    if kind in ("truncated", "replaced"):
        return len(set(words)) <= 1
    last = max(words)
    turn = pow(STRIDE, -1, blocks)
    return all(word == last - (last - at * turn) % blocks for at, word in enumerate(words))
