# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make bench`: injection and fetching beside their peers on the test cluster, and BENCHMARKS.md from it.

Needs the installed collection, and KUBECTL and KUBECONFIG in the environment; `make bench` sees to that.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import connection
import fetching
import injection
import memory
import reporting
import slices
import start_up
from figures import Table
from goals import judged
from link import RATE_MBIT, ROUND_TRIP, slow_link
from machine import described
from measuring import Trouble
from page import Section, link_intro, page, verdict_line
from scenarios import LOOPBACK, QUICK, SLOW_LINK, Scenario, scaled
from ways import Way

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("injection", "start-up", "report", "slices", "memory", "connection", "loopback", "slow-link")
QUICK_FACTOR = 1 / 32
ALL_TABLES = (
    *(crowd.key for crowd in (*injection.CROWDS, *injection.SLOW_CROWDS)),
    "start-up",
    *(incident.key for incident in reporting.INCIDENTS),
    slices.KEY,
    "memory",
    *(work.key for work in connection.WORKS),
    *(scenario.key for scenario in (*LOOPBACK, *SLOW_LINK)),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure: which `parts` and, of these, which tables (`only`; empty: all), how often, how large, written where."""

    parts: tuple[str, ...]
    only: tuple[str, ...]
    runs: int | None
    factor: float
    output: Path

    @property
    def reduced(self) -> str:
        """In which way this is less than everything; empty when it is everything."""
        words = [
            f"sizes and counts times {self.factor:.3g}" if self.factor != 1 else "",
            f"{self.runs} runs" if self.runs is not None else "",
            f"only {', '.join(self.only or self.parts)}" if self.only or self.parts != PARTS else "",
        ]
        return ", ".join(filter(None, words))


def wish(arguments: Sequence[str]) -> Wish:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        usage='make bench ARGS="..."',
        description="Without ARGS everything is measured, and BENCHMARKS.md written.",
        epilog=f"Tables: {', '.join(ALL_TABLES)}.",
    )
    parser.add_argument("--quick", action="store_true", help="small and few: shows in minutes that everything works")
    parser.add_argument("--part", action="append", choices=PARTS, help="this part alone; may be repeated")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=ALL_TABLES,
        metavar="TABLE",
        help="this table alone, such as random-large",
    )
    parser.add_argument("--runs", type=int, help="runs of each contender")
    parser.add_argument("--factor", type=float, help="sizes, numbers of files and of pods times this")
    parser.add_argument(
        "--output", type=Path, help="where the page is written; a reduced run leaves BENCHMARKS.md alone"
    )
    given = parser.parse_args(arguments)
    asked = Wish(
        parts=tuple(part for part in PARTS if part in (given.part or PARTS)),
        only=tuple(given.only) or (QUICK if given.quick and not given.part else ()),
        runs=given.runs or (1 if given.quick else None),
        factor=given.factor or (QUICK_FACTOR if given.quick else 1),
        output=CHECKOUT / "BENCHMARKS.md",
    )
    aside = CHECKOUT / "tests" / "output" / "BENCHMARKS.md"
    return replace(asked, output=given.output or (aside if asked.reduced else asked.output))


def measured(wanted: Wish, way: Way, scratch: Path) -> list[Section]:
    """Measures everything that is wanted."""
    sections: list[Section] = []
    if "injection" in wanted.parts:
        tables = _injected(injection.CROWDS, wanted, way, scratch)
        sections.append(Section("Injection, from nothing to a debugger that runs", tables, INJECTION))
    if "start-up" in wanted.parts and _is_wanted("start-up", wanted):
        _part("Start-up")
        runs = None if wanted.runs is None else max(3, wanted.runs)
        sections.append(Section("Start-up", [start_up.table(scratch, runs, say)]))
    if "report" in wanted.parts:
        sections.append(Section("From an incident to its report", _reported(wanted, way, scratch), REPORT))
    if "slices" in wanted.parts and _is_wanted(slices.KEY, wanted):
        _part("Many pods in slices")
        audit = _fact("AUDIT_LOG")
        tables = [slices.table(way, audit, scratch, wanted.factor, wanted.runs, say)]
        sections.append(Section("Many pods in slices", tables, SLICES))
    if "memory" in wanted.parts and _is_wanted("memory", wanted):
        _part("Memory")
        sections.append(Section("Memory", [memory.table(way, scratch, wanted.factor, wanted.runs, say)], MEMORY))
    if "connection" in wanted.parts:
        sections.append(Section("Tasks of a play by a connection", _connected(wanted, way, scratch), CONNECTION))
    if "loopback" in wanted.parts:
        sections.append(Section("Fetching over loopback", _fetched(LOOPBACK, wanted, way, scratch)))
    if "slow-link" in wanted.parts:
        intro = link_intro(RATE_MBIT, ROUND_TRIP)
        tables = _injected(injection.SLOW_CROWDS, wanted, way, scratch)
        sections.append(Section("Injection over a slow link", tables, intro))
        sections.append(Section("Fetching over a slow link", _fetched(SLOW_LINK, wanted, way, scratch), intro))
    return [section for section in sections if section.tables]


INJECTION = """Ours also proves from inside that the target's root can be read before it says that it is done; kubectl wait only sees the container
run. Both add the same image with the same profile. kubectl, one pod after the other, as a user's loop does; ours, one task. The bare
requests show what the cluster itself needs to start so many containers: no tool can be much faster.
"""


MEMORY = """The column memory is here what the process of a task holds for itself, read while it runs: above its worker, whose pages it shares as long
as neither changes them. The reading takes time of the task, so its seconds are not to be compared with other tables'.
"""


SLICES = """One stored inventory of pods that nobody schedules, of which only the API tells: pod_triage with pod_triage_from_inventory in one job, and in
slices that run side by side, each with every second or fourth host by name, as AWX cuts it. Each asks at most 20 requests a second, the default of
pod_triage_requests_per_second. Memory is the most that one process of one slice held. The requests are those of the API server's audit log.
"""


REPORT = """The whole of a role's playbook over healthy pods, from its start until report.html is written: debuggers are injected, everything is
collected and judged. disk_triage watches for five seconds how files grow, process_triage for two who uses the CPU. crashloop_triage asks
the API only. The floors use nothing of ours: the bare requests that start so many debuggers, without and with as many commands in each pod.
"""


CONNECTION = """A play of ansible-playbook from its start to its end, over one host, without gathering facts. The target has the shell and the
Python that kubectl's connection needs there, and the debugger the same ones; it runs before anything is measured. Files are in a volume that
both have, and what arrived is compared byte for byte after each run. With pipelining is ansible_pipelining: true, which is not the default.
"""


def _connected(wanted: Wish, way: Way, scratch: Path) -> list[Table]:
    works = [work for work in connection.WORKS if _is_wanted(work.key, wanted)]
    if not works:
        return []
    _part("Tasks of a play by a connection")
    return connection.tables(works, way, scratch, wanted.factor, wanted.runs, say)


def _reported(wanted: Wish, way: Way, scratch: Path) -> list[Table]:
    chosen = [
        replace(incident, runs=incident.runs if wanted.runs is None else wanted.runs)
        for incident in reporting.INCIDENTS
        if _is_wanted(incident.key, wanted)
    ]
    if chosen:
        _part("From an incident to its report")
    return [reporting.table(incident, way, scratch, say) for incident in chosen]


def _injected(crowds: Sequence[injection.Crowd], wanted: Wish, near: Way, scratch: Path) -> list[Table]:
    chosen = [
        replace(
            crowd,
            pods=max(1, round(crowd.pods * max(wanted.factor, 0.1))),
            runs=crowd.runs if wanted.runs is None else wanted.runs,
        )
        for crowd in crowds
        if _is_wanted(crowd.key, wanted)
    ]
    if not chosen:
        return []
    is_slow = chosen[0].is_slow
    _part("Injection over a slow link" if is_slow else "Injection")
    with slow_link(near, scratch) if is_slow else nullcontext(near) as way:
        return [injection.table(crowd, near, way, scratch, say) for crowd in chosen]


def _fetched(scenarios: Sequence[Scenario], wanted: Wish, near: Way, scratch: Path) -> list[Table]:
    chosen = [scaled(each, wanted.factor, wanted.runs) for each in scenarios if _is_wanted(each.key, wanted)]
    if not chosen:
        return []
    is_slow = chosen[0].is_slow
    _part("Fetching over a slow link" if is_slow else "Fetching over loopback")
    with slow_link(near, scratch) if is_slow else nullcontext(near) as way:
        return [fetching.table(each, near, way, scratch, say) for each in chosen]


def _fact(name: str) -> Path:
    """Return a path that the cluster's launcher wrote down. Raises Trouble for a cluster that is another's."""
    lines = (CHECKOUT / ".cluster" / "env").read_text(encoding="utf-8").splitlines()
    found = [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]
    if not found:
        raise Trouble(f"the cluster has no {name}: it is not the one of make cluster")
    return Path(found[0])


def _is_wanted(key: str, wanted: Wish) -> bool:
    return not wanted.only or key in wanted.only


def _part(title: str) -> None:
    say(f"\n{title}:")


def say(line: str) -> None:
    print(line, flush=True)


def _stopped(number: int, _frame: FrameType | None) -> None:
    # once: what follows is the clearing up, which a second signal must not cut short
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    say("\nStopped; clearing up.")
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    wanted = wish(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stopped)
    way = Way(os.environ["KUBECTL"], Path(os.environ["KUBECONFIG"]))
    try:
        machine = described(way, CHECKOUT / ".cluster")
        with tempfile.TemporaryDirectory(prefix="incident-distroless-bench-") as folder:
            sections = measured(wanted, way, Path(folder))
    except Trouble as trouble:
        print(f"\nStopped: {trouble}", file=sys.stderr)
        return 1
    verdicts = judged({table.key: table for section in sections for table in section.tables})
    wanted.output.parent.mkdir(parents=True, exist_ok=True)
    wanted.output.write_text(page(machine, verdicts, sections, wanted.reduced), encoding="utf-8")
    say("\nGoals:")
    for verdict in verdicts:
        if verdict.figure is not None or not wanted.reduced:
            say(f"  {verdict_line(verdict)}")
    say(f"\nThe tables are in {wanted.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
