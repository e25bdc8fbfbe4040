# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages for users show can be typed: it parses, and names playbooks, modules, options and variables that are there."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog
from ansible_collections.incident.distroless.tests.unit.support.examples import blocks, commands, pages

CHECKOUT = Path(__file__).resolve().parents[2]
COLLECTION = "incident.distroless."
# of a page that shows what somebody else's program takes
NOT_ANSIBLE = {"alertmanager.yml"}
ENVIRONMENT = re.compile(r"\bINCIDENT_DISTROLESS_[A-Z_]+\b")


def names(folder: str) -> set[str]:
    return {path.stem for path in (CHECKOUT / folder).iterdir() if not path.name.startswith(("_", "."))}


@cache
def module(name: str) -> Mapping[str, Any]:
    """The options of a module as its documentation lists them, those of its fragments too."""
    text = (CHECKOUT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    (written,) = re.findall(r'^DOCUMENTATION = r"""\n(.*?)^"""', text, flags=re.MULTILINE | re.DOTALL)
    page = yaml.safe_load(written)
    options: dict[str, Any] = {}
    for named in page.get("extends_documentation_fragment", []):
        space, collection, fragment, *part = named.split(".")
        found = importlib.import_module(f"ansible_collections.{space}.{collection}.plugins.doc_fragments.{fragment}")
        shared = getattr(found.ModuleDocFragment, (part or ["documentation"])[0].upper())
        options.update(yaml.safe_load(shared)["options"])
    return {**options, **page.get("options", {})}


def taken(options: Mapping[str, Any]) -> set[str]:
    return {name for option, about in options.items() for name in (option, *about.get("aliases", []))}


@cache
def variables(owner: str) -> set[str]:
    options = catalog()[owner].options
    found = {catalog()[owner].variable(option) for option in options}
    # what people set in the playbook that is run once stands there alone
    text = (CHECKOUT / "playbooks" / "awx_setup.yml").read_text(encoding="utf-8") if owner == "awx_setup" else ""
    return found | {option.alias for option in options if option.alias} | set(re.findall(r"\bawx_setup_\w+", text))


@cache
def of_the_connection() -> set[str]:
    """The variables that the connection plugin and the inventory's hosts have; those of authentication are kubernetes.core's."""
    text = (CHECKOUT / "plugins" / "connection" / "debugger.py").read_text(encoding="utf-8")
    own = set(re.findall(r"\bansible_debugger_\w+", text))
    return own | {f"ansible_debugger_{name}" for name in module("proc_fs_fetch")}


def owner_of(variable: str) -> str | None:
    """The role or playbook whose prefix a name has."""
    found = [name for name in catalog() if variable.startswith(f"{name}_")]
    return max(found, key=len) if found else None


def unknown(name: str) -> bool:
    """Whether a name looks like a variable of ours and is none."""
    if name.startswith("ansible_debugger_"):
        return name not in of_the_connection()
    owner = owner_of(name)
    # with nothing behind it, it stands for all of them
    return owner is not None and name != f"{owner}_" and name not in variables(owner)


def wrong_in(value: Any) -> Iterator[str]:
    """A sentence for each module, option and variable in a parsed example that is not there."""
    if isinstance(value, list):
        for entry in value:
            yield from wrong_in(entry)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if str(key).startswith(COLLECTION):
                yield from wrong_in_task(str(key).removeprefix(COLLECTION), inner)
            elif unknown(str(key)):
                yield f"{key} is no variable"
            yield from wrong_in(inner)
        yield from (f"{role} is no role" for role in roles_in(value) if role not in names("roles"))


def wrong_in_task(name: str, given: Any) -> Iterator[str]:
    if name not in names("plugins/modules"):
        yield f"{COLLECTION}{name} is no module"
        return
    known = module(name)
    yield from (f"{name} has no option {option}" for option in given if option not in taken(known))
    debug = given.get("debug") or {}
    if isinstance(debug, dict) and debug:
        inner = known["debug"]["suboptions"]
        yield from (f"debug of {name} has no {option}" for option in debug if option not in taken(inner))


def roles_in(play: Mapping[Any, Any]) -> list[str]:
    listed = play.get("roles") or []
    named = [row.get("role", "") if isinstance(row, dict) else str(row) for row in listed]
    return [name.removeprefix(COLLECTION) for name in named if name.startswith(COLLECTION)]


def given_by(words: list[str]) -> list[str]:
    """The names that the extra variables of a command line give."""
    found: list[str] = []
    for word, value in itertools.pairwise(words):
        if word in ("-e", "--extra-vars") and not value.startswith("@"):
            pairs = json.loads(value) if value.startswith("{") else dict([value.split("=", 1)])
            found += pairs
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_what_a_page_shows_as_yaml_is_yaml_with_options_that_are_there(page: Path) -> None:
    for text in blocks(page, "yaml"):
        first = text.lstrip().partition("\n")[0].removeprefix("# ").split(";")[0]
        if first not in NOT_ANSIBLE:
            assert [wrong for part in yaml.safe_load_all(text) for wrong in wrong_in(part)] == [], text


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_what_a_page_shows_as_a_command_names_playbooks_and_variables_that_are_there(page: Path) -> None:
    for command in commands(page):
        words = shlex.split(command, comments=True)
        for word in words[1:2] if words[:1] == ["ansible-playbook"] else []:
            owner = word.removeprefix(COLLECTION)
            if owner != word:
                assert owner in names("playbooks"), command
                assert [name for name in given_by(words) if name not in variables(owner)] == [], command


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_what_a_page_calls_a_variable_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    quoted = set(re.findall(r"`([a-z][a-z0-9_]+)(?:[=:][^`]*)?`", text))
    things = {
        name
        for folder in ("modules", "filter", "lookup", "inventory", "connection")
        for name in names(f"plugins/{folder}")
    }
    things |= names("roles") | names("playbooks")
    assert [name for name in sorted(quoted - things) if unknown(name)] == []
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((CHECKOUT / "plugins").rglob("*.py")))
    assert [name for name in sorted(set(ENVIRONMENT.findall(text))) if name not in sources] == []


# what each of them would say of an example that is wrong: a test that never says no tells nothing
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- incident.distroless.nothing: {}", "incident.distroless.nothing is no module"),
        ("- incident.distroless.proc_fs_fetch: {source: /x}", "proc_fs_fetch has no option source"),
        ("- incident.distroless.proc_fs_fetch: {debug: {img: x}}", "debug of proc_fs_fetch has no img"),
        ("pod_triage_podd: x", "pod_triage_podd is no variable"),
        ("vars: {ansible_debugger_nobody: x}", "ansible_debugger_nobody is no variable"),
        ("- roles: [{role: incident.distroless.none}]", "none is no role"),
    ],
)
def test_an_example_that_is_wrong_is_told(text: str, sentence: str) -> None:
    assert list(wrong_in(yaml.safe_load(text))) == [sentence]


def test_names_that_a_command_gives_are_found() -> None:
    words = shlex.split("""ansible-playbook x -e a_b=1 -e '{"c_d": ["e=f"]}' -e @file""")
    assert given_by(words) == ["a_b", "c_d"]
