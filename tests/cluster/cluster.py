# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Kubernetes for this checkout: `cluster.py up`, `down` or `status`. README.md beside this file says what runs and how.

`cluster.py up 1.29` is another one beside it, of an older release that releases/ pins; it is published in .clusters/1.29. `down` and
`status` take the same word.

`cluster.py busybox` prints where the busybox of its debug image is, which tests of the remote shells use, `cluster.py versitygw` where
an object store, `cluster.py cosign` where cosign and `cluster.py alertmanager` where Alertmanager is, built now where that has not
been done. `cluster.py policies` has the cluster's network enforce NetworkPolicies until its stdin ends.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from onenode import elsewhere, embedded, images, publish
from onenode.build import TOOLS, Group, programs
from onenode.places import Places, places
from onenode.say import Stop, say


def main(arguments: list[str]) -> int:
    tools: dict[str, Callable[[Places], int]] = {group.name: partial(tool, group) for group in TOOLS}
    commands: dict[str, Callable[[Places], int]] = {
        "up": up,
        "down": down,
        "status": status,
        "busybox": busybox,
        "policies": policies,
        **tools,
    }
    command, *words = arguments or [""]
    if command not in commands or len(words) > (command in ("up", "down", "status")):
        print(f"usage: cluster.py {'|'.join(commands)}, up|down|status <release>", file=sys.stderr)
        return 2
    os.umask(0o022)  # pods run as many users, who walk through folders that the daemons make
    try:
        return commands[command](places(*words))
    except Stop as stop:
        print(f"\nStopped: {stop}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("\nStopped. Start again to go on, or run `make cluster-down` to clean up.", file=sys.stderr, flush=True)
    return 1


def up(here: Places) -> int:
    wanted = os.environ.get("CLUSTER", "embedded")
    if here.release:
        embedded.up(here)
    elif os.environ.get("USE_KUBECONFIG") == "1":
        elsewhere.use_kubeconfig(here)
    elif wanted == "kind":
        elsewhere.kind_up(here)
    elif wanted == "embedded":
        embedded.up(here)
    else:
        raise Stop(f"CLUSTER={wanted} is none of `embedded` (the default) and `kind`.")
    return 0


def down(here: Places) -> int:
    kind = publish.kind_of(here)
    if kind in ("kind", "kubeconfig"):
        elsewhere.down(here, kind)
    if here.state.exists():  # also one that ran before another was chosen
        embedded.down(here)
    elif kind is None:
        say("No cluster of this checkout is running.")
    return 0


def status(here: Places) -> int:
    """Exit code 0 when a cluster is there for use, 1 when not."""
    kind = publish.kind_of(here)
    running = embedded.status(here) if kind == "embedded" else kind is not None
    say(f"running ({kind}): {here.published / 'kubeconfig'}" if running else "not running")
    return 0 if running else 1


def busybox(here: Places) -> int:
    print(images.busybox_program(here.cache))
    return 0


def tool(group: Group, here: Places) -> int:
    print(programs(here.cache, (group,))[group.name])
    return 0


def policies(here: Places) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was begun is ended well
    embedded.enforce_policies(here)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
