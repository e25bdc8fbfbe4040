# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on a list of indicators is found in whatever form it is written, and what can match nothing is no pass."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import analyze, parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.sockets import address
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import ROLES

HASH = "ab" * 32
MINER = {"pid": 7, "name": "xmrig-notls-sta", "exe": "/usr/bin/xmrig-notls-static", "state": "S", "command": "x"}
PEER = {"protocol": "tcp6", "local": "::1", "local_port": 1, "remote": "2001:db8::1", "remote_port": 443}
FACTS = {"processes": [MINER], "binaries": {"7": HASH}, "sockets": [PEER]}
ANALYZERS = [
    analyzer
    for analyzer in parse_analyzers(read_checks([str(ROLES / "process_triage" / "analyzers")]))
    if analyzer.name.startswith("indicator_")
]


def found(facts: dict[str, Any] | None = None, **indicators: Any) -> dict[str, str]:
    """Analyzer -> verdict."""
    judgements = analyze({**FACTS, **(facts or {})}, ANALYZERS, {"indicators": indicators})
    return {judgement.analyzer: judgement.verdict for judgement in judgements}


@pytest.mark.parametrize(
    ("kind", "indicator", "analyzer"),
    [
        ("names", "xmrig-notls-sta", "indicator_name"),
        ("names", "xmrig-notls-static", "indicator_name"),
        ("paths", "/usr/bin/xmrig-notls-static", "indicator_path"),
        ("sha256", HASH, "indicator_hash"),
        ("sha256", f" {HASH.upper()}\n", "indicator_hash"),
        ("addresses", "2001:db8::1", "indicator_address"),
        ("addresses", "2001:DB8:0:0::1", "indicator_address"),
    ],
)
def test_an_indicator_is_found_in_each_of_its_forms(kind: str, indicator: str, analyzer: str) -> None:
    assert found(**{kind: ["other", indicator]}).items() >= {(analyzer, "fail")}


def test_a_process_that_gave_itself_another_name_is_found_by_its_file() -> None:
    assert found({"processes": [{**MINER, "name": "nginx"}]}, names=["xmrig-notls-static"]) == {
        "indicator_name": "fail"
    }


def test_a_longer_name_with_the_same_beginning_is_another_one() -> None:
    other = {**MINER, "name": "kworker", "exe": "/kworker"}
    assert found({"processes": [other]}, names=["kworkerds", "kwork"]) == {"indicator_name": "pass"}


def test_that_indicators_were_looked_for_is_said_and_without_any_nothing() -> None:
    given = {"names": ["a"], "paths": ["/a"], "sha256": ["0" * 64], "addresses": ["192.0.2.1"]}
    judgements = analyze(FACTS, ANALYZERS, {"indicators": given})
    assert {judgement.verdict for judgement in judgements} == {"pass"}
    assert [" given: 1. Seen whole: " in judgement.message for judgement in judgements] == [True] * 4
    assert found() == {}
    assert found(names=None, paths=[], sha256=None, addresses=[]) == {}


@pytest.mark.parametrize(
    ("indicators", "expected"),
    [
        ({"addresses": ["evil.example"]}, {"indicator_no_address": "unknown", "indicator_address": "pass"}),
        (
            {"addresses": ["192.0.2.0/24", PEER["remote"]]},
            {"indicator_no_address": "unknown", "indicator_address": "fail"},
        ),
        ({"sha256": ["d41d8cd98f00b204e9800998ecf8427e"]}, {"indicator_no_hash": "unknown", "indicator_hash": "pass"}),
    ],
)
def test_an_indicator_that_can_match_nothing_is_unknown(indicators: dict[str, Any], expected: dict[str, str]) -> None:
    assert found(**indicators) == expected


def test_a_file_that_was_not_hashed_is_unknown() -> None:
    assert found({"binaries": {}}, sha256=[HASH]) == {"indicator_hash": "pass", "indicator_hash_unseen": "unknown"}
    ended = {"processes": [{**MINER, "state": "Z"}, {**MINER, "exe": ""}], "binaries": {}}
    assert found(ended, sha256=[HASH]) == {"indicator_hash": "pass"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" ::FFFF:192.0.2.1 ", "192.0.2.1"),
        ("2001:DB8:0:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1:443", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_is_written_as_the_sockets_have_it(text: object, expected: str) -> None:
    assert address(text) == expected
