# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make test RETRY=1`: the one test on the cluster that failed runs once more, alone, and is written down as unstable.

Two such tests fail the run, and so does one that is written down already: it is to be redesigned. The closing line counts a
rerun as such.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ON_CLUSTER = "tests/integration/"
UNSTABLE = Path("tests/unstable.txt")
# set by the tools: the reruns of the whole of `make test`, which is several pytests
LEDGER = "INCIDENT_DISTROLESS_RERUNS"


def objection(failed: Collection[str], *, earlier: int, unstable: Collection[str]) -> str | None:
    """Why none of the failed tests may run again in this run, which had `earlier` reruns; None where the one may."""
    files = [name for name in failed if "::" not in name]
    elsewhere = [name for name in failed if not name.startswith(ON_CLUSTER)]
    known = [name for name in failed if name in unstable]
    if files:
        return f"Nothing runs again: {files[0]} cannot be imported."
    if elsewhere:
        return f"Nothing runs again: {elsewhere[0]} needs no cluster, so no luck either."
    if known:
        return f"Nothing runs again: {known[0]} is in {UNSTABLE} already."
    if len(failed) + earlier > 1:
        return f"Nothing runs again: {len(failed)} tests failed, and {earlier} ran again before."
    return None


def lines_of(path: Path) -> list[str]:
    """The lines of a file; none where there is no file."""
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


@dataclass(slots=True, eq=False)
class Reruns:
    """The part of pytest that decides at the end of a session. `said` is what stands above the closing line."""

    root: Path
    ledger: Path | None
    said: list[str] = field(default_factory=list)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        if exitstatus != pytest.ExitCode.TESTS_FAILED or terminal is None:
            return
        reports = [*terminal.getreports("failed"), *terminal.getreports("error")]
        failed = sorted({report.nodeid for report in reports})
        earlier = lines_of(self.ledger) if self.ledger else []
        refused = objection(failed, earlier=len(earlier), unstable=lines_of(self.root / UNSTABLE))
        if refused or not failed:
            self.said.append(refused or "Nothing runs again: no test failed, pytest did.")
            return
        (name,) = failed
        is_fine, printed = self._alone(session.config, name)
        for path in (self.root / UNSTABLE, *([self.ledger] if self.ledger else [])):
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        self.said += [f"{name} ran once more, alone, and {'passed' if is_fine else 'failed again'}:", printed]
        report = reports[-1]
        terminal.stats["rerun"] = [report]
        if is_fine:
            _settle(terminal, name, report)
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.said:
            terminalreporter.section("once more")
            for text in self.said:
                terminalreporter.line(text)

    def _alone(self, config: pytest.Config, name: str) -> tuple[bool, str]:
        """Return whether a test passes when nothing runs beside it, and what pytest printed."""
        paths = shlex.join(str(path) for path in config.getini("pythonpath"))
        command = [sys.executable, "-m", "pytest", "-o", f"pythonpath={paths}", "-p", "no:cacheprovider", name]
        variables = {key: value for key, value in os.environ.items() if key != "RETRY"}
        done = subprocess.run(
            command,
            cwd=self.root,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode == 0, done.stdout.decode(errors="replace")


def _settle(terminal: pytest.TerminalReporter, name: str, report: pytest.TestReport) -> None:
    """Count a test as passed that was counted as failed."""
    for kind in ("failed", "error"):
        terminal.stats[kind] = [other for other in terminal.getreports(kind) if other.nodeid != name]
        if not terminal.stats[kind]:
            del terminal.stats[kind]
    # one whose teardown failed has passed before
    if all(other.nodeid != name for other in terminal.getreports("passed")):
        terminal.stats.setdefault("passed", []).append(report)


def register(config: pytest.Config) -> None:
    """Take part in a session where it was asked for, and not in xdist's workers."""
    if os.environ.get("RETRY") and not hasattr(config, "workerinput"):
        ledger = os.environ.get(LEDGER)
        config.pluginmanager.register(Reruns(config.rootpath, Path(ledger) if ledger else None))
