# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are written all the time, in ways after which it can be told whether a copy is what the file was at one moment."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# of a file; each begins with a number of eight bytes
BLOCK = 1024

# Overwriting puts the k-th number into block k modulo their count. The others give all blocks of a generation the same number.
_WRITER = r"""
import mmap, os, sys, time
kind, path, blocks = sys.argv[1], sys.argv[2], int(sys.argv[3])
block = {block}
word = lambda number: number.to_bytes(8, "little")
whole = lambda number: (word(number) + bytes(block - 8)) * blocks
with open(path, "wb") as file:
    file.write(b"".join(word(number) + bytes(block - 8) for number in range(blocks)) if kind in ("overwritten", "set back", "mmap") else whole(1))
file = os.open(path, os.O_RDWR)
view = mmap.mmap(file, 0)
number = blocks if kind in ("overwritten", "set back", "mmap") else 1
print("ready", flush=True)
while True:
    if kind == "mmap":
        view[number % blocks * block : number % blocks * block + 8] = word(number)
    elif kind in ("overwritten", "set back"):
        os.pwrite(file, word(number), number % blocks * block)
        if kind == "set back":
            os.utime(path, ns=(10**18, 10**18))
    elif kind == "appended":
        os.pwrite(file, word(number) + bytes(block - 8), os.fstat(file).st_size)
    elif kind == "truncated":
        os.ftruncate(file, 0)
        for at in range(blocks):
            os.pwrite(file, word(number) + bytes(block - 8), at * block)
    elif kind == "replaced":
        with open(path + ".new", "wb") as new:
            new.write(whole(number))
        os.rename(path + ".new", path)
    number += 1
    time.sleep(0.0005)
"""
KINDS = ("overwritten", "set back", "mmap", "appended", "truncated", "replaced")


@contextmanager
def writer(kind: str, path: Path, blocks: int) -> Iterator[None]:
    """Writes a file until the end, and has begun."""
    script = _WRITER.replace("{block}", str(BLOCK))
    process = subprocess.Popen([sys.executable, "-c", script, kind, str(path), str(blocks)], stdout=subprocess.PIPE)
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
    return all(word == last - (last - at) % blocks for at, word in enumerate(words))
