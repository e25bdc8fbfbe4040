# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A debugger as kubectl adds it, waited for as a person has to: kubectl debug itself does not wait without attaching.

And many of them by the bare requests, which nobody can do in much less.
"""

from __future__ import annotations

import sys
from pathlib import Path

from figures import Sample
from measuring import Spent, spent
from pods import BUSYBOX, CONTAINER, Namespace

TTL = 3600
FLOOR_SCRIPT = Path(__file__).with_name("floor.py")


def add_debugger(namespace: Namespace, pod: str, name: str) -> Spent:
    """Adds it to a pod and returns when it runs. Raises Trouble."""
    flags = (f"--image={BUSYBOX}", f"--container={name}", f"--target={CONTAINER}", "--profile=general")
    words = ("debug", pod, *flags, "--attach=false", "--quiet", "--", "sleep", str(TTL))
    state = f"{{.status.ephemeralContainerStatuses[?(@.name=='{name}')].state.running}}"
    added = namespace.way.run_kubectl(namespace.name, *words)
    return added + namespace.way.run_kubectl(
        namespace.name, "wait", f"pod/{pod}", f"--for=jsonpath={state}", "--timeout=120s"
    )


def add_bare_debuggers(namespace: Namespace, name: str, *commands: str) -> Sample:
    """Adds one to every pod, and runs so many of floor.py's commands in each. Raises Trouble."""
    words = [*namespace.way.prefix, sys.executable, str(FLOOR_SCRIPT), namespace.name, name, *commands]
    return spent(words, environment=namespace.way.environment).sample()
