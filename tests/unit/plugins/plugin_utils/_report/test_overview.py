# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in use, what was looked at, and what a container said last, on the page."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.overview import (
    Bar,
    Coverage,
    bars,
    coverage,
    trends,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import telling, without_secrets
from ansible_collections.incident.distroless.tests.unit.support.report_cases import bad_night, finding

DISK = {"point": "/data", "device": "8:1", "size": 100 << 20, "available": 1 << 20, "use_percent": 99, "inodes": 0}
OTHER = {**DISK, "point": "/etc/hosts", "use_percent": 99}
TMP = {
    "point": "/tmp",
    "device": "0:9",
    "size": 1024,
    "used": 512,
    "use_percent": 50,
    "inodes": 10,
    "inodes_used": 9,
    "inodes_percent": 90,
}


def test_a_device_is_one_bar_and_the_fullest_comes_first() -> None:
    found = bars({"a": {"disk_usage": [TMP, DISK, OTHER]}})
    assert [(row.what, row.percent, row.level) for row in found] == [
        ("disk /data", 99, "fail"),
        ("inodes /tmp", 90, "warn"),
        ("disk /tmp", 50, ""),
    ]
    assert found[0].text == "1 MiB of 100 MiB left"


def test_what_has_no_limit_has_figures_and_no_bar() -> None:
    facts = {
        "memory_use": {"limit": None, "kept": 5 << 20, "percent": None},
        "cpu_use": {"limit": 0.5, "used": 0.45},
        "pids_use": {"limit": 100, "used": 3, "percent": 3},
    }
    assert bars({"a": facts}) == [
        Bar("a", "CPU", 90, "0.45 CPUs now, of 0.5"),
        Bar("a", "processes and threads", 3, "3 of 100"),
        Bar("a", "memory", None, "5 MiB and no limit"),
    ]


def test_what_a_container_uses_is_shown_however_many_volumes_there_are() -> None:
    volumes = [{**TMP, "point": f"/data/{number}", "device": f"0:{number}"} for number in range(9)]
    facts = {
        "disk_usage": [*volumes, DISK],
        "memory_use": {"limit": None, "kept": 5 << 20, "percent": None},
        "cpu_use": {"limit": 0.5, "used": 0.01},
        "pids_use": {"limit": 100, "used": 3, "percent": 3},
    }
    found = [row.what for row in bars({"a": facts})]
    assert found[0] == "disk /data"
    assert found[-3:] == ["processes and threads", "CPU", "memory"]
    assert len(found) == 8


def test_of_many_pods_only_what_is_half_full_is_a_bar() -> None:
    facts = {str(number): {"disk_usage": [{**TMP, "use_percent": number}]} for number in range(47, 53)}
    assert [(row.target, row.what) for row in bars(facts) if row.what == "disk /tmp"] == [
        (str(number), "disk /tmp") for number in (50, 51, 52)
    ]


@pytest.mark.parametrize(
    "value", [None, "x", [], [None, 1, "x", {}], {"limit": "x", "used": True}, [{"use_percent": float("nan")}]]
)
def test_what_a_users_own_check_made_of_a_name_makes_no_bar_and_no_error(value: Any) -> None:
    facts = dict.fromkeys(("disk_usage", "memory_use", "cpu_use", "pids_use", "growth"), value)
    assert all(row.percent is None for row in bars({"a": facts}))
    assert trends({"a": facts}) == []
    assert trends({"a": {"growth": {"files": value}, "cpu_use": {"average": value, "now": value, "limit": 1}}}) == []


GROWING = {"path": "/data/app.log", "size": 30, "bytes": 10, "seconds": 5.0}
HELD = {"limit": 0.5, "average": 0.25, "used": 0.5, "percent": 40, "now": {"percent": 10}}


def test_what_was_looked_at_twice_is_drawn_from_nothing_up() -> None:
    facts = {
        "growth": {"files": [GROWING]},
        "memory_use": {"before": 0, "used": 0, "seconds": 2.0},
        "cpu_use": HELD,
    }
    rows = trends({"a": facts})
    assert [(row.what, row.first, row.last, row.points) for row in rows] == [
        ("/data/app.log", 20, 30, "0,8.3 100,1.0"),
        ("memory", 0, 0, "0,23.0 100,23.0"),
        ("CPU", 0.25, 0.5, "0,12.0 100,1.0"),
        ("held back by the CPU limit", 40, 10, "0,1.0 100,17.5"),
    ]
    assert rows[0].text == "20 B to 30 B in 5.0 s"
    assert [row.what for row in trends(dict.fromkeys("abcdef", facts))] == ["/data/app.log", "CPU"] * 6


@pytest.mark.parametrize("before", [None, 5])
def test_of_one_look_nothing_is_drawn(before: int | None) -> None:
    facts = {
        "memory_use": {"before": before, "used": 5, "seconds": 0.0},
        "cpu_use": {"limit": None, "used": 1, "average": None},
    }
    assert trends({"a": facts}) == []


def test_a_plot_says_in_words_what_it_shows_and_holds_no_mark_up_of_a_pod() -> None:
    name = "</title></svg><script>x</script>"
    night = bad_night()
    night["facts"]["shop/api-0/app"]["growth"]["files"][0]["path"] = name
    page = html(night, {})
    _before, _section, after = page.partition('<section id="trends"')
    section = after.partition("</section>")[0]
    assert name not in page
    assert section.count("<svg") == section.count('role="img"') == section.count("<title>") == 2
    assert "<desc>20 MiB to 30 MiB in 5.0 s</desc>" in section
    assert "<span>20 MiB to 30 MiB in 5.0 s</span>" in section
    assert '<section id="trends"' not in html({**night, "facts": {}}, {})


def test_what_was_looked_at_is_a_table_in_which_what_had_the_same_outcome_is_one_row() -> None:
    told = {
        "a": {"Mounts": "whole", "Logs": "whole", "Files": "in part", "Names": "whole", "Events": "whole"},
        "b": {"Mounts": "whole", "Logs": "<b>no</b>", "Files": "whole", "Names": "<b>no</b>", "Events": "whole"},
    }
    assert coverage({"coverage": told}, ["a", "b"]) == [
        Coverage(("Logs", "Names"), ("whole", "<b>no</b>"), is_whole=False),
        Coverage(("Files",), ("in part", "whole"), is_whole=False),
        Coverage(("Mounts", "Events"), ("whole", "whole"), is_whole=True),
    ]
    # a case of an earlier version does not know it
    assert coverage({}, ["a"]) == []
    night = bad_night()
    (label,) = (f"{row['namespace']}/{row['pod']}/{row['container']}" for row in night["targets"][:1])
    page = html({**night, "coverage": {label: told["b"]}}, {})
    section = page.partition('<section id="coverage"')[2].partition("</section>")[0]
    assert "<li>Logs</li><li>Names</li>" in section
    assert "&lt;b&gt;no&lt;/b&gt;" in section
    assert "seen whole</td>" in section
    assert '<section id="coverage"' not in html({**night, "coverage": {}}, {})


def test_the_last_words_stand_beside_the_crash_and_nowhere_else() -> None:
    piece = {"collector": "previous_log", "path": "x", "sha256": "y"}
    words = {"shop/api-0/app": ["FATAL: <no> disk", "goodbye"]}
    night = {**bad_night(), "last_words": words, "findings": [finding(evidence=[piece]), finding(verdict="warn")]}
    page = html(night, {})
    # in the headline and on its card
    assert page.count("FATAL: &lt;no&gt; disk\ngoodbye</pre>") == 2


def test_a_secret_that_goes_over_many_lines_is_none_of_the_last_words_though_only_its_end_is_shown() -> None:
    body = [f"MIIsecret{number:02}" * 4 for number in range(50)]
    key = ["-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----"]
    of_yaml = ["kind: Secret", "data:", "  db: c2VjcmV0Zm9yZGI=", "password: |", "  hunter2hunter2"]
    piece = {"collector": "previous_log", "path": "x", "sha256": "y"}
    for lines, secrets in ((key, body), (of_yaml, ["c2VjcmV0Zm9yZGI=", "hunter2hunter2"])):
        said = {"shop/api-0/app": ["starting", *lines, "FATAL: cannot go on"]}
        night = {**bad_night(), "last_words": said, "findings": [finding(evidence=[piece])]}
        page = html(without_secrets(night, telling()), {})
        assert "FATAL: cannot go on</pre>" in page
        assert [secret for secret in secrets if secret in page] == []


def test_a_headline_that_is_less_bad_than_the_case_says_so() -> None:
    night = {**bad_night(), "verdict": "unknown", "findings": [finding(verdict="warn"), finding(verdict="unknown")]}
    lead = html(night, {}).partition("<nav")[0]
    assert '<span class="verdict">warn</span> A volume is full</h1>' in lead
    assert "Not everything could be judged." in lead
