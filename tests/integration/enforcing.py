# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network that enforces NetworkPolicies, and pods that talk to each other: the witness from outside of what a policy does."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .conftest import CHECKOUT, Kubectl, Pod, pod_manifest

LAUNCHER = CHECKOUT / "tests" / "cluster" / "cluster.py"
PORT, ECHO = 8080, 9000
# says who it is, and beside that, what it is told
SERVE = (
    f"mkdir -p /tmp/www; hostname > /tmp/www/index.html; nc -ll -p {ECHO} -e cat & exec httpd -f -p {PORT} -h /tmp/www"
)


def begin() -> subprocess.Popen[str]:
    """Have the network enforce policies from now on, until stdin of what is given is closed."""
    launcher = subprocess.Popen(
        [sys.executable, str(LAUNCHER), "policies"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert launcher.stdout
    said = []
    for line in launcher.stdout:
        if line == "enforcing\n":
            return launcher
        said.append(line)
    launcher.wait()
    pytest.fail("".join(said))


@contextmanager
def enforcing() -> Iterator[None]:
    """Meanwhile policies are enforced, on the whole cluster; where there is none for a pod, nothing changes for it."""
    # its end closes stdin and waits
    with begin() as launcher:
        yield
    assert launcher.returncode == 0


def firewall() -> str:
    """The machine's rules, in which each of a policy names the pod's namespace."""
    return subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout


def server(name: str, **labels: str) -> Pod:
    """A pod that answers HTTP requests, and has the tools to ask."""
    probe = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    container: dict[str, Any] = {"command": ["sh", "-c", SERVE], "readinessProbe": probe}
    manifest = pod_manifest(name, "busybox:1.37", container=container)
    manifest["metadata"]["labels"] |= labels
    return manifest


def address(kubectl: Kubectl, pod: str) -> str:
    ip: str = kubectl.pod(pod)["status"]["podIP"]
    return ip


def answers(kubectl: Kubectl, asker: str, asked: str) -> bool:
    """Return whether a new connection from one pod to another comes about."""
    url = f"http://{address(kubectl, asked)}:{PORT}/"
    done = kubectl.run("exec", asker, "-c", "app", "--", "wget", "-q", "-T", "10", "-O", "-", url, check=False)
    if done.returncode == 0:
        assert done.stdout.decode().strip() == asked
        return True
    # it ran, and it was the network
    assert b"refused" in done.stderr or b"timed out" in done.stderr, done.stderr
    return False


def talk(kubectl: Kubectl, talker: str, echo: str) -> Callable[[], int]:
    """Has a pod open a connection to another one and keep it; gives how many lines came back to it so far."""
    words = "while :; do echo line; sleep 0.2; done"
    connection = f"({words}) | nc {address(kubectl, echo)} {ECHO} > /tmp/echo 2> /dev/null &"
    kubectl.run("exec", talker, "-c", "app", "--", "sh", "-c", f"({connection}) < /dev/null > /dev/null 2>&1")
    return lambda: int(kubectl.text("exec", talker, "-c", "app", "--", "sh", "-c", "wc -l < /tmp/echo"))


def until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)
