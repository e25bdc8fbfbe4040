# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a use asks for is what the documented Roles allow, and a Role of exactly that is what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.module_utils._preflight.uses import (
    USES,
    Access,
    as_rules,
    asked_of,
    needed_by,
)

FILES = Path(__file__).parents[5] / "playbooks" / "files"
Pairs = set[tuple[str, str, str, str]]


def pairs(rules: list[dict[str, Any]]) -> Pairs:
    return {
        (group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def of_file(name: str) -> Pairs:
    return pairs(yaml.safe_load((FILES / name).read_text(encoding="utf-8"))["rules"])


def of_use(*names: str) -> Pairs:
    items = yaml.safe_load((FILES / "roles-by-use.yml").read_text(encoding="utf-8"))["items"]
    rules = {item["metadata"]["name"].removeprefix("incident-distroless-"): item["rules"] for item in items}
    return {pair for name in names for pair in pairs(rules[name])}


def asked(accesses: list[Access] | tuple[Access, ...]) -> Pairs:
    return {(access.group, access.resource, access.verb, access.name) for access in accesses}


CLAIMS = ("persistentvolumeclaims", "get")
OTHERS = {("", "resourcequotas", "list", ""), ("policy", "poddisruptionbudgets", "list", "")}
NEEDED = {
    "look": of_use("debug"),
    "fetch": of_use("debug"),
    "copy": of_use("copy", "end-copy"),
    "quarantine": of_file("quarantine-role.yml") - OTHERS,
    "evidence": of_use("debug"),
}
ALL = {
    "look": of_file("role.yml") | of_file("triage-role.yml"),
    "fetch": of_file("role.yml"),
    # the documentation says in words that claims can be read besides
    "copy": of_use("copy", "end-copy", "workload") | {("", *CLAIMS, "")},
    "quarantine": of_file("role.yml") | of_file("quarantine-role.yml"),
    "evidence": of_file("role.yml") | of_file("triage-role.yml") | of_file("evidence-cluster-role.yml"),
}


@pytest.mark.parametrize("use", USES)
def test_a_use_needs_and_asks_for_what_the_documented_roles_allow(use: str) -> None:
    assert asked(USES[use].needed) == NEEDED[use]
    assert asked(asked_of([use])) == ALL[use]


@pytest.mark.parametrize("use", USES)
def test_the_printed_rules_allow_exactly_what_is_needed(use: str) -> None:
    rules = as_rules(needed_by([use]))
    assert pairs(rules) == NEEDED[use]
    # as much is granted by no pair of a resource and a verb twice
    assert sum(len(rule["resources"]) * len(rule["verbs"]) for rule in rules) == len(NEEDED[use])


def test_all_uses_together_need_what_each_of_them_does() -> None:
    assert pairs(as_rules(needed_by(USES))) == set().union(*NEEDED.values())
