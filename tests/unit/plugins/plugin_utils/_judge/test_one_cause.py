# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of several failures one leads: what follows from it is a warning that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import deleted_share
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Analyzer,
    Judgement,
    analyze,
    parse_analyzers,
)

ROLES = Path(__file__).parents[5] / "roles"
PROFILES = ("crashloop_triage", "disk_triage", "network_triage", "process_triage", "pod_triage")


def fails(name: str) -> dict[str, Any]:
    return {"name": name, "title": f"It is {name}", "when": name, "verdict": "fail", "message": f"{name} it is."}


def judged(*consequences: Any, **facts: bool) -> dict[str, str]:
    """What is said of facts that are what fails: name of an analyzer -> its verdict."""
    content = {"analyzers": [fails(name) for name in facts], "consequences": list(consequences)}
    return {row.analyzer: row.verdict for row in analyze(facts, parse_analyzers({"checks.yml": content}), {})}


def test_what_follows_from_a_failure_is_a_warning() -> None:
    follows = {"are": ["silent"], "of": ["cut"]}
    assert judged(follows, cut=True, silent=True) == {"cut": "fail", "silent": "warn"}
    assert judged(follows, cut=False, silent=True) == {"silent": "fail"}


def test_it_names_what_it_follows_from() -> None:
    content = {"analyzers": [fails("cut"), fails("silent")], "consequences": [{"are": ["silent"], "of": ["cut"]}]}
    _cut, silent = analyze({"cut": True, "silent": True}, parse_analyzers({"checks.yml": content}), {})
    assert silent.message == "silent it is. It is taken to follow from: It is cut."


def test_where_the_condition_does_not_hold_both_are_failures() -> None:
    follows = {"are": ["silent"], "of": ["cut"], "when": "tied"}
    both = {"cut": "fail", "silent": "fail"}
    assert judged(follows, cut=True, silent=True, tied=False) == both
    # without the fact that would tie them nothing is said to follow
    assert judged(follows, cut=True, silent=True) == both


def test_of_failures_that_all_follow_from_each_other_none_is_lost() -> None:
    circle = [{"are": ["one"], "of": ["two"]}, {"are": ["two"], "of": ["one"]}]
    assert judged(*circle, one=True, two=True) == {"one": "fail", "two": "fail"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"are": ["silent"]}, "are and of"),
        ({"are": ["silent"], "of": ["nobody"]}, "names of analyzers"),
        ({"are": [], "of": ["cut"]}, "names of analyzers"),
        ({"are": "cut", "of": ["silent"]}, "names of analyzers"),
        ({"are": ["cut"], "of": ["cut"]}, "itself"),
        ({"are": ["silent"], "of": ["cut"], "when": "tied |"}, "."),
        ("silent", "are and of"),
    ],
)
def test_a_consequence_that_is_none_is_refused_with_its_place(entry: object, said: str) -> None:
    with pytest.raises(ValueError, match=rf"checks.yml: consequences\[0\]: .*{said}"):
        judged(entry, cut=True, silent=True)


@pytest.fixture(scope="module")
def of_a_pod() -> list[Analyzer]:
    return parse_analyzers(read_checks([str(ROLES / role / "analyzers") for role in PROFILES]))


def cause(name: str) -> dict[str, Any]:
    about = {"name": name, "title": "T", "verdict": "fail", "message": "It ended.", "next": "", "severity": 1}
    return {"causes": [{**about, "sure": "named"}], "notes": [], "stale": "", "is_well": False}


DISK = {"point": "/data", "fstype": "xfs", "device": "8:1", "size": 100, "inodes": 0, "inodes_used": 0}
FULL = {**DISK, "used": 100, "available": 0, "use_percent": 100, "inodes_percent": 0}
PEER = {"host": "10.0.0.7", "port": 5432, "source": "DB_HOST", "outcome": "refused", "is_service_link": False}
SETTINGS = {"full_percent": 95, "deleted_size": "10", "full_within_seconds": 3600, "growth_rate": "1Mi", "timeout": 3}


def failing(analyzers: list[Analyzer], **facts: Any) -> tuple[list[str], list[Judgement]]:
    found = analyze(facts, analyzers, SETTINGS)
    return [row.analyzer for row in found if row.verdict == "fail"], found


@pytest.mark.parametrize(
    ("words", "leading"),
    [
        (["write /data/x: no space left on device"], ["volume_full"]),
        (["FATAL: could not connect to the database"], ["exit", "volume_full"]),
    ],
)
def test_a_crash_follows_from_a_full_disk_where_the_app_says_so(
    of_a_pod: list[Analyzer], words: list[str], leading: list[str]
) -> None:
    assert failing(of_a_pod, health=cause("exit"), disk_usage=[FULL], last_run=words)[0] == leading


def test_a_crash_follows_from_a_peer_that_refuses_where_the_app_says_so(of_a_pod: list[Analyzer]) -> None:
    said = ["dial tcp 10.0.0.7:5432: connect: connection refused"]
    names, found = failing(of_a_pod, health=cause("exit"), peers=[PEER], last_run=said)
    assert names == ["peer_refuses"]
    (exits,) = (row for row in found if row.analyzer == "exit")
    assert exits.message.endswith("It is taken to follow from: A peer refuses.")


def test_a_volume_is_full_of_what_is_deleted(of_a_pod: list[Analyzer]) -> None:
    holder = {"name": "app", "pid": 1, "fd": 3}
    deleted = {
        "path": "/data/log",
        "size": 60,
        "allocated": 60,
        "device": "8:1",
        "in_memory": False,
        "holders": [holder],
    }

    def of(file: dict[str, Any], *volumes: dict[str, Any]) -> list[str]:
        files = {"files": [file], "sums": [], "unseen": [], "is_complete": True}
        share = deleted_share(volumes, [file])
        facts = {"disk_usage": list(volumes), "deleted_files": files, "deleted_share": share, "mounts": []}
        return failing(of_a_pod, **facts)[0]

    assert of(deleted, FULL) == ["deleted_open"]
    assert of({**deleted, "allocated": 20}, FULL) == ["volume_full", "deleted_open"]
    # of what is full one must be full of something else
    assert of(deleted, FULL, {**FULL, "device": "8:2", "point": "/other"}) == [
        "volume_full",
        "volume_full",
        "deleted_open",
    ]
    # and one that is not full is none of them
    assert of(deleted, FULL, {**FULL, "device": "8:2", "point": "/other", "use_percent": 10}) == ["deleted_open"]


def test_names_do_not_resolve_for_want_of_a_server(of_a_pod: list[Analyzer]) -> None:
    asked = {"name": "db", "asked": "db.", "server": "10.96.0.10", "addresses": []}
    silent = [{**asked, "outcome": "timeout"}]
    assert failing(of_a_pod, lookups=silent)[0] == ["silent_nameserver"]
    # a server that answers has its own say
    other = [*silent, {**asked, "server": "10.96.0.11", "outcome": "NXDOMAIN"}]
    assert failing(of_a_pod, lookups=other)[0] == ["silent_nameserver", "unresolved_name"]


@pytest.mark.parametrize(("grows_on", "leading"), [("8:1", ["volume_full"]), ("8:2", ["volume_full", "fills_up_soon"])])
def test_what_grows_where_it_is_full_is_no_second_failure(
    of_a_pod: list[Analyzer], grows_on: str, leading: list[str]
) -> None:
    other = {**FULL, "point": "/logs", "device": "8:2", "used": 50, "available": 50, "use_percent": 50}
    row = {"device": grows_on, "fastest": "/x", "count": 1, "bytes_per_second": 10}
    growth = {"devices": [row], "files": [], "is_complete": True}
    assert failing(of_a_pod, disk_usage=[FULL, other], growth=growth)[0] == leading
