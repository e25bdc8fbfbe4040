# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod that the trials fetch from, and the truth about its files: what the app itself says of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import run_text
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._debugger.target_row import pinned
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

from tests.integration.conftest import Kubectl, pod_manifest
from tests.integration.inside import connected, request, target_of
from tests.integration.patience import PATIENCE

APP, MAKER = "incident.test/app:nonroot", "docker.io/library/busybox:1.37"
GROUP, LARGE, SPARSE, LINES, LOG = (
    "/more/group",
    "/more/large.bin",
    "/more/sparse.img",
    "/more/lines.txt",
    "/more/grow.log",
)
# made by a container beside the app: the app's image has no shell, and the collection itself writes nothing there
NOT_REAPED = ", not reaped"
MAKE_FILES = r"""
set -e
mkdir -p /more/group/inner
n=0
while [ $n -lt 60 ]; do
  head -c $((n * n * 8)) /dev/urandom >"/more/group/$([ $((n % 3)) = 0 ] && echo inner/)file-$n"
  n=$((n + 1))
done
echo odd >"/more/group/it's
two \"lines\""
head -c 4194304 /dev/urandom >/more/large.bin
truncate -s 3145728 /more/sparse.img
head -c 70000 /dev/urandom | dd of=/more/sparse.img bs=4096 seek=300 conv=notrunc 2>/dev/null
yes '2026-11-23T21:03:00Z INFO handled a request in 13 ms' | head -c 1048576 >/more/lines.txt
echo done
exec sleep 100000
"""
# each process of the namespace, the session that asks included: command and state
_LIST_PROCESSES = rb"""
for dir in /proc/[0-9]*; do
  IFS= read -r stat 2>/dev/null <"$dir/stat" || continue
  set -- ${stat##*) }
  name=${stat#*\(}
  echo "${name%%\)*} $1"
done
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """The pod with its debugger, and the content of its files that stand still, by path."""

    kubectl: Kubectl
    target: Target
    debugger: str
    pid: int
    truth: dict[str, bytes]

    def about(self) -> dict[str, Any]:
        """The target as a fetch is told of it."""
        return {**pinned(self.target), "cluster": "trials", "debugger": self.debugger}

    def log(self) -> bytes:
        """The log that grows, as it is now."""
        return self.kubectl.run("exec", self.target.pod, "-c", "maker", "--", "cat", LOG).stdout

    def processes(self) -> Counter[str]:
        """Return what runs, waits or is dead and not reaped in the pod's debugger and its target."""
        with open_session(connected(30), self.target, self.debugger) as session:
            return Counter(run_text(session, _LIST_PROCESSES))

    def left_over(self, before: Counter[str], seconds: float = 20.0) -> Counter[str]:
        """Return what is there now and was not before; what is about to end has so many seconds for it."""
        until = time.monotonic() + seconds
        # that which sleeps may run at this moment and the other way round
        while (extra := _steady(self.processes()) - _steady(before)) and time.monotonic() < until:
            time.sleep(0.3)
        return extra


def _steady(processes: Counter[str]) -> Counter[str]:
    """The same by name, the dead apart from the living."""
    steady: Counter[str] = Counter()
    for line, count in processes.items():
        name, _space, state = line.rpartition(" ")
        steady[f"{name}{NOT_REAPED}" if state == "Z" else name] += count
    return steady


def make_subject(kubectl: Kubectl) -> Subject:
    """Starts the pod, injects the debugger and takes the truth."""
    more = {"volumeMounts": [{"name": "more", "mountPath": "/more"}]}
    pod = pod_manifest(
        "api",
        APP,
        container={**more, "args": ["--log", LOG, "--log-every", "20ms"]},
        volumes=[{"name": "more", "emptyDir": {}}],
    )
    maker = {"name": "maker", "image": MAKER, "imagePullPolicy": "Never", "command": ["sh", "-c", MAKE_FILES], **more}
    pod["spec"]["containers"].append(maker)
    kubectl.apply(json.loads(json.dumps(pod)))
    kubectl.wait_until_running("api")
    until = time.monotonic() + PATIENCE
    while "done" not in kubectl.text("logs", "api", "-c", "maker"):
        assert time.monotonic() < until, "the files were not made"
        time.sleep(0.2)
    target = target_of(kubectl, "api", "app")
    attached = ensure(connected(60), target, request(ttl=7200), IdentityRequest())
    assert attached.session is not None
    attached.session.close()
    return Subject(kubectl, target, attached.debugger.name, attached.seen.pid, _truth(kubectl))


def _truth(kubectl: Kubectl) -> dict[str, bytes]:
    listed = kubectl.run("exec", "api", "-c", "maker", "--", "find", "/more", "-type", "f", "-print0").stdout
    paths = [path.decode() for path in listed.split(b"\0") if path and path != LOG.encode()]
    contents = {path: kubectl.run("exec", "api", "-c", "maker", "--", "cat", path).stdout for path in paths}
    plain = [path for path in paths if "\n" not in path]
    said = kubectl.hashes("api", *plain)
    assert {path: hashlib.sha256(contents[path]).hexdigest() for path in plain} == said
    return contents
