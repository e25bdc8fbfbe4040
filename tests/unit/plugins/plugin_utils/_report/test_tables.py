# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts as tables, and what differs between pods."""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import MAX_ROWS, comparisons, tables
from ansible_collections.incident.distroless.tests.unit.support.report_cases import bad_night, process, target


def table_of(name: str, facts: dict[str, Any], left_out: dict[str, dict[str, int]] | None = None) -> Any:
    return next(table for table in tables(facts, left_out or {}) if table.name == name)


def test_processes_stand_below_their_parents() -> None:
    rows = [process(9, 7, "child"), process(1, 0, "app"), process(7, 1, "worker"), process(8, 1, "other")]
    table = table_of("processes", {"a": {"processes": rows}})
    assert [(line.cells[2].text, line.cells[2].depth) for line in table.lines] == [
        ("app", 0),
        ("worker", 1),
        ("child", 2),
        ("other", 1),
    ]


def test_a_process_table_that_lies_about_parents_is_shown_whole() -> None:
    rows = [process(1, 1, "own-parent"), process(2, 3, "left"), process(3, 2, "right"), process(2, 3, "twin")]
    table = table_of("processes", {"a": {"processes": rows}})
    assert sorted(line.cells[2].text for line in table.lines) == ["left", "own-parent", "right", "twin"]


def test_what_is_in_one_pod_only_is_marked() -> None:
    lines = table_of("processes", bad_night()["facts"]).lines
    assert {line.cells[3].text: line.presence for line in lines} == {
        "app": "",
        "worker": "",
        "child": "",
        "miner": "only here",
    }


def test_of_one_pod_nothing_is_marked_and_no_pod_is_named() -> None:
    (facts,) = (found for label, found in bad_night()["facts"].items() if label == "shop/api-0/app")
    table = table_of("processes", {"shop/api-0/app": facts})
    assert table.columns[0] == ("pid", True)
    assert not table.has_presence
    assert {line.presence for line in table.lines} == {""}


def test_numbers_sort_as_numbers_and_long_values_are_cut() -> None:
    whole = {"size": 1048576, "text": "y" * 9999, "none": None, "flag": True}
    line, _other = table_of("x", {"a": {"x": [whole, {"none": 0}]}}).lines
    assert (line.cells[0].is_number, line.cells[0].sort, line.cells[0].text) == (True, "1048576", "1 MiB")
    assert len(line.cells[1].text) < 500
    assert [cell.text for cell in line.cells[2:]] == ["", "yes"]


def test_a_files_time_is_a_date_that_sorts_as_a_number() -> None:
    files = [{"mtime": number} for number in (1795837894, 0, -1, 1 << 62)]
    cells = [line.cells[0] for line in table_of("x", {"a": {"x": files}}).lines]
    dates = ["2026-11-28T03:51:34Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", str(1 << 62)]
    assert [cell.text for cell in cells] == dates
    assert [cell.sort for cell in cells] == [str(entry["mtime"]) for entry in files]
    assert all(cell.is_number for cell in cells)


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    rows = [{"name": "cache", "claim": None, "sub_path": "", "count": 0}, {"name": "", "claim": None, "late": False}]
    assert [heading for heading, _is_numeric in table_of("x", {"a": {"x": rows}}).columns] == ["name", "count", "late"]
    assert tables({"a": {"x": [{"claim": None}]}}, {}) == []


def test_rows_in_a_dictionary_are_a_table_and_other_facts_are_none() -> None:
    facts = {
        "a": {"big_folders": {"folders": [{"path": "/"}], "is_complete": True}, "target": {"pod": "x"}, "log": "text"}
    }
    assert [table.name for table in tables(facts, {})] == ["big_folders"]


def test_a_long_table_says_how_much_of_it_is_elsewhere() -> None:
    table = table_of("x", {"a": {"x": [{"n": number} for number in range(MAX_ROWS + 7)]}})
    assert (len(table.lines), table.left_out) == (MAX_ROWS, 7)


def test_of_rows_that_are_not_all_here_none_is_said_to_be_in_one_pod_only() -> None:
    listeners = [{"protocol": "tcp", "local_port": port, "state": "LISTEN"} for port in range(3)]
    facts = {"a": {"sockets": listeners[:2]}, "b": {"sockets": listeners[1:]}}
    assert [line.presence for line in table_of("sockets", facts).lines] == ["only here", "", "", "only here"]
    table = table_of("sockets", facts, {"a": {"sockets": 1}, "b": {"mounts": 4}})
    assert (table.left_out, table.has_presence) == (1, False)
    assert {line.presence for line in table.lines} == {""}


def test_the_odd_one_of_several_pods_differs_and_of_two_both_do() -> None:
    def restarts(*counts: int) -> tuple[bool, ...]:
        targets = [target(f"api-{number}", restart_count=count) for number, count in enumerate(counts)]
        rows = comparisons(targets, {}, [row["pod"] for row in targets])
        return next(row.differing for row in rows if row.title == "Restarts")

    assert restarts(0, 0, 4) == (False, False, True)
    assert restarts(0, 4) == (True, True)
    assert restarts(2, 2) == (False, False)
    assert restarts(3) == (False,)


def test_what_is_known_of_no_pod_is_left_out() -> None:
    bare = [{"namespace": "shop", "pod": name, "container": "app", "node": "node-1"} for name in ("a", "b")]
    assert [row.title for row in comparisons(bare, {"a": "pass"}, ["a", "b"])] == ["Verdict", "Node"]
