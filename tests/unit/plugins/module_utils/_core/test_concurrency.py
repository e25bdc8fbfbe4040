# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change


def test_outcomes_come_in_the_items_order_with_failures_in_their_place() -> None:
    def halve(number: int) -> int:
        if number % 2:
            raise Failure("NoTarget", str(number))
        return number // 2

    outcomes = run_concurrently(halve, [4, 3, 2], 3)
    assert outcomes[0] == 2
    assert isinstance(outcomes[1], Failure)
    assert outcomes[2] == 1


def test_as_many_are_worked_on_at_once_as_allowed() -> None:
    both = threading.Barrier(2, timeout=60)
    assert run_concurrently(lambda _item: both.wait() >= 0, [1, 2], 2) == [True, True]


def test_no_more_are_worked_on_at_once_than_allowed() -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(item: int) -> None:
        inside.append(item)
        most.append(len(inside))
        inside.remove(item)

    run_concurrently(work, list(range(50)), 1)
    assert max(most) == 1


@pytest.mark.parametrize("defect", [ZeroDivisionError("hunter2"), MemoryError(), RecursionError(), SystemExit(1)])
def test_a_defect_costs_the_item_that_met_it_and_no_other(defect: BaseException) -> None:
    def work(item: int) -> int:
        if item == 20:
            raise defect
        return item

    outcomes = run_concurrently(work, list(range(50)), 8)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Failure)] == [*range(20), *range(21, 50)]
    lost = outcomes[20]
    assert isinstance(lost, Failure)
    assert (lost.reason, lost.changed) == ("InternalError", False)
    assert type(defect).__name__ in lost.message
    assert "test_concurrency.py:" in lost.message
    assert "hunter2" not in lost.message


def test_a_defect_after_a_change_says_that_something_was_changed() -> None:
    def work(_item: int) -> int:
        with after_change():
            raise KeyError("metadata")

    lost = run_concurrently(work, [1], 1)[0]
    assert isinstance(lost, Failure)
    assert (lost.reason, lost.changed) == ("InternalError", True)
    assert "KeyError at test_concurrency.py:" in lost.message


@pytest.mark.parametrize("concurrency", [0, -1])
def test_no_thread_at_all_would_wait_for_ever(concurrency: int) -> None:
    with pytest.raises(ValueError, match="no thread"):
        run_concurrently(lambda item: item, [1], concurrency)


def test_nothing_to_do_is_done() -> None:
    assert run_concurrently(lambda item: item, [], 8) == []
