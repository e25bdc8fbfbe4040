# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whenever requests come, in no span of time go more than its seconds and a burst allow, and none waits without need."""

from __future__ import annotations

from itertools import combinations

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.pace import BURST, Pace
from hypothesis import given
from hypothesis import strategies as st

RATES = st.sampled_from([0.1, 0.5, 1, 3, 20, 1000])
# seconds between one request and the next
GAPS = st.lists(st.sampled_from([0.0, 0.001, 0.3, 1.0, 7.0, 100.0]), min_size=1, max_size=60)


@given(RATES, GAPS)
def test_no_span_of_time_has_more_than_its_share(rate: float, gaps: list[float]) -> None:
    pace, now, sent = Pace(rate), 1000.0, []
    for gap in gaps:
        now += gap
        sent.append(now + pace.take(now))
    for (first, began), (last, ended) in combinations(enumerate(sent), 2):
        assert last - first + 1 <= rate * (ended - began) + max(BURST * rate, 1) + 1e-6


@given(RATES, st.integers(1, 40))
def test_what_comes_slowly_enough_never_waits(rate: float, count: int) -> None:
    pace = Pace(rate)
    assert [pace.take(number / rate + 5) for number in range(count)] == [pytest.approx(0, abs=1e-6)] * count


def test_after_a_burst_each_waits_for_those_before() -> None:
    pace = Pace(2)
    assert [pace.take(0.0) for _number in range(13)] == [*[0.0] * 10, 0.5, 1.0, 1.5]
    # a pause gives the burst back, and no more than that
    assert [pace.take(1000.0) for _number in range(11)] == [*[0.0] * 10, 0.5]
