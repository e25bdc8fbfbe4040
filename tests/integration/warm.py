# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules of the installed collection without Ansible: each in a fork of a process that has imported everything already.

A script for the Python of the user's environment: `warm.py <socket>`. A connection to the socket is one module: a line of JSON
with what is to be run comes in, its answer goes out, and the connection ends with the module. What else is printed goes into the
files that the request names. It ends when its stdin does, so with whoever started it, however that ended.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

OURS = "ansible_collections.incident.distroless.plugins"
# what they import only when a task runs
LATE = (
    "ansible.module_utils.basic",
    "ansible_collections.kubernetes.core.plugins.module_utils.k8s.client",
    "ansible_collections.kubernetes.core.plugins.module_utils.k8s.core",
    "jsonpatch",
    "kubernetes.config",
    "kubernetes.stream",
    "yaml",
)


def serve(path: str) -> None:
    """Fork for each connection until stdin ends."""
    for name in (*LATE, *_parts_of(f"{OURS}.module_utils"), *_parts_of(f"{OURS}.modules")):
        importlib.import_module(name)
    # the kernel buries the children
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    # tells that it listens
    print(flush=True)
    while True:
        ready, _writable, _odd = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _address = listener.accept()
        if os.fork() == 0:
            _run(json.loads(connection.makefile("rb").readline()), connection.fileno())
        connection.close()


def _parts_of(name: str) -> list[str]:
    package = importlib.import_module(name)
    return [found.name for found in pkgutil.walk_packages(package.__path__, f"{name}.") if not found.ispkg]


def _run(request: Mapping[str, Any], answer: int) -> NoReturn:
    """Run one module as Ansible's worker does, and end this fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    forked = importlib.import_module(f"{OURS}.module_utils._modules.forked")
    stdout, stderr = (os.open(request[name], os.O_WRONLY) for name in ("stdout", "stderr"))
    forked.run_and_end(
        forked.Job(
            run=importlib.import_module(f"{OURS}.modules.{request['module']}").main,
            arguments=json.dumps({"ANSIBLE_MODULE_ARGS": request["arguments"]}).encode(),
            answer=answer,
            stdout=stdout,
            stderr=stderr,
            folder=request["cwd"],
            environment=request["environment"],
            parent=os.getppid(),
            blocked=frozenset(),
        )
    )


if __name__ == "__main__":
    serve(sys.argv[1])
