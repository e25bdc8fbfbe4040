# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No analyzer of any role says pass of what was not seen: one test for each of its facts and each way in which that can fail."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import DERIVED
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Analyzer,
    analyze,
    parse_analyzers,
)
from jinja2 import Environment, meta

ROLES = Path(__file__).parents[3] / "roles"
FILES = sorted([*ROLES.glob("*/analyzers/*.yml"), *ROLES.glob("*/*/analyzers/*.yml")])
# what is there whatever was collected
GIVEN = {"role", "target", "missing", "cut", "stale", "unread", "settings", "item", "namespace"}
FAILS: dict[str, Any] = {
    "missing": {"missing": "nobody collected it"},
    "timed out": {"missing": "the command took longer than 60 s"},
    "refused": {"missing": "pods is forbidden"},
    "cut": {"cut": True},
    "stale": {"stale": "the node is not heard of"},
    "contradicted": {"stale": "the container was started again before it was looked into"},
}


def of(path: Path) -> list[Analyzer]:
    # what follows from what is said across files
    analyzers = yaml.safe_load(path.read_text(encoding="utf-8"))["analyzers"]
    return parse_analyzers({str(path): {"analyzers": analyzers}})


def passing(analyzer: Analyzer) -> Analyzer:
    """The same with the same needs, and so that with whole facts it passes."""
    return replace(
        analyzer,
        given=lambda **_facts: True,
        for_each=None,
        when=lambda **_facts: analyzer.otherwise is None,
        message=lambda **_facts: "All is well.",
        next=lambda **_facts: "",
        otherwise=None if analyzer.otherwise is None else (lambda **_facts: "All is well."),
    )


CASES = [
    pytest.param(analyzer, need, how, id=f"{path.parts[-3]}-{analyzer.name}-{need}-{how}")
    for path in FILES
    for analyzer in of(path)
    if analyzer.otherwise or analyzer.verdict == "pass"
    for need in analyzer.needs
    for how in FAILS
]


@pytest.mark.parametrize(("analyzer", "need", "how"), CASES)
def test_a_fact_that_is_not_whole_is_never_a_pass(analyzer: Analyzer, need: str, how: str) -> None:
    whole: dict[str, Any] = {name: {} for name in analyzer.needs}
    (passed,) = analyze(whole, [passing(analyzer)], {})
    assert passed.verdict == "pass"
    assert passed.message.endswith(f"Seen whole: {', '.join(analyzer.needs)}."), passed.message
    broken = FAILS[how]
    facts = {name: value for name, value in whole.items() if name != need or "missing" not in broken}
    facts["missing"] = {need: broken["missing"]} if "missing" in broken else {}
    facts["cut"] = [need] if "cut" in broken else []
    facts["stale"] = {need: broken["stale"]} if "stale" in broken else {}
    (found,) = analyze(facts, [passing(analyzer)], {})
    assert found.verdict == "unknown"
    assert need in found.message
    assert broken.get("missing", broken.get("stale", "")) in found.message


ENTRIES = [
    pytest.param(entry, id=f"{path.parts[-3]}-{entry['name']}")
    for path in FILES
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["analyzers"]
    if entry.get("otherwise") or entry.get("verdict") == "pass"
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_pass_has_no_claim_of_its_own(entry: dict[str, Any]) -> None:
    own = entry["message"] if entry["verdict"] == "pass" else entry["otherwise"]
    assert own is True or "{{" in own, "words without a figure"
    claim = re.search(r"\b(No|Nothing|None|Nobody|Each|Every|Everything|All|Fewer) [a-z]+", str(own))
    # what was done to a copy is told, not judged
    assert claim is None or entry["name"] == "copy_made", claim


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_pass_needs_every_fact_that_it_speaks_of(entry: dict[str, Any]) -> None:
    assert entry.get("needs"), "a pass that stands on nothing"
    environment = Environment(autoescape=True)
    environment.filters |= dict.fromkeys(("address", "holding", "quantity"), str)
    used: set[str] = set()
    for key in ("for_each", "when", "message", "otherwise"):
        text = str(entry.get(key, ""))
        source = "{{ " + text + " }}" if key in ("for_each", "when") and text else text
        used |= meta.find_undeclared_variables(environment.parse(source))
    needs = set(entry["needs"])
    # what is read off the same object comes with it
    known = {source for need in needs for source in DERIVED.get(need, (need,))} | needs
    unseen = {name for name in used - GIVEN - known if not set(DERIVED.get(name, (name,))) <= known}
    assert unseen == set(), f"it speaks of {sorted(unseen)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_what_is_hard_to_know_is_python_and_no_condition_of_many_lines(path: Path) -> None:
    for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["analyzers"]:
        long = [key for key in ("given", "for_each", "when") if len(str(entry.get(key, ""))) > 3 * 150]
        assert not long, f"{entry['name']}: {long}"
