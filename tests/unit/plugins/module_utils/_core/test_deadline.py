# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import (
    LONGEST_WAIT,
    MAX_SECONDS,
    Deadline,
    check_seconds,
    within,
)
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.tests.unit.support.local_processes import is_there


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


def test_a_program_is_ended_with_its_group_where_it_made_one(tmp_path: Path) -> None:
    said = tmp_path / "pid"
    # whose parent is gone, so that nothing but the group leads to it
    orphan = f"(sleep 600 & echo $! >{said}.part; mv {said}.part {said})"
    seconds = 1.0
    # on a busy machine it has not come to that when its time is up
    while not said.exists() and seconds < 600:
        with pytest.raises(TimeoutError):
            within(
                seconds,
                lambda: subprocess.run(["setsid", "sh", "-c", f"{orphan}; sleep 600"], check=False),
                ends_programs=True,
            )
        seconds *= 2
    until = time.monotonic() + 60
    while is_there(int(said.read_text(encoding="ascii"))):
        assert time.monotonic() < until
        time.sleep(0.05)
