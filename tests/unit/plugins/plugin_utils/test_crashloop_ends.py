# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crashloop_triage says of a container that ended."""

from __future__ import annotations

from typing import Any

import pytest

from .crashloop_world import BACK_OFF, RUNNING, ended, judged, said, status, warned

DONE = ended(0, "Completed")
UNREADY = "Readiness probe failed: connection refused"
DEAF = "Liveness probe failed: connection refused"


@pytest.mark.parametrize(
    "event",
    [
        warned("Unhealthy", UNREADY, "app"),
        warned("Unhealthy", DEAF, "proxy"),
        warned("Unhealthy", "Startup probe failed: no", "proxy"),
    ],
)
@pytest.mark.parametrize("state", [BACK_OFF, RUNNING, DONE])
def test_an_app_that_ends_with_0_is_a_failure_whatever_a_probe_says_that_ends_nothing(state: Any, event: Any) -> None:
    found = said(judged(status(state, DONE), event), "fail")
    assert list(found) == ["ended_well"]
    assert found["ended_well"].startswith("app ended with 0 after "), found


def test_an_app_that_a_liveness_probe_ended_with_0_did_not_end_by_itself() -> None:
    found = judged(status(BACK_OFF, DONE), warned("Unhealthy", DEAF, "app"), warned("Unhealthy", UNREADY, "app"))
    assert list(said(found, "fail")) == ["failing_probe"]


def test_a_healthy_run_is_not_blamed_for_the_end_of_the_one_before() -> None:
    healthy = "open /opt/optional.yaml: no such file or directory\nEROFS\npermission denied\n"
    found = said(judged(status(RUNNING, ended()), log=healthy, previous="panic: bad password\n"), "fail")
    assert list(found) == ["exit"]
    assert found["exit"].endswith("It said last: panic: bad password"), found
