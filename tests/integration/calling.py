# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules of the installed collection, called with their arguments as Ansible hands them, by the Python that Ansible runs under.

It takes a tenth of the time of a play. What ansible-playbook does is left out: its actions, templates, callbacks and logs. A test
of those plays.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("warm.py")
# no module under test works for so long
FOREVER = 300.0


@dataclass(frozen=True, slots=True)
class Warm:
    """A process that has imported what modules need."""

    socket: Path
    core: str

    def call(
        self, module: str, arguments: Mapping[str, Any], folder: Path, environment: Mapping[str, str]
    ) -> tuple[dict[str, Any] | None, str]:
        """The result of a module that ran in `folder`, None where it gave none, and all that was printed."""
        with tempfile.TemporaryDirectory(dir=folder, prefix="module-") as place:
            outputs = [Path(place) / name for name in ("stdout", "stderr")]
            for path in outputs:
                path.touch()
            request = {
                "module": module,
                "arguments": {
                    **arguments,
                    "_ansible_module_name": f"incident.distroless.{module}",
                    "_ansible_version": self.core,
                    "_ansible_tmpdir": place,
                },
                "cwd": str(folder),
                "environment": dict(environment),
                "stdout": str(outputs[0]),
                "stderr": str(outputs[1]),
            }
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(FOREVER)
                connection.connect(str(self.socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("r", encoding="utf-8") as opened:
                    answer = opened.read()
            noise = [path.read_text(encoding="utf-8", errors="replace") for path in outputs]
        return _result(answer), "".join([answer, *noise])


def _result(printed: str) -> dict[str, Any] | None:
    """Return what a module answered, with the keys that a task's executor adds."""
    try:
        result = json.loads(printed)
    except ValueError:
        return None
    result.pop("invocation", None)
    if "warnings" in result:
        result["warnings"] = [_text(warning) for warning in result["warnings"]]
    return {"changed": False, "failed": False, **result}


def _text(warning: str | Mapping[str, Any]) -> str:
    """A warning as a task's result has it; from ansible-core 2.19 on a module sends more than its words."""
    return warning if isinstance(warning, str) else str(warning["event"]["msg"])


@contextmanager
def warm(folder: Path) -> Iterator[Warm]:
    """Such a process, of the environment that ansible-playbook is found in, until the block's end."""
    python = Path(str(shutil.which("ansible-playbook"))).parent / "python"
    command = [python, "-c", "import ansible.release; print(ansible.release.__version__)"]
    core = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    # a socket's path has to be short
    with tempfile.TemporaryDirectory(prefix="warm-") as short:
        path = Path(short) / "socket"
        environment = {**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]}
        said = folder / "warm.log"
        with (
            said.open("wb") as log,
            subprocess.Popen(
                [python, SCRIPT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment
            ) as process,
        ):
            assert process.stdin
            assert process.stdout
            assert process.stdout.readline() == b"\n", said.read_text(errors="replace")
            try:
                yield Warm(path, core)
            finally:
                process.stdin.close()
