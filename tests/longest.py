# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of tests that took longest the last time begins first, so that no worker is left alone with it at the end."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# set by the tools: where the seconds that each test took are kept
VARIABLE = "INCIDENT_DISTROLESS_SECONDS"


def file_of(name: str) -> str:
    return name.partition("::")[0]


def by_length(names: Iterable[str], seconds: Mapping[str, float]) -> dict[str, int]:
    """The place of each file of these tests: the longest first, and before them all those of which nothing is known."""
    total: Counter[str] = Counter()
    known = {file_of(name) for name in seconds}
    for name in names:
        total[file_of(name)] += seconds.get(name, 0) if file_of(name) in known else float("inf")
    return {file: place for place, (file, _seconds) in enumerate(total.most_common())}


@dataclass(slots=True, eq=False)
class Longest:
    """The part of pytest that orders files. In xdist's workers it does the same and notes nothing."""

    path: Path
    notes: bool
    seconds: Counter[str] = field(default_factory=Counter)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places = by_length((item.nodeid for item in items), self._earlier())
        items.sort(key=lambda item: places[file_of(item.nodeid)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        if self.notes and self.seconds:
            rounded = {name: round(seconds, 2) for name, seconds in self.seconds.items()}
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self._earlier() | rounded), encoding="utf-8")
            new.replace(self.path)

    def _earlier(self) -> dict[str, float]:
        # none where there was no run, or it was killed while it wrote
        with suppress(FileNotFoundError, ValueError):
            noted: dict[str, float] = json.loads(self.path.read_text(encoding="utf-8"))
            return noted
        return {}


def register(config: pytest.Config) -> None:
    """Take part where the tools said where the seconds are kept."""
    if path := os.environ.get(VARIABLE):
        config.pluginmanager.register(Longest(Path(path), notes=not hasattr(config, "workerinput")))
