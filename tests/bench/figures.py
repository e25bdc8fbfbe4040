# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured: samples, the tables that they fill, and the few statistics that are shown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one contender.

    `seconds`: from start to end, as a user waits. `inside`: of these, the seconds of the module's own process; None where no
    module runs. `elapsed`: of those, the seconds that the module says it worked on its target. `peak`: bytes of memory that
    the module's process, or the command, held at most. `cpu`: seconds of CPU that the command and all it started took here, in the
    cluster none. `moved`: file bytes that crossed the wire, where the module says so.
    """

    seconds: float
    inside: float | None = None
    elapsed: float | None = None
    peak: int = 0
    cpu: float = 0.0
    moved: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the largest of some values."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One contender: its samples in the order of the runs, or the `trouble` because of which there are none (or not all).

    `broken`: runs that failed and were made again.
    """

    contender: str
    samples: tuple[Sample, ...]
    trouble: str = ""
    broken: int = 0

    def median(self, of: Callable[[Sample], float | None] = lambda sample: sample.seconds) -> float | None:
        """The median of one figure; None when a sample lacks it, or there are no samples to trust."""
        if self.trouble:
            return None
        found = spread(of(sample) for sample in self.samples)
        return None if found is None else found.median

    @property
    def peak(self) -> int | None:
        """The largest memory of all runs, in bytes."""
        return None if self.trouble else max((sample.peak for sample in self.samples), default=None)


@dataclass(frozen=True, slots=True)
class Table:
    """One scenario: the `rows` of all contenders that ran it interleaved, the first of which the others are compared with.

    `size`: the file bytes that each contender brings home, 0 where it brings none.
    """

    key: str
    title: str
    rows: tuple[Row, ...]
    size: int = 0
    note: str = ""

    def row(self, contender: str) -> Row | None:
        """The row of that contender, if it took part."""
        return next((row for row in self.rows if row.contender == contender), None)


Tables = Mapping[str, Table]


def spread(values: Iterable[float | None]) -> Spread | None:
    """Least, median and largest; None for no values, or when one is missing."""
    found = list(values)
    known = [value for value in found if value is not None]
    if not known or len(known) != len(found):
        return None
    return Spread(min(known), statistics.median(known), max(known))
