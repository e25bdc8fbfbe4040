# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces and pods of the benchmark, and the files that are made in them."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from measuring import Trouble
from ways import Way

BUSYBOX = "busybox:1.37"
WITH_ZSTD = "incident.test/debug-bash:1"
CONTAINER = "app"
FOLDER = "/data"

# about the form and the entropy of a web service's log: gzip -1 makes a fifth of it
LOG_LINES = r"""
BEGIN {
  srand(seed); split("accepted refused retried timed-out committed queued", words, " ")
  for (n = 0; n < lines; n++)
    printf "2026-01-01T%02d:%02d:%02dZ request=%08x%08x status=%s took=%dms path=/orders/%d\n",
      n / 3600 % 24, n / 60 % 60, n % 60, rand() * 4294967295, rand() * 4294967295,
      words[int(rand() * 6) + 1], rand() * 1000, rand() * 1000000
}"""
# no line is shorter
SHORTEST_LINE = 70


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and how to reach it."""

    name: str
    way: Way

    def kubectl(self, *words: str, stdin: bytes | None = None) -> str:
        """Return what kubectl printed. Raises Trouble."""
        done = subprocess.run(
            self.way.kubectl_words(self.name, *words),
            input=stdin,
            capture_output=True,
            env={**os.environ, **self.way.environment},
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise Trouble(f"kubectl {' '.join(words[:3])}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def shell(self, pod: str, script: str) -> str:
        """Return what a script printed that sh ran in a pod. Raises Trouble."""
        return self.kubectl("exec", pod, "--container", CONTAINER, "--", "sh", "-c", script)

    def unpack(self, pod: str, packed: bytes) -> None:
        """Unpacks a tar into FOLDER of a pod. Raises Trouble."""
        words = ("exec", "--stdin", pod, "--container", CONTAINER, "--", "tar", "xf", "-", "-C", FOLDER)
        self.kubectl(*words, stdin=packed)

    def start(self, *pods: dict[str, Any]) -> None:
        """Creates pods and waits until all are ready."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}).encode())
        names = [f"pod/{pod['metadata']['name']}" for pod in pods]
        self.kubectl("wait", *names, "--for=condition=Ready", "--timeout=300s")


@contextmanager
def namespace(way: Way) -> Iterator[Namespace]:
    """A namespace of its own, deleted at the end: with all that is in it gone before the next one is measured."""
    made = Namespace(f"bench-{uuid.uuid4().hex[:8]}", way)
    made.kubectl("create", "namespace", made.name)
    try:
        made.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        yield made
    except BaseException:
        made.kubectl("delete", "namespace", made.name, "--wait=false")
        raise
    made.kubectl("delete", "namespace", made.name, "--timeout=300s")


def pod(name: str, script: str = "") -> dict[str, Any]:
    """A pod that runs `script` and waits; it has the tar and the shell that the peers need, and a folder for files."""
    container = {
        "name": CONTAINER,
        "image": BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"{script}\nexec sleep 86400"],
        "volumeMounts": [{"name": "data", "mountPath": FOLDER}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "bench"}},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            # the pods of a run that was killed, and could not clear up, end by themselves
            "activeDeadlineSeconds": 7200,
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def random_file(path: str, size: int) -> str:
    """A script that makes a file of random bytes."""
    return f"head -c {size} /dev/urandom >{path}"


def log_file(path: str, size: int) -> str:
    """A script that makes a file of log lines, each different, cut at that size."""
    lines = size // SHORTEST_LINE + 1
    return f"awk -v seed=1 -v lines={lines} '{LOG_LINES}' | head -c {size} >{path}"


def tree(folder: str, names: Sequence[str], size: int) -> bytes:
    """A tar of a folder with files of those names, each of so many random bytes: not every toolbox can make them quickly."""
    chance = random.Random(1)  # noqa: S311 - bytes to carry, nothing secret
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = size, 0o600
            tar.addfile(entry, io.BytesIO(chance.randbytes(size)))
    return packed.getvalue()
