# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real fetches through a proxy that lets connections fail: there is never a wrong file, and nothing is left behind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect, settle

from tests.integration.conftest import Kubectl

from .faults import FAULTS, SESSION
from .subject import Subject, make_subject
from .table import PAGE, page
from .trials import Bench, Outcome, Trial, plan
from .truth import claims_hold

TRIALS = int(os.environ.get("FAULT_TRIALS", "23"))
FIRST_SEED = int(os.environ.get("FAULT_SEED", "1"))
# most of a trial is spent waiting
SIDE_BY_SIDE = 12
# after so many trials the debugger's processes are counted
INTERVAL = 100


@pytest.fixture(scope="module")
def subject(kubectl: Kubectl) -> Subject:
    return make_subject(kubectl)


@pytest.fixture
def bench(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    # the pauses between tries are for real networks
    monkeypatch.setattr(reconnect, "_PAUSE", 0.01)
    made = Bench(subject, tmp_path)
    yield made
    made.close()


def test_whatever_happens_to_the_connection_no_file_is_wrong(subject: Subject, bench: Bench) -> None:
    before = subject.processes()
    done: list[Outcome] = []
    left_over: dict[range, Counter[str]] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        for first in range(0, TRIALS, INTERVAL):
            seeds = range(FIRST_SEED + first, FIRST_SEED + min(first + INTERVAL, TRIALS))
            done += threads.map(bench.run, map(plan, seeds))
            if extra := subject.left_over(before):
                left_over[seeds] = extra
                before = subject.processes()
            print(f"{len(done)} trials", *left_over.get(seeds, {}).items(), flush=True)
    log = subject.log()
    for outcome in done:
        outcome.findings.wrong_files += claims_hold(outcome.findings.claims, log)
    problems = [problem for outcome in done for problem in outcome.problems()]
    text = page(done, sum(left_over.values(), Counter()))
    print(text)
    if os.environ.get("FAULT_PAGE"):
        PAGE.write_text(text, encoding="utf-8")
    assert not problems, "\n".join(problems)
    assert not left_over
    # the faults were there: nearly every trial that was meant to have one met it, and many had to try again
    assert sum(outcome.is_hit for outcome in done) > len(done) / 2
    assert sum(outcome.result == "success" and outcome.connections > SESSION for outcome in done) > len(done) / 10


def test_the_trials_catch_a_reader_that_proves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def believe(self: settle.Settlement, step: settle.Step, file: settle.Partial | None, end: settle.End) -> None:
        if file is not None:
            self._commit(step, file, "fetched", step.reason, end)

    monkeypatch.setattr(settle.Settlement, "finish", believe)
    damaging = list(FAULTS).index("bit of the output")
    seeds = [seed for seed in range(damaging, 40 * len(FAULTS), len(FAULTS)) if not plan(seed).is_whole_module]
    assert any(found(bench, plan(seed)) for seed in seeds), "no trial noticed"


def found(bench: Bench, trial: Trial) -> list[str]:
    return bench.run(trial).findings.wrong_files
