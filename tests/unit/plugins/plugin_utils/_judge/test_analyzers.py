# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import as_rows, parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import DERIVED
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    MAX_MATCHES,
    Judgement,
    analyze,
    parse_analyzers,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import inside_facts
from jinja2 import Template

ROLES = Path(__file__).parents[5] / "roles"
FULL = {
    "name": "full",
    "title": "A disk is full",
    "needs": ["disks"],
    "for_each": "disks",
    "when": "item.percent >= settings.limit",
    "verdict": "fail",
    "message": "{{ item.point }} is full.",
    "next": "Delete something.",
    "otherwise": True,
}


def judge(facts: dict[str, Any], limit: object = 95, **changes: Any) -> list[Judgement]:
    entry = {key: value for key, value in {**FULL, **changes}.items() if value is not None}
    return analyze(facts, parse_analyzers({"checks.yml": {"analyzers": [entry]}}), {"limit": limit})


def disks(*percents: int, point: str = "/data") -> dict[str, Any]:
    return {"disks": [{"point": point, "percent": percent} for percent in percents]}


def test_each_match_is_a_finding() -> None:
    first, second = judge(disks(99, 10, 100))
    assert (first.verdict, first.message, first.next) == ("fail", "/data is full.", "Delete something.")
    assert second.verdict == "fail"


@pytest.mark.parametrize(
    "text", ["Look at 5 % } of #it.", "Two lines\nthat end.\n\n", "From Windows\r\n", " blanks ", "{# none #}x\n"]
)
def test_a_text_that_is_no_template_is_what_jinja_makes_of_it(text: str) -> None:
    entry = {**FULL, "message": text, "next": text, "otherwise": text}
    (analyzer,) = parse_analyzers({"checks.yml": {"analyzers": [entry]}})
    assert analyzer.otherwise is not None
    assert {said(item=1) for said in (analyzer.message, analyzer.next, analyzer.otherwise)} == {Template(text).render()}


def test_a_setting_that_came_as_text_is_a_number() -> None:
    assert [found.verdict for found in judge(disks(99, 10), limit="95")] == ["fail"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Not found, in 2 looked at: a disk is full. Seen whole: disks."),
        ({"for_each": "disks[:0]"}, "Not found, with none to look at: a disk is full. Seen whole: disks."),
        ({"for_each": None, "when": "false"}, "Not found: a disk is full. Seen whole: disks."),
        (
            {"otherwise": "Counted from {{ settings.limit }} % on."},
            "Not found, in 2 looked at: a disk is full. Counted from 95 % on. Seen whole: disks.",
        ),
        # what an analyzer says of its own stands behind the claim, and never in its place
        ({"title": "DNS fails", "otherwise": "All is well"}, "Not found, in 2 looked at: DNS fails. All is well. Seen"),
    ],
)
def test_a_pass_claims_no_more_than_was_looked_at(changes: dict[str, Any], said: str) -> None:
    (found,) = judge(disks(10, 20), **changes)
    assert found.verdict == "pass"
    assert found.message.startswith(said)


def test_no_match_is_nothing_where_no_pass_is_asked_for() -> None:
    assert judge(disks(10), otherwise=None) == []


def test_a_missing_fact_is_unknown_and_says_why() -> None:
    (only,) = judge({"missing": {"disks": "the command took longer than 60 s"}})
    assert only.verdict == "unknown"
    assert "disks is missing (the command took longer than 60 s)" in only.message


def test_a_fact_that_no_collector_brings_is_unknown() -> None:
    (only,) = judge({})
    assert "nothing collects it" in only.message


def test_what_is_not_given_is_not_judged_though_its_facts_are_missing() -> None:
    assert judge({"more": {}}, given="more") == []
    (only,) = judge({"more": {"x": 1}}, given="more")
    assert only.verdict == "unknown"


def test_whether_something_is_given_is_unknown_where_that_cannot_be_told() -> None:
    (only,) = judge(disks(99), given="nobody.knows")
    assert only.verdict == "unknown"


@pytest.mark.parametrize(
    "when", ["item.percnt >= 95", "item.percent / 0", "item.point > 3", "nobody", "item['percent']['x']"]
)
def test_an_expression_that_the_facts_do_not_fit_is_unknown_and_never_a_pass(when: str) -> None:
    (only,) = judge(disks(99), when=when)
    assert only.verdict == "unknown"


@pytest.mark.parametrize(
    "expression", ["item.__class__", "''.__class__.__mro__", "item.update({'percent': 1})", "range(10**9) | list"]
)
def test_an_expression_reaches_nothing_but_the_facts(expression: str) -> None:
    (only,) = judge(disks(99), when=expression)
    assert only.verdict == "unknown"


def test_a_pod_s_text_is_never_a_template() -> None:
    (only,) = judge(disks(99, point="{{ 7 * 7 }}{% for x in y %}"))
    assert only.message == "{{ 7 * 7 }}{% for x in y %} is full."


def test_a_pod_s_text_is_shown_escaped() -> None:
    (only,) = judge(disks(99, point="/\x1b[31m\u202e"))
    assert only.message == "/\\x1b[31m\\u202e is full."


def test_thousands_of_matches_do_not_fill_the_report() -> None:
    found = judge(disks(*[99] * 1000))
    assert len(found) == MAX_MATCHES + 1
    assert found[-1].message == "980 more of the same."


def test_an_analyzer_without_for_each_is_judged_once() -> None:
    (only,) = judge(disks(99), for_each=None, when="disks | length > 0", message="{{ disks | length }} disk.")
    assert only.message == "1 disk."


def test_quantities_are_numbers() -> None:
    (only,) = judge(disks(99), when="'64Mi' | quantity == 67108864 and '1500m' | quantity == 2")
    assert only.verdict == "fail"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Full"}, "small letters"),
        ({"verdict": "bad"}, "verdict"),
        ({"message": None}, "message"),
        ({"needs": "disks"}, "needs"),
        ({"when": "item.percent >="}, "."),
        ({"given": "disks |"}, "."),
        ({"message": "{{ item.point"}, "."),
        ({"severity": "high"}, "severity"),
        ({"otherwhise": "x"}, "otherwhise"),
        # of what is used only where there is something to say, or deep inside
        ({"message": "{{ item | nosuch }}"}, "nosuch"),
        ({"next": "{% if false %}{{ 1 | nosuch }}{% endif %}"}, "nosuch"),
        ({"otherwise": "{{ [1] | select('odd') | list if 1 is nosuch }}"}, "nosuch"),
        ({"when": "1 | nosuch"}, "nosuch"),
        ({"given": "[1 | nosuch] | length > 0"}, "nosuch"),
        ({"for_each": "[1, 2"}, "unexpected end of template"),
        ({"when": "1 2"}, "chunk after expression"),
    ],
)
def test_an_analyzer_that_is_none_is_refused_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"checks.yml: analyzers\[0\]: .*{said}"):
        judge({}, **changes)


def borrowed(role: Path) -> set[str]:
    """The collectors of other roles that a role says it uses, each of which must be there."""
    names = set()
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text(encoding="utf-8"))
    for task in tasks:
        for other, wanted in task.get("vars", {}).get("triage_borrowed", {}).items():
            there = {entry.name for entry in parse_collectors(read_checks([str(ROLES / other / "collectors")]))}
            assert set(wanted) <= there
            names |= set(wanted)
    return names


def with_profiles(role: Path) -> list[Path]:
    """A role, after those whose checks are its own too."""
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text(encoding="utf-8"))
    return [*(ROLES / name for task in tasks for name in task.get("vars", {}).get("triage_profiles", [])), role]


@pytest.mark.parametrize("folder", sorted(ROLES.glob("*/analyzers")), ids=lambda folder: folder.parent.name)
def test_the_analyzers_of_each_role_need_only_what_the_role_collects(folder: Path) -> None:
    roles = with_profiles(folder.parent)
    analyzers = parse_analyzers(read_checks([str(role / "analyzers") for role in roles]))
    own = parse_collectors(read_checks([str(role / "collectors") for role in roles]))
    collected = {entry.name for entry in own} | borrowed(folder.parent)
    derived = {name for name, sources in DERIVED.items() if collected.intersection(sources)}
    assert analyzers
    assert {name for analyzer in analyzers for name in analyzer.needs} <= collected | derived | {"target"}


def test_the_readme_says_how_many_checks_of_a_pod_need_a_look_inside() -> None:
    roles = with_profiles(ROLES / "pod_triage")
    analyzers = parse_analyzers(read_checks([str(role / "analyzers") for role in roles]))
    inside = inside_facts(as_rows(parse_collectors(read_checks([str(role / "collectors") for role in roles]))))
    count = sum(bool(inside.intersection(analyzer.needs)) for analyzer in analyzers)
    said = re.findall(r"were not made: (\d+)", (ROLES.parent / "README.md").read_text(encoding="utf-8"))
    assert said == [str(count)]
