# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import (
    LONGEST_WAIT,
    MAX_SECONDS,
    Deadline,
    check_seconds,
)
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure


@pytest.mark.parametrize(("seconds", "least"), [(0, 1), (-1, 0), (MAX_SECONDS + 1, 1), (10_000_000_000, 0)])
def test_a_number_of_seconds_that_no_clock_counts_to_is_refused(seconds: int, least: int) -> None:
    with pytest.raises(Failure, match="ttl must be") as caught:
        check_seconds(seconds, "ttl", least)
    assert caught.value.reason == "InvalidRequest"


def test_any_other_is_not() -> None:
    for seconds in (1, 60, MAX_SECONDS):
        check_seconds(seconds, "ttl")
    check_seconds(0, "deadline", 0)


def test_nothing_waits_longer_at_once_than_a_socket_can_be_told_to() -> None:
    assert LONGEST_WAIT * 1000 < 2**31
    assert Deadline(MAX_SECONDS).remaining("waiting") == LONGEST_WAIT
    assert Deadline(60).remaining("waiting") <= 60
