# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is in use, what was looked at, and what a container said last, on the page."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.overview import Bar, bars, coverage
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


def test_of_many_pods_only_what_is_half_full_is_a_bar() -> None:
    facts = {str(number): {"disk_usage": [{**TMP, "use_percent": number}]} for number in range(47, 53)}
    assert [(row.target, row.what) for row in bars(facts) if row.what == "disk /tmp"] == [
        (str(number), "disk /tmp") for number in (50, 51, 52)
    ]


@pytest.mark.parametrize(
    "value", [None, "x", [], [None, 1, "x", {}], {"limit": "x", "used": True}, [{"use_percent": float("nan")}]]
)
def test_what_a_users_own_check_made_of_a_name_makes_no_bar_and_no_error(value: Any) -> None:
    facts = dict.fromkeys(("disk_usage", "memory_use", "cpu_use", "pids_use"), value)
    assert all(row.percent is None for row in bars({"a": facts}))


def test_what_was_seen_whole_is_a_sentence_and_the_rest_a_table() -> None:
    told = {
        "a": {"Mounts": "whole", "Logs": "whole", "Files": "in part"},
        "b": {"Mounts": "whole", "Logs": "pods/log is forbidden", "Files": "whole"},
    }
    found = coverage({"coverage": told}, ["a", "b"])
    assert found.whole == ("Mounts",)
    assert found.lines == (("Logs", ("whole", "pods/log is forbidden")), ("Files", ("in part", "whole")))
    # a case of an earlier version does not know it
    assert coverage({}, ["a"]).lines == ()


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
