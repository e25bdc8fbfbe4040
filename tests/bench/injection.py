# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The injection tables: from nothing to a debugger that runs, in one, ten and fifty pods."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from debuggers import TTL, add_bare_debuggers, add_debugger
from figures import Sample, Table
from measuring import Contender, Spent, interleaved
from names import EMPTY_PLAY, FLOOR, KUBECTL_DEBUG, OUR_DEBUG, OUR_DEBUG_WIDE, PLAIN_DEBUG, PROOF_FLOOR
from playbook import plain, play
from pods import BUSYBOX, Namespace, namespace, pod
from ways import Way


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many pods at once, and how often."""

    key: str
    pods: int
    runs: int
    is_slow: bool = False


# the module's own, above which there is something to try
DEFAULT_CONCURRENCY = 8

CROWDS = (Crowd("inject-one", 1, 7), Crowd("inject-ten", 10, 3), Crowd("inject-many", 50, 3))
SLOW_CROWDS = (Crowd("slow-inject-one", 1, 3, is_slow=True), Crowd("slow-inject-many", 50, 2, is_slow=True))
# the kubelet lets a second pass between two changes of one pod: without a pause that would be the next contender's
SETTLING = 2.0
MODULE = "incident.distroless.ephemeral_debug"


def table(crowd: Crowd, near: Way, way: Way, scratch: Path, say: Callable[[str], None]) -> Table:
    """Measures one crowd over `way`; its pods are made over the `near` one. Every run adds debuggers of new names to the same pods."""
    title = f"{crowd.pods} pod{'s' if crowd.pods > 1 else ''}"
    say(f"  {title}")
    with namespace(near) as pods:
        names = [f"app-{number}" for number in range(crowd.pods)]
        pods.start(*map(pod, names))
        made = replace(pods, way=way)
        fresh = itertools.count()
        runs: dict[str, Callable[[], Sample]] = {
            OUR_DEBUG: partial(_ours, made, crowd.pods, scratch, fresh),
            KUBECTL_DEBUG: partial(_kubectl, made, names, fresh),
        }
        if not crowd.is_slow:
            runs[PLAIN_DEBUG] = partial(_plain, made, crowd.pods, scratch, fresh)
            runs[EMPTY_PLAY] = partial(plain, way, scratch)
        if crowd.pods > DEFAULT_CONCURRENCY:
            wide = {"concurrency": crowd.pods}
            runs[OUR_DEBUG_WIDE] = partial(_ours, made, crowd.pods, scratch, fresh, wide)
            runs[FLOOR] = partial(_floor, made, fresh)
            runs[PROOF_FLOOR] = partial(_floor, made, fresh, "proof")
        settle = partial(time.sleep, SETTLING)
        rows = interleaved([Contender(name, run, settle) for name, run in runs.items()], crowd.runs, say)
    return Table(crowd.key, title, rows)


def _ours(
    made: Namespace, count: int, scratch: Path, fresh: itertools.count[int], options: Mapping[str, int] | None = None
) -> Sample:
    return play(made.way, scratch, MODULE, _options(made, count, fresh, options)).sample


def _plain(made: Namespace, count: int, scratch: Path, fresh: itertools.count[int]) -> Sample:
    return plain(made.way, scratch, MODULE, _options(made, count, fresh))


def _options(
    made: Namespace, count: int, fresh: itertools.count[int], others: Mapping[str, int] | None = None
) -> dict[str, object]:
    return {
        "namespace": made.name,
        "label_selectors": ["app=bench"],
        "max_pods": count,
        "image": BUSYBOX,
        "profile": "general",
        "name": f"ours-{next(fresh)}",
        "ttl": TTL,
        **(others or {}),
    }


def _kubectl(made: Namespace, names: list[str], fresh: itertools.count[int]) -> Sample:
    debugger = f"theirs-{next(fresh)}"
    total = Spent()
    for name in names:
        total = total + add_debugger(made, name, debugger)
    return total.sample()


def _floor(made: Namespace, fresh: itertools.count[int], *commands: str) -> Sample:
    return add_bare_debuggers(made, f"bare-{next(fresh)}", *commands)
