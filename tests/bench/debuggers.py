# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A debugger as kubectl adds it, waited for as a person has to: kubectl debug itself does not wait without attaching."""

from __future__ import annotations

from measuring import Spent
from pods import BUSYBOX, CONTAINER, Namespace

TTL = 3600


def add_debugger(namespace: Namespace, pod: str, name: str) -> Spent:
    """Adds it to a pod and returns when it runs. Raises Trouble."""
    flags = (f"--image={BUSYBOX}", f"--container={name}", f"--target={CONTAINER}", "--profile=general")
    words = ("debug", pod, *flags, "--attach=false", "--quiet", "--", "sleep", str(TTL))
    state = f"{{.status.ephemeralContainerStatuses[?(@.name=='{name}')].state.running}}"
    added = namespace.way.run_kubectl(namespace.name, *words)
    return added + namespace.way.run_kubectl(
        namespace.name, "wait", f"pod/{pod}", f"--for=jsonpath={state}", "--timeout=120s"
    )
