# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a page shows of a case before its tables: how much of what there is in use, how that went on meanwhile, and what was looked at
and what was not.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import WHOLE
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

# of one pod; and from how much on where many are side by side
MAX_BARS, FEW, MUCH = 8, 5, 50
NEARLY, HIGH = 95, 80
# files of one pod whose growth is drawn; and a plot's height, its width is 100
MAX_GROWING, HEIGHT = 4, 24
MAX_NAME = 120

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of something is in use: percent (0 to 100; None without a limit), level (fail, warn, "") by that, text in figures."""

    target: str
    what: str
    percent: int | None
    text: str

    @property
    def level(self) -> str:
        """Return how near the limit is."""
        if self.percent is None or self.percent < HIGH:
            return ""
        return "fail" if self.percent >= NEARLY else "warn"


def bars(facts: Mapping[str, Row]) -> list[Bar]:
    """Return what is in use in each target, the fullest first; of many targets only what is half full at least."""
    found: list[Bar] = []
    for label, of_target in facts.items():
        own = list(_own_bars(label, of_target))
        # what the container itself uses is not pushed out by volumes that are nearly empty
        rows = _fullest([*_fullest(_disk_bars(label, of_target))[: MAX_BARS - len(own)], *own])
        found += rows if len(facts) <= FEW else [row for row in rows if (row.percent or 0) >= MUCH]
    return found


def _fullest(rows: Iterable[Bar]) -> list[Bar]:
    return sorted(rows, key=lambda row: -1 if row.percent is None else -row.percent - 1)


def _disk_bars(label: str, facts: Row) -> Iterator[Bar]:
    rows = facts.get("disk_usage")
    by_device: dict[object, Row] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            by_device.setdefault(row.get("device") or row.get("point"), row)
    for row in by_device.values():
        point = printable(str(row.get("point")))
        # what is kept for root, or for others, is no room: the percents are not those of used and size
        of = f"{_size(row.get('available'))} of {_size(row.get('size'))} left" if row.get("size") else ""
        yield from _bar(label, f"disk {point}", row.get("use_percent"), of)
        if row.get("inodes"):
            count = f"{row.get('inodes_used')} of {row['inodes']}"
            yield from _bar(label, f"inodes {point}", row.get("inodes_percent"), count)


def _own_bars(label: str, facts: Row) -> Iterator[Bar]:
    memory, cpu, pids = (_mapping(facts.get(name)) for name in ("memory_use", "cpu_use", "pids_use"))
    if memory:
        limit = f"of {_size(memory.get('limit'))}" if memory.get("limit") else "and no limit"
        yield from _bar(label, "memory", memory.get("percent"), f"{_size(memory.get('kept'))} {limit}", unlimited=True)
    if cpu:
        used, most = cpu.get("used"), cpu.get("limit")
        share = round(100 * float(used or 0) / float(most)) if most and _is_number(used) and _is_number(most) else None
        text = f"{used} CPUs now, {f'of {most}' if most else 'and no limit'}"
        yield from _bar(label, "CPU", share, text, unlimited=True)
    if pids:
        most = pids.get("limit")
        text = f"{pids.get('used')} {f'of {most}' if most else 'and no limit of its own'}"
        yield from _bar(label, "processes and threads", pids.get("percent"), text, unlimited=True)


def _bar(label: str, what: str, percent: object, text: str, *, unlimited: bool = False) -> Iterator[Bar]:
    if isinstance(percent, int | float) and _is_number(percent):
        yield Bar(label, what, max(0, min(100, int(percent))), printable(text))
    elif unlimited:
        yield Bar(label, what, None, printable(text))


@dataclass(frozen=True, slots=True)
class Trend:
    """How something went on between two moments: from first to last, in whatever unit; text says both in figures."""

    target: str
    what: str
    first: float
    last: float
    text: str

    @property
    def points(self) -> str:
        """Return the line of a plot 100 wide and HEIGHT high that begins with nothing below, as SVG has it; y goes down there."""
        most = max(self.first, self.last)
        ends = (HEIGHT - 1 - (HEIGHT - 2) * value / most if most else HEIGHT - 1 for value in (self.first, self.last))
        return " ".join(f"{x},{y:.1f}" for x, y in zip((0, 100), ends, strict=True))


def trends(facts: Mapping[str, Row]) -> list[Trend]:
    """Return how files, memory and CPU of each target went on while it was looked into; of many targets only what rises."""
    rows = [row for label, of_target in facts.items() for row in _trends(label, of_target)]
    return [row for row in rows if len(facts) <= FEW or row.last > row.first]


def _trends(label: str, facts: Row) -> Iterator[Trend]:
    files = _mapping(facts.get("growth")).get("files")
    for row in (files if isinstance(files, list) else [])[:MAX_GROWING]:
        if isinstance(row, Mapping) and _are_counts(row.get("size"), row.get("bytes"), row.get("seconds")):
            first, last, path = row["size"] - row["bytes"], row["size"], printable(str(row.get("path")))
            yield _trend(label, path, first, last, f"{_size(first)} to {_size(last)} in {row['seconds']} s")
    memory, cpu = (_mapping(facts.get(name)) for name in ("memory_use", "cpu_use"))
    before, used = memory.get("before"), memory.get("used")
    # of what was looked at once there is no before
    if _are_counts(before, used, memory.get("seconds")) and memory["seconds"]:
        words = f"{_size(before)} to {_size(used)} in {memory['seconds']} s, with page cache"
        yield _trend(label, "memory", before, used, words)
    average, now = cpu.get("average"), _mapping(cpu.get("now"))
    if _are_counts(average, cpu.get("used")):
        yield _trend(label, "CPU", average, cpu["used"], f"{average} CPUs since the start, {cpu['used']} now")
    if cpu.get("limit") and _are_counts(cpu.get("percent"), now.get("percent")):
        words = f"in {cpu['percent']} % of the periods since the start, {now['percent']} % now"
        yield _trend(label, "held back by the CPU limit", cpu["percent"], now["percent"], words)


def _trend(label: str, what: str, first: Any, last: Any, text: str) -> Trend:
    return Trend(label, what if len(what) <= MAX_NAME else f"{what[:MAX_NAME]}...", float(first), float(last), text)


def _are_counts(*values: object) -> bool:
    return all(isinstance(value, int | float) and _is_number(value) and value >= 0 for value in values)


def _mapping(value: object) -> Row:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 63


def _size(value: object) -> str:
    return show_size(value) if isinstance(value, int) and _is_number(value) and value >= 0 else str(value)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at with the same outcome in each target: titles, and states in the targets' order. is_whole: it was seen whole in all."""

    titles: tuple[str, ...]
    states: tuple[str, ...]
    is_whole: bool


def coverage(case: Row, labels: Sequence[str]) -> list[Coverage]:
    """Return what of what was to be looked at was seen in part, or not at all and why, in the words of a table; at last what was seen whole.

    case: the content of findings.json; one of an earlier version has nothing of it.
    """
    told = case.get("coverage") or {}
    by_states: dict[tuple[str, ...], list[str]] = {}
    for title in dict.fromkeys(str(title) for label in labels for title in told.get(label, {})):
        states = tuple(str(told.get(label, {}).get(title, "")) for label in labels)
        by_states.setdefault(states, []).append(title)
    found = [Coverage(tuple(titles), states, set(states) == {WHOLE}) for states, titles in by_states.items()]
    return sorted(found, key=lambda row: row.is_whole)
