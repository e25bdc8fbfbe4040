# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each rule does what its examples say, and one of a user's that cannot be meant so is refused by its file and name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._redact import ruleset
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import (
    KINDS,
    MAX_WAYS,
    WINDOW,
    Rule,
    marked,
    own_rules,
    replaced,
    users_rules,
    ways,
)

OWN = own_rules()
FORMS = [rule for rule in OWN if rule.where == "text"]
NAMES = [rule for rule in OWN if rule.where == "name"]
GIVEN: dict[str, Any] = {
    "name": "ticket",
    "kind": "token",
    "pattern": "SHOP-[A-Z0-9]{8}",
    "source": "our shop",
    "match": ["got [[SHOP-ABCD1234]] here"],
    "no_match": ["SHOP-1"],
}


def bracketed(_kind: str, value: bytes) -> bytes:
    return b"[[%s]]" % value


def folder(place: Path, **changed: object) -> str:
    row = {key: value for key, value in {**GIVEN, **changed}.items() if value is not None}
    (place / "shop.yml").write_text(yaml.safe_dump([row]), encoding="utf-8")
    return str(place)


def test_the_collections_rules_have_names_of_their_own_and_can_be_found_fast() -> None:
    assert len({rule.name for rule in OWN}) == len(OWN) > 40
    for rule in OWN:
        assert rule.kind in KINDS
        assert rule.where in ("text", "name")
        assert rule.keywords or rule.hint
        # Python before 3.11.5 keeps what such a group took before it failed (python/cpython#106052)
        assert not re.search(rb"(?<!\\)\)(?:[?*+]|\{[0-9,]+\})\+", rule.pattern), rule.name
        assert all(word == word.lower() for word in rule.keywords)
        assert rule.match
        assert rule.no_match


@pytest.mark.parametrize("rule", FORMS, ids=lambda rule: rule.name)
def test_a_rule_replaces_of_its_examples_what_they_say_and_nothing_else(rule: Rule) -> None:
    for example in rule.match:
        plain, _secrets = marked(example)
        assert replaced([rule], plain, bracketed) == example.encode()
    for example in rule.no_match:
        assert replaced([rule], example.encode(), bracketed) == example.encode()


@pytest.mark.parametrize("rule", NAMES, ids=lambda rule: rule.name)
def test_a_rule_for_names_makes_the_value_a_secret_and_leaves_what_its_examples_say(rule: Rule) -> None:
    for example in rule.match:
        plain, secrets = marked(example)
        shown = Redactor(b"salt").text(plain)
        assert secrets
        assert not any(secret in shown for secret in secrets)
        # without what was replaced, the rest is as it was
        assert shown.startswith(plain[: plain.index(secrets[0])])
    for example in rule.no_match:
        assert Redactor(b"salt").text(example.encode()) == example.encode()


def test_each_rule_for_names_is_needed_for_its_examples() -> None:
    for rule in NAMES:
        others = tuple(other for other in OWN if other is not rule)
        left = [plain for plain, secrets in map(marked, rule.match) if secrets[0] in Redactor(b"s", others).text(plain)]
        assert left, rule.name


def test_a_users_rule_is_read_after_the_collections_own(tmp_path: Path) -> None:
    found = users_rules([folder(tmp_path)])
    assert [rule.name for rule in found] == ["ticket"]
    shown = Redactor(b"salt", (*OWN, *found)).text(b"a SHOP-ABCD1234, password=hunter2")
    assert b"ABCD1234" not in shown
    assert b"hunter2" not in shown


def test_a_users_rule_for_names(tmp_path: Path) -> None:
    found = users_rules(
        [
            folder(
                tmp_path, where="name", kind="secret", pattern="voucher", keywords=["voucher"], match=["voucher=[[x]]"]
            )
        ]
    )
    shown = Redactor(b"salt", (*OWN, *found)).text(b'gift_voucher=hunter2 {"voucher": "hunter2", "n": 1}')
    assert b"hunter2" not in shown


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"pattern": "("}, "its pattern is not a regular expression"),
        ({"pattern": "x*"}, "its pattern matches where nothing is"),
        ({"pattern": 17}, "expected text as pattern, got 17"),
        ({"kind": "email"}, "expected key or secret or token as kind, got 'email'"),
        ({"where": "here"}, "expected text or name as where, got 'here'"),
        ({"where": "name"}, "a rule for names needs keywords"),
        ({"match": ["SHOP-ABCD1234"]}, "does not replace what stands in [[ ]]"),
        ({"match": ["[[other]]"]}, "does not replace what stands in [[ ]]"),
        ({"match": []}, "match has no example"),
        ({"no_match": ["SHOP-ABCD1234"]}, "is an example of what stays"),
        ({"source": None}, "source is missing"),
        ({"colour": "red"}, "colour is not a key of a rule"),
        ({"keywords": "shop"}, "expected a list of text as keywords"),
        ({"hint": "x"}, "hint is not a key of a rule"),
    ],
)
def test_a_rule_that_is_none_is_refused_by_its_file_and_name(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match="ticket") as error:
        users_rules([folder(tmp_path, **changed)])
    assert said in str(error.value)
    assert str(tmp_path / "shop.yml") in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"), [("a: 1", "is not a list of rules"), ("- 17", "rule 1"), ("[", "is not YAML")]
)
def test_a_file_that_has_no_rules_is_refused_by_its_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "shop.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"shop\.yml") as error:
        users_rules([str(tmp_path)])
    assert said in str(error.value)


def test_a_folder_of_rules_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        users_rules([str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(?:a*)*b", "(a|b|ab)*c", "x.*y.*z", "(?:(?:a{1,64}){1,64}){1,64}b", "(?=(a+)+b)a"]
)
def test_a_pattern_that_can_be_tried_in_very_many_ways_is_refused(tmp_path: Path, pattern: str) -> None:
    assert ways(pattern.encode()) > MAX_WAYS
    with pytest.raises(ValueError, match="too many ways"):
        users_rules([folder(tmp_path, pattern=pattern)])


@pytest.mark.parametrize(
    "pattern", ["SHOP-[A-Z0-9]+", "SHOP-\\d{4,8}:.*", "(?:a|b)++c", "a(?>b+c?)d", "key=.*end", "(?:ab)+c"]
)
def test_a_pattern_that_people_write_is_not(pattern: str) -> None:
    assert ways(pattern.encode()) <= MAX_WAYS


def test_a_users_pattern_reads_bounded_pieces_and_finds_what_stands_between_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rule = ruleset._rule(GIVEN, is_own=True)
    read: list[int] = []
    pattern = ruleset.compiled(rule.pattern)

    class Counting:
        """Notes how much a search may read; what a pattern tries in it is bounded by the number of its ways."""

        groupindex: ClassVar[dict[str, int]] = {}

        def finditer(self, data: bytes, start: int, stop: int) -> Any:
            read.append(stop - start)
            return pattern.finditer(data, start, stop)

    monkeypatch.setattr(ruleset, "compiled", lambda *_pattern: Counting())
    # in each place of a piece once
    for before in range(WINDOW - 16, WINDOW + 2):
        read.clear()
        shown = replaced([rule], b"x" * before + b" SHOP-ABCD1234 " + b"y" * 4000, bracketed)
        assert shown.count(b"[[SHOP-ABCD1234]]") == 1
        assert max(read) <= WINDOW
        assert sum(read) < 3 * (before + 4015)
