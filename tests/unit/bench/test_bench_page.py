# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""BENCHMARKS.md shows what was measured, compares with the first row, and says which goals were reached."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from bench import ALL_TABLES, CHECKOUT, PARTS, wish
from figures import MIB, Row, Sample, Table, spread
from goals import Goal, Verdict, faster, goals, judged, more_than_one, moved_bytes, over, over_floor, peak_mib
from names import (
    AGAIN,
    COPY,
    COPY_HASHED,
    EMPTY_PLAY,
    EXEC_CAT,
    FETCH_FLOOR,
    FLOOR,
    ONE_OF_THEM,
    OURS,
    PLAIN_FETCH,
    PLAIN_UNHASHED,
)
from page import Section, page, verdict_line
from scenarios import LOOPBACK, QUICK, SLOW_LINK, scaled

MACHINE = [("CPU", "a CPU, 2 cores"), ("kernel", "6.18")]


def row(name: str, *seconds: float, trouble: str = "") -> Row:
    return Row(name, tuple(Sample(each, peak=30 * MIB) for each in seconds), trouble)


def worked(name: str, *seconds: float) -> Row:
    """What Ansible itself takes is ten times as much."""
    return Row(name, tuple(Sample(11 * each, elapsed=each, peak=30 * MIB) for each in seconds))


def table(*rows: Row, key: str = "random-large", size: int = 1024 * MIB) -> Table:
    return Table(key, "1 GiB of random bytes", rows, size)


def written(*tables: Table, reduced: str = "") -> str:
    verdicts = judged({each.key: each for each in tables})
    return page(MACHINE, verdicts, [Section("Fetching over loopback", tables)], reduced)


def line_of(text: str, start: str) -> list[str]:
    """The cells of the only table row that begins so."""
    (found,) = (line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_row_shows_least_median_and_largest_and_what_it_takes_beside_the_first() -> None:
    text = written(table(row(OURS, 4.0, 8.0, 5.0), row(COPY, 10.0, 9.5, 20.0)))
    assert line_of(text, OURS) == [OURS, "4.00 / 5.00 / 8.00", "3", "1.00", "", "", "0.00", "204.8", "30 MiB"]
    assert line_of(text, COPY)[:4] == [COPY, "9.50 / 10.00 / 20.00", "3", "2.00"]


def test_the_parts_of_a_module_stand_in_columns_of_their_own() -> None:
    sample = Sample(2.0, inside=1.25, elapsed=0.75, cpu=0.5, peak=64 * MIB)
    text = written(table(Row(OURS, (sample,)), size=1024))
    assert line_of(text, OURS) == [OURS, "2.00 / 2.00 / 2.00", "1", "1.00", "1.25", "0.75", "0.50", "64 MiB"]


def test_what_failed_shows_its_words_and_no_figures() -> None:
    text = written(table(row(OURS, 5.0), row(COPY, 1.0, trouble="tar: gone")))
    assert line_of(text, COPY) == [COPY, "failed: tar: gone", *[""] * 7]


def test_runs_that_broke_and_were_made_again_are_told() -> None:
    shaky = Row(COPY, (Sample(10.0), Sample(12.0)), broken=1)
    assert line_of(written(table(row(OURS, 5.0), shaky)), COPY)[1:3] == ["10.00 / 11.00 / 12.00", "2 (1 more failed)"]


def test_nothing_that_a_program_printed_leaves_its_cell() -> None:
    text = written(table(row(OURS, 5.0), row(COPY, trouble="a | b\n| <script>c")))
    assert "failed: a \\| b \\| &lt;script>c |" in text
    assert "<script>" not in text


def test_where_it_was_measured_is_said() -> None:
    assert line_of(written(table(row(OURS, 5.0))), "CPU") == ["CPU", "a CPU, 2 cores"]


def test_a_reduced_run_says_so_and_a_full_one_does_not() -> None:
    full, reduced = written(table(row(OURS, 5.0))), written(table(row(OURS, 5.0)), reduced="1 run")
    assert "reduced" not in full
    assert "**A reduced run: 1 run. The goals are meant for the full one.**" in reduced


def test_a_goal_is_reached_by_the_ratio_of_medians() -> None:
    text = written(table(row(PLAIN_FETCH, 4.5, 5.5, 90.0), row(EMPTY_PLAY, 0.5), row(COPY_HASHED, 7.0, 6.5, 6.4)))
    reached = next(line for line in text.splitlines() if "1.3 times as fast" in line)
    assert reached.endswith("| 1.30 x | reached |")


def test_what_may_take_longer_than_its_parts_is_compared_with_their_sum() -> None:
    one = Table("small", "1 KiB", (row(PLAIN_FETCH, 1.2), row(EMPTY_PLAY, 0.5), row(COPY, 0.5)))
    assert over(PLAIN_FETCH, EMPTY_PLAY, COPY)(one) == pytest.approx(1.2)
    assert over(PLAIN_FETCH, EMPTY_PLAY, watched=0.2)(one) == pytest.approx(2.0)
    assert over(PLAIN_FETCH, EMPTY_PLAY, FLOOR)(one) is None


def test_a_crowd_is_compared_with_one_of_it_and_the_bare_requests() -> None:
    one = ONE_OF_THEM["process_triage"]
    crowd = Table("report-twenty", "20 pods", (row("process_triage", 7.0), row(one, 4.0), row(FLOOR, 2.0)))
    assert more_than_one("process_triage", one, FLOOR)(crowd) == pytest.approx(1.5)
    assert more_than_one("process_triage", OURS, FLOOR)(crowd) is None


def test_a_floor_is_compared_by_the_work_alone() -> None:
    goal = over_floor(OURS, FETCH_FLOOR)
    assert goal(table(worked(OURS, 5.0, 6.0, 9.0), worked(FETCH_FLOOR, 5.0))) == pytest.approx(1.2)
    assert goal(table(worked(OURS, 5.0), row(FETCH_FLOOR, 5.0))) is None


def test_a_goal_is_not_reached_by_less() -> None:
    text = written(table(row(PLAIN_UNHASHED, 5.5), row(EMPTY_PLAY, 0.5), row(EXEC_CAT, 4.7)))
    missed = next(line for line in text.splitlines() if "0.95 times" in line)
    assert missed.endswith("| 0.94 x | not reached |")


def test_a_goal_whose_peer_failed_is_not_called_reached() -> None:
    text = written(table(row(OURS, 4.0), row(COPY_HASHED, 7.0, trouble="broken")))
    unknown = next(line for line in text.splitlines() if "1.3 times as fast" in line)
    assert unknown.endswith("|  | not measured |")


def test_the_worst_run_counts_for_memory_and_for_bytes_that_moved() -> None:
    rows = Row(AGAIN, (Sample(1.0, peak=70 * MIB, moved=0), Sample(1.0, peak=81 * MIB, moved=9)))
    assert peak_mib(AGAIN)(table(rows)) == 81
    assert moved_bytes(AGAIN)(table(rows)) == 9


def test_a_ratio_needs_both() -> None:
    assert faster(OURS, COPY)(table(row(OURS, 1.0))) is None


@pytest.mark.parametrize(("reached", "words"), [(True, "reached"), (False, "not reached"), (None, "not measured")])
def test_the_terminal_shows_a_goal_in_one_line(reached: bool | None, words: str) -> None:
    goal = Goal("fast", "t", lambda _table: None, 2.0, "x")
    figure = None if reached is None else 2.5
    shown = verdict_line(Verdict(goal, figure, reached))
    assert shown.split() == [*words.split(), *([] if figure is None else ["2.50", "x"]), "fast"]


def test_a_spread_with_a_value_missing_is_none() -> None:
    assert spread([1.0, None]) is None
    assert spread([]) is None


def test_every_goal_has_a_table_that_is_measured_in_a_quick_run_too() -> None:
    assert {goal.table for goal in goals()} <= set(QUICK) <= set(ALL_TABLES)


def test_a_full_run_writes_the_page_of_the_checkout() -> None:
    full = wish([])
    assert (full.parts, full.only, full.reduced, full.output) == (PARTS, (), "", CHECKOUT / "BENCHMARKS.md")


@pytest.mark.parametrize("words", ["--quick", "--part loopback", "--only tree", "--runs 1", "--factor 0.5"])
def test_a_reduced_run_leaves_the_page_of_the_checkout_alone(words: str) -> None:
    asked = wish(words.split())
    assert asked.reduced
    assert asked.output != CHECKOUT / "BENCHMARKS.md"


def test_the_first_of_every_table_is_ours() -> None:
    assert {each.contenders[0] for each in (*LOOPBACK, *SLOW_LINK)} == {OURS}


def test_a_scaled_scenario_is_smaller_where_it_is_large() -> None:
    large = next(each for each in LOOPBACK if each.key == "random-large")
    small = next(each for each in LOOPBACK if each.key == "small")
    assert scaled(large, 1 / 32, 1).total == 32 * MIB
    assert scaled(large, 1 / 32, 1).runs == 1
    assert scaled(small, 1 / 32, None) == small


@pytest.mark.parametrize(
    ("key", "factor", "title"),
    [
        ("small", 1, "1 KiB of random bytes"),
        ("log-large", 1, "1 GiB of log lines"),
        ("log-large", 1 / 32, "32 MiB of log lines"),
        ("tree", 1, "10,000 files of 1 KiB"),
        ("pods", 1, "50 pods x 1 MiB"),
    ],
)
def test_a_table_is_called_by_what_was_really_fetched(key: str, factor: float, title: str) -> None:
    scenario = next(each for each in LOOPBACK if each.key == key)
    assert scaled(scenario, factor, None).title == title
