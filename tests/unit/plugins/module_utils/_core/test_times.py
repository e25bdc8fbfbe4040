# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch, rfc3339, when


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T03:10:00Z",
        "2026-11-23T03:10:00.25Z",
        "2026-11-23T05:10:00.25+02:00",
        "2026-11-23T03:10:00.123456789Z",
    ],
)
def test_a_time_is_the_moment_that_date_takes_it_for(time: str) -> None:
    said = subprocess.run(["date", "-ud", time, "+%s.%6N"], capture_output=True, text=True, check=True).stdout
    assert epoch(time) == pytest.approx(float(said), abs=1e-6)


def test_a_time_without_a_zone_is_utc_wherever_the_module_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert epoch("2026-11-23T03:10:00") == epoch("2026-11-23T03:10:00Z")
        assert rfc3339(epoch("2026-11-23T03:10:00Z")) == "2026-11-23T03:10:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_finer_than_asked_for_is_cut_off() -> None:
    assert rfc3339(1795403400.9996) == "2026-11-23T03:10:00Z"
    assert rfc3339(1795403400.9996, "milliseconds") == "2026-11-23T03:10:00.999Z"


def test_a_fraction_sorts_behind_its_whole_second() -> None:
    times = ["2026-11-23T03:10:00.5Z", "2026-11-23T03:10:01Z", "2026-11-23T03:10:00Z", "2026-11-23T05:10:00.25+02:00"]
    ordered = ["2026-11-23T03:10:00Z", "2026-11-23T05:10:00.25+02:00", "2026-11-23T03:10:00.5Z", "2026-11-23T03:10:01Z"]
    assert sorted(times, key=when) == ordered
    assert sorted(times) != ordered


@pytest.mark.parametrize("nothing", [None, "", "soon", 12, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_sorts_first(nothing: object) -> None:
    assert min(["2026-11-23T03:10:00Z", nothing], key=when) == nothing
