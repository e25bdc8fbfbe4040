# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it takes to bring files home at all: one bare exec a pod that lists, hashes and sends, and what must be done with that here.

Nothing but the API's own client library. Each file gets its final name after its hash is that of the other end, and a list of all is
written. `again` is a second run that believes times: a listing, and a look at each copy. It prints the seconds of the work, without the
start of Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import kubernetes
import kubernetes.stream
from pods import CONTAINER, FOLDER
from websocket import ABNF

SIDE_BY_SIDE = 8
STDOUT, STDERR = 1, 2
# a name with a newline is nothing that the benchmark makes; in large pieces: each that is written becomes a frame of its own
MERGED = "dd bs=65536 iflag=fullblock 2>/dev/null"
LIST = f"cd {{folder}} && find {{name}} -type f -exec stat -c '%s %Y %Z %i %n' {{{{}}}} + | {MERGED}"
SUMS = "find {name} -type f -exec sha256sum {{}} + >&2 &"
BYTES = f"if [ -d {{name}} ]; then find {{name}} -type f -exec cat {{{{}}}} + | {MERGED}; else cat {{name}}; fi"
SEND = f"{LIST}; echo; {SUMS} {BYTES}; wait"
LIST_FILE = "listed.json"


class Pod:
    """What a script prints in a pod, as it comes; `errors` is all of its stderr so far."""

    def __init__(self, library: Any, namespace: str, pod: str, script: str) -> None:
        # the library's stream takes over the client that it is given
        api = library.client.CoreV1Api(library.client.ApiClient())
        self._stream = library.stream.stream(
            api.connect_get_namespaced_pod_exec,
            *(pod, namespace),
            container=CONTAINER,
            command=["sh", "-c", script],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
        )
        self.errors = bytearray()
        self._have = b""

    def line(self) -> bytes:
        """Return the next line of stdout; nothing at its end."""
        while b"\n" not in self._have:
            more = self._next()
            if more is None:
                return b""
            self._have += more
        line, _newline, self._have = self._have.partition(b"\n")
        return line

    def exactly(self, count: int) -> Iterator[bytes]:
        """Yield the next bytes of stdout. Raises RuntimeError where less came."""
        while count:
            have = self._have or self._next()
            if have is None:
                raise RuntimeError("less came than was listed")
            piece, self._have = have[:count], have[count:]
            count -= len(piece)
            yield piece

    def end(self) -> None:
        """Take what is left."""
        while self._next() is not None:
            pass

    def _next(self) -> bytes | None:
        while True:
            # WSClient.update() copies all that it has for each frame
            opcode, frame = self._stream.sock.recv_data_frame(True)
            if opcode == ABNF.OPCODE_CLOSE:
                return None
            channel, data = frame.data[:1], frame.data[1:]
            if channel == bytes([STDOUT]) and data:
                return bytes(data)
            if channel == bytes([STDERR]):
                self.errors += data


def listed(pod: Pod) -> Iterator[tuple[bytes, list[int]]]:
    """Yield names, each with size, mtime, ctime and inode."""
    while line := pod.line():
        *facts, name = line.split(b" ", 4)
        yield name, [int(fact) for fact in facts]


def bring(library: Any, namespace: str, name: str, dest: Path, pod: str) -> None:
    """Brings what is at name in one pod into its folder below dest."""
    source = Pod(library, namespace, pod, SEND.format(folder=FOLDER, name=name))
    files = list(listed(source))
    folder = dest / pod
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if len(files) > 1:
        (folder / name).mkdir(exist_ok=True)
    parent = os.open((folder / files[0][0].decode()).parent, os.O_RDONLY | os.O_DIRECTORY)
    sums: dict[bytes, str] = {}
    try:
        for path, facts in files:
            sums[path] = _written(parent, path.rpartition(b"/")[2], facts, source)
        source.end()
        there = {line[66:]: line[:64].decode() for line in bytes(source.errors).splitlines()}
        if there != sums:
            raise RuntimeError("what came has other hashes")
        for path, _facts in files:
            base = path.rpartition(b"/")[2]
            os.replace(_temporary(base), base, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.close(parent)
    rows = [{"src": path.decode(), "facts": facts, "sha256": sums[path]} for path, facts in files]
    (folder / LIST_FILE).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")


def _temporary(name: bytes) -> bytes:
    return b"." + name + b".part"


def _written(parent: int, name: bytes, facts: list[int], source: Pod) -> str:
    seen = hashlib.sha256()
    descriptor = os.open(_temporary(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=parent)
    try:
        for piece in source.exactly(facts[0]):
            seen.update(piece)
            left = memoryview(piece)
            while left:
                left = left[os.write(descriptor, left) :]
        os.utime(descriptor, (facts[1], facts[1]))
    finally:
        os.close(descriptor)
    return seen.hexdigest()


def look(library: Any, namespace: str, name: str, dest: Path, pod: str) -> None:
    """Lists what is at name in one pod and looks at each copy; all must be as they were brought."""
    folder = dest / pod
    rows = map(json.loads, (folder / LIST_FILE).read_text(encoding="utf-8").splitlines())
    known = {row["src"]: row["facts"] for row in rows}
    now = {
        path.decode(): facts
        for path, facts in listed(Pod(library, namespace, pod, LIST.format(folder=FOLDER, name=name)))
    }
    if now != known or any(os.lstat(folder / path).st_size != facts[0] for path, facts in now.items()):
        raise RuntimeError("something is not as it was")


def main(kind: str, namespace: str, name: str, dest: str, *pods: str) -> None:
    """Works on all pods, and says how long that took."""
    # the library tells no types
    library: Any = kubernetes
    started = time.perf_counter()
    library.config.load_kube_config()
    work = partial({"bring": bring, "again": look}[kind], library, namespace, name, Path(dest))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        list(workers.map(work, pods))
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
