# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs modules of the installed collection without Ansible: each in a fork of a process that has imported everything already.

A script for the Python of the user's environment: `warm.py <socket>`. A connection to the socket is one module: a line of JSON
with what is to be run comes in, and the connection ends with the module. What the module prints goes into the files that the
request names. It ends when its stdin does, so with whoever started it, however that ended.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

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
            listener.close()
            _end_with(_run(json.loads(connection.makefile("rb").readline())))
        connection.close()


def _parts_of(name: str) -> list[str]:
    package = importlib.import_module(name)
    return [found.name for found in pkgutil.walk_packages(package.__path__, f"{name}.") if not found.ispkg]


def _run(request: Mapping[str, Any]) -> int:
    """Run one module as Ansible would have; return the exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name, numbers in (("/dev/null", (0,)), (request["stdout"], (1,)), (request["stderr"], (2,))):
        opened = os.open(name, os.O_RDWR)
        for number in numbers:
            os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it is the process's own
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    _as_if_imported_now()
    module = importlib.import_module(f"{OURS}.modules.{request['module']}")
    try:
        with _arguments(request["arguments"]):
            module.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter's own end
        traceback.print_exc()
        return 1
    return 0


def _as_if_imported_now() -> None:
    """Repeat what a library takes from the environment when it is imported."""
    from kubernetes.config import kube_config

    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "~/.kube/config")


def _arguments(given: dict[str, Any]) -> Any:
    """A context in which an AnsibleModule gets these arguments."""
    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:
        # before ansible-core 2.19
        from ansible.module_utils import basic

        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode()
        return nullcontext()
    return patch_module_args(given)


def _end_with(status: int) -> None:
    """End this fork: what modules left for the end of the interpreter, and nothing that belongs to the parent."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
