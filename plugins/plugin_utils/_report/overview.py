# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a page shows of a case before its tables: how much of what there is in use, and what was looked at and what was not.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import WHOLE
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

# of one pod; and from how much on where many are side by side
MAX_BARS, FEW, MUCH = 8, 5, 50
NEARLY, HIGH = 95, 80

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
        rows = sorted(_bars(label, of_target), key=lambda row: -1 if row.percent is None else -row.percent - 1)
        found += (
            rows[:MAX_BARS] if len(facts) <= FEW else [row for row in rows if (row.percent or 0) >= MUCH][:MAX_BARS]
        )
    return found


def _bars(label: str, facts: Row) -> Iterator[Bar]:
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


def _mapping(value: object) -> Row:
    return value if isinstance(value, Mapping) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 63


def _size(value: object) -> str:
    return show_size(value) if isinstance(value, int) and _is_number(value) and value >= 0 else str(value)


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was looked at. whole: titles of what was seen whole in every target; lines: each title with what is known of it in each
    target, in the targets' order."""

    whole: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def coverage(case: Row, labels: Sequence[str]) -> Coverage:
    """Return what of what was to be looked at was seen whole, in part, or not at all and why, in the words of a table.

    case: the content of findings.json; one of an earlier version has nothing of it.
    """
    told = case.get("coverage") or {}
    titles = dict.fromkeys(str(title) for label in labels for title in told.get(label, {}))
    lines = [(title, tuple(str(told.get(label, {}).get(title, "")) for label in labels)) for title in titles]
    return Coverage(
        tuple(title for title, states in lines if set(states) == {WHOLE}),
        tuple((title, states) for title, states in lines if set(states) != {WHOLE}),
    )
