# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure


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
    both = threading.Barrier(2, timeout=10)
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


def test_a_defect_is_raised_after_the_others_are_done() -> None:
    finished: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            raise ZeroDivisionError
        finished.append(item)

    with pytest.raises(ZeroDivisionError):
        run_concurrently(work, [0, 1, 2], 1)
    assert finished == [1, 2]


def test_nothing_to_do_is_done() -> None:
    assert run_concurrently(lambda item: item, [], 8) == []
