# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BENCHMARKS.md: tables, goals and how to read them, from what was measured. Nothing is measured or read here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from figures import MIB, Row, Table, spread
from goals import Verdict

HEAD = """# Benchmarks

Written by `make bench`, which runs every contender of a table in the same run, in turn (A B C, B C A, ...), on the cluster
that `make cluster` starts. Nothing here is edited by hand.
"""

HOW_TO_READ = """## How to read this

- Compare rows of one table, not tables of two machines. Everything, the cluster included, shares the CPU cores named below.
- **seconds** is the wall clock from the start of the command to its end, as least / median / largest of all runs. For ours and
  for k8s_cp that is the whole of `ansible-playbook` with one task.
- **module** is the part of it that the module's own process lived, median. The rest is Ansible's own start and end, most of which
  a playbook pays once and not for each task. kubectl has no such part.
- **work** is the part of that in which the module worked on its target: Python's start, imports and the connection left out. Of
  several pods it is the one into which injecting took longest, and all of them for fetching.
- **CPU** is what the command and all it started used here, median; the cluster's own share is not in it.
- **ratio** is the row's median of seconds divided by that of the first row: 2.0 took twice as long as ours.
- **MiB/s** is what came home divided by the median of seconds, whatever crossed the wire.
- **memory** is the most that one process held in any run: the module's for ours and for k8s_cp (without Ansible's controller),
  the command's for the others.
- A contender that failed, or brought something else than was asked for, shows what it said in place of figures. Over the slow
  link a run that failed is made again, twice at most, and **runs** tells: a stream of kubectl that ends while its server has more
  under way than the line takes at once can break off (websocket close 1006).
- The files lie in the page cache of the node, and what earlier runs wrote is on disk before the next one starts.
- Debuggers run before fetching is measured, as the containers do that the peers use; the first table is about injecting them.
- The peers need a shell and tar in the target's image, so the target here is busybox. In an image without them only
  the rows of proc_fs_fetch and of the debugger of kubectl can be had.
"""

LINK = """The API server behind a link of {rate} Mbit/s and {trip:.0f} ms: the clients run in a network namespace of their own, whose interfaces
have tc's tbf in both directions; a proxy holds every byte back for half a round trip, and each new connection for a whole one. The
delay is the proxy's, so the kernel's own congestion control does not see it: a real line is slower to gather speed, for everybody.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with the tables of one kind. `rate` in Mbit/s and `round_trip` in seconds, where a link was shaped."""

    title: str
    tables: Sequence[Table]
    intro: str = ""


def link_intro(rate: int, round_trip: float) -> str:
    """Return what the section of the slow link begins with."""
    return LINK.format(rate=rate, trip=1000 * round_trip)


def page(
    machine: Sequence[tuple[str, str]], verdicts: Sequence[Verdict], sections: Sequence[Section], reduced: str = ""
) -> str:
    """The whole page; `reduced` says in which way the run was smaller than the goals are meant for."""
    parts = [HEAD]
    if reduced:
        parts.append(f"**A reduced run: {reduced}. The goals are meant for the full one.**\n")
    parts += ["## Goals\n", _goals(verdicts)]
    for section in sections:
        parts.append(f"## {section.title}\n")
        if section.intro:
            parts.append(section.intro)
        parts += [part for table in section.tables for part in _table(table)]
    parts += [HOW_TO_READ, "## Where this was measured\n", _columns(("", ""), machine)]
    return "\n".join(parts)


def verdict_line(verdict: Verdict) -> str:
    """A goal, what was found, and whether that reaches it, in one line for a terminal."""
    return f"{_reached(verdict):<12} {_figure(verdict):>12}  {verdict.goal.text}"


def _goals(verdicts: Sequence[Verdict]) -> str:
    return _columns(
        ("goal", "found", ""), [(verdict.goal.text, _figure(verdict), _reached(verdict)) for verdict in verdicts]
    )


def _figure(verdict: Verdict) -> str:
    if verdict.figure is None:
        return ""
    digits = 2 if verdict.goal.unit == "x" else 0
    return f"{verdict.figure:,.{digits}f} {verdict.goal.unit}"


def _reached(verdict: Verdict) -> str:
    return {None: "not measured", True: "reached", False: "not reached"}[verdict.reached]


def _table(table: Table) -> Iterable[str]:
    yield f"### {table.title}\n"
    if table.note:
        yield f"{table.note}\n"
    heads = (
        "",
        "seconds",
        "runs",
        "ratio",
        "module",
        "work",
        "CPU",
        *(("MiB/s",) if table.size >= MIB else ()),
        "memory",
    )
    yield _columns(heads, [_cells(row, table) for row in table.rows])


def _cells(row: Row, table: Table) -> tuple[str, ...]:
    times = spread(sample.seconds for sample in row.samples)
    rate = ("",) if table.size >= MIB else ()
    if row.trouble or times is None:
        return (row.contender, f"failed: {row.trouble}", "", "", "", "", "", *rate, "")
    first = table.rows[0].median()
    module, work = row.median(lambda sample: sample.inside), row.median(lambda sample: sample.elapsed)
    cpu = row.median(lambda sample: sample.cpu)
    if table.size >= MIB:
        rate = (f"{table.size / MIB / times.median:,.1f}",)
    return (
        row.contender,
        f"{_seconds(times.low)} / {_seconds(times.median)} / {_seconds(times.high)}",
        f"{len(row.samples)} ({row.broken} more failed)" if row.broken else str(len(row.samples)),
        f"{times.median / first:.2f}" if first else "",
        *("" if value is None else _seconds(value) for value in (module, work, cpu)),
        *rate,
        f"{row.peak / MIB:,.0f} MiB" if row.peak else "",
    )


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _columns(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text that stays in its cell, whatever a program printed."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
