# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many tasks in one playbook, for comparisons that need no result of each."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .conftest import STATE
from .patience import PATIENCE


def run_tasks(tasks: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Runs tasks one after the other by ansible-playbook, each with a kubeconfig of its own; all must be well."""
    book = folder / "play.yml"
    hosts = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}
    book.write_text(yaml.safe_dump([hosts]))
    variables = {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": str(STATE / "nowhere"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }
    done = subprocess.run(
        ["ansible-playbook", str(book)],
        capture_output=True,
        text=True,
        env=variables,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
