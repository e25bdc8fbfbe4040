# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs for tests that the cluster's launcher builds from Go modules, beside the cluster's own.

As a script, `built.py cosign` prints in its last line where it is: the tests on the cluster ask it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from . import cache
from .processes import wait
from .say import Stop, say, stopping


def program(name: str) -> Path:
    """A program that tests/cluster/onenode/build.py calls a tool; built where that has not been done."""
    launcher = cache.CHECKOUT / "tests" / "cluster" / "cluster.py"
    with tempfile.TemporaryFile() as output:
        failed = wait([sys.executable, str(launcher), name], env=os.environ, output=output)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if failed:
        raise Stop(f"{name} was not built:\n{printed}")
    return Path(printed.splitlines()[-1])


if __name__ == "__main__":
    try:
        say(str(program(*sys.argv[1:])))
    except Stop as stop:
        sys.exit(stopping(stop))
