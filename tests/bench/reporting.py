# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a person on call waits: from the start of a role's playbook to its report, debuggers injected on the way."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from debuggers import TTL, add_bare_debuggers
from figures import Sample, Table
from measuring import Contender, Trouble, interleaved, spent
from names import EMPTY_PLAY, FLOOR, LOOK_FLOOR, ONE_OF_THEM, ROLES
from playbook import plain
from pods import BUSYBOX, Namespace, namespace, pod
from ways import Way


@dataclass(frozen=True, slots=True)
class Incident:
    """So many pods in one case, and how often."""

    key: str
    pods: int
    runs: int


INCIDENTS = (Incident("report-one", 1, 3), Incident("report-twenty", 20, 3))
# asks the API only
WITHOUT_DEBUGGER = "crashloop_triage"
# collectors of process_triage that run in the pod
LOOKS = 7


def table(incident: Incident, way: Way, scratch: Path, say: Callable[[str], None]) -> Table:
    """Measures one incident. Every run adds debuggers of new names to the same pods."""
    title = f"{incident.pods} pod{'s' if incident.pods > 1 else ''}"
    say(f"  {title}")
    with namespace(way) as made:
        made.start(*(pod(f"app-{number}") for number in range(incident.pods)))
        fresh = itertools.count()
        runs: dict[str, Callable[[], Sample]] = {
            role: partial(_report, made, incident.pods, role, scratch, fresh) for role in ROLES
        }
        runs[EMPTY_PLAY] = partial(plain, way, scratch)
        runs[FLOOR] = partial(_floor, made, fresh)
        runs[LOOK_FLOOR] = partial(_floor, made, fresh, *("look",) * LOOKS)
        if incident.pods > 1:
            one = {"label_selectors": [], "pod": "app-0"}
            runs |= {ONE_OF_THEM[role]: partial(_report, made, 1, role, scratch, fresh, one) for role in ROLES}
        contenders = [Contender(name, run) for name, run in runs.items()]
        return Table(incident.key, title, interleaved(contenders, incident.runs, say))


def _floor(made: Namespace, fresh: itertools.count[int], *commands: str) -> Sample:
    return add_bare_debuggers(made, f"bare-{next(fresh)}", *commands)


def _report(
    made: Namespace,
    pods: int,
    role: str,
    scratch: Path,
    fresh: itertools.count[int],
    others: Mapping[str, object] | None = None,
) -> Sample:
    dest = scratch / "cases"
    number = next(fresh)
    given: dict[str, Any] = {
        "namespace": made.name,
        "label_selectors": ["app=bench"],
        "max_pods": pods,
        "dest": str(dest),
        "case_id": "case",
        **(others or {}),
    }
    if role != WITHOUT_DEBUGGER:
        given["debug"] = {"image": BUSYBOX, "name": f"{role.replace('_', '-')}-{number}", "ttl": TTL}
    try:
        whole = spent(_words(made.way, role, given), environment=made.way.environment)
        _check(dest / "case", pods)
    finally:
        shutil.rmtree(dest, ignore_errors=True)
    return whole.sample()


def _words(way: Way, role: str, given: Mapping[str, Any]) -> list[str]:
    variables = json.dumps({f"{role}_{name}": value for name, value in given.items()})
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [*way.prefix, program, f"incident.distroless.{role}", "--extra-vars", variables]


def _check(case: Path, pods: int) -> None:
    """Raises Trouble unless the report is there and tells of every pod."""
    targets = json.loads((case / "findings.json").read_text(encoding="utf-8"))["targets"]
    if len(targets) != pods or not (case / "report.html").is_file():
        raise Trouble(f"the case tells of {len(targets)} pods, not of {pods}")
