# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make test` runs on the lowest pair: few tests, in which each module, role and plugin of the collection is used."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
SMOKE = CHECKOUT / "tests" / "integration" / "smoke.txt"
MOST = 40


def chosen() -> list[str]:
    """The tests, as pytest calls them."""
    lines = SMOKE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@cache
def body(path: str, function: str) -> str:
    """The source of a test, and of all in its file that is no other test."""
    source = (CHECKOUT / path).read_text(encoding="utf-8")
    nodes = ast.parse(source).body
    kept = [
        node
        for node in nodes
        if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test_")) or node.name == function
    ]
    assert any(isinstance(node, ast.FunctionDef) and node.name == function for node in kept), f"no {function} in {path}"
    return "\n".join(ast.get_source_segment(source, node) or "" for node in kept)


@cache
def yaml_of(folder: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((CHECKOUT / folder).rglob("*.yml")))


def everything() -> dict[str, str]:
    """Name of each module, role and plugin -> the regular expression of its use in YAML."""
    modules = {path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem != "__init__"}
    roles = {path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir()}
    filters = {path.stem for path in (CHECKOUT / "plugins" / "filter").glob("*.yml")}
    others = {
        path.stem
        for kind in ("connection", "inventory", "lookup", "test")
        for path in (CHECKOUT / "plugins" / kind).glob("*.py")
        if path.stem != "__init__"
    }
    return {name: rf"\bincident\.distroless\.{name}\b" for name in modules | roles | filters | others}


def used() -> set[str]:
    """What the chosen tests use: by its name, through a role's playbook, or through what a role is made of."""
    names = everything()
    texts = {body(*test.partition("[")[0].split("::")) for test in chosen()}
    found = {name for name, pattern in names.items() for text in texts if re.search(rf'"{name}"|{pattern}', text)}
    playbooks = {path.stem: path for path in (CHECKOUT / "playbooks").glob("*.yml")}
    todo = list(found | {name for name in playbooks for text in texts if f'"{name}"' in text})
    while todo:
        name = todo.pop()
        told = yaml_of(f"roles/{name}") if (CHECKOUT / "roles" / name).is_dir() else ""
        told += playbooks[name].read_text(encoding="utf-8") if name in playbooks else ""
        new = {other for other, pattern in names.items() if other not in found and re.search(pattern, told)}
        found |= new
        todo += new
    return found


def test_there_are_few_of_them_and_each_once() -> None:
    tests = chosen()
    assert len(tests) <= MOST
    assert len(set(tests)) == len(tests)


def test_each_is_there() -> None:
    assert all(body(*test.partition("[")[0].split("::")) for test in chosen())


def test_each_module_role_and_plugin_is_used() -> None:
    assert sorted(set(everything()) - used()) == []
