# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other people's playbooks are written against, each thing a line: `python3 tests/tool.py interface` writes tests/interface.json.

Options with their aliases and choices, keys of results, variables of roles and playbooks, reasons. It is written anew by a release, and
in between compared with: a line that is gone is a playbook of somebody's that breaks.
"""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGINS = CHECKOUT / "plugins"
OPTIONS = PLUGINS / "plugin_utils" / "_options" / "options.yml"
BASE = CHECKOUT / "tests" / "interface.json"
OURS = "incident.distroless."
# in fragments of documentation these are kubernetes.core's, which promises them itself
DOCUMENTED = ("modules", "connection", "inventory")


def promised() -> list[str]:
    """Return every thing as a line, sorted."""
    return sorted({*_plugins(), *_variables(), *_reasons(), *_names()})


def _names() -> Iterator[str]:
    for kind, folder in (("playbook", "playbooks"), ("role", "roles")):
        for path in (CHECKOUT / folder).iterdir():
            if path.suffix in ("", ".yml") and path.name not in ("files", "vars"):
                yield f"{kind} {path.stem}"


def _plugins() -> Iterator[str]:
    for folder in DOCUMENTED:
        for path in sorted((PLUGINS / folder).glob("*.py")):
            texts = _texts(path)
            if "DOCUMENTATION" in texts:
                name = f"{folder.removesuffix('s')} {path.stem}"
                page = yaml.safe_load(texts["DOCUMENTATION"])
                yield name
                yield from _options({**_shared(page), **(page.get("options") or {})}, f"{name} option")
                yield from _results(yaml.safe_load(texts.get("RETURN", "{}")), f"{name} result")


def _shared(page: Mapping[str, Any]) -> dict[str, Any]:
    """The options of our own fragments that a page has taken over."""
    named = [
        name.removeprefix(OURS) for name in page.get("extends_documentation_fragment", []) if name.startswith(OURS)
    ]
    options: dict[str, Any] = {}
    for name in named:
        file, _dot, part = name.partition(".")
        texts = _texts(PLUGINS / "doc_fragments" / f"{file}.py")
        options.update(yaml.safe_load(texts[(part or "documentation").upper()]).get("options") or {})
    return options


def _texts(path: Path) -> dict[str, str]:
    """The texts that a file gives names to, also in a class."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.update({target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)})
    return found


def _options(options: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, about in options.items():
        place = f"{above} {name}"
        yield f"{place}: {about.get('type', 'str')}"
        yield from (f"{place} alias {alias}" for alias in about.get("aliases", []))
        yield from (f"{place} choice {choice}" for choice in about.get("choices", []))
        yield from _options(about.get("suboptions") or {}, place)


def _results(results: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, about in (results or {}).items():
        place = f"{above} {name}"
        yield f"{place}: {about['type']}"
        yield from _results(about.get("contains") or {}, place)


def _variables() -> Iterator[str]:
    source = yaml.safe_load(OPTIONS.read_text(encoding="utf-8"))
    for owner, entry in {**source["roles"], **source["playbooks"]}.items():
        for row in _rows(entry["options"], source):
            kind = row["kind"] if isinstance(row["kind"], str) else min(row["kind"])
            yield f"variable {owner}_{row['name']}: {kind}"
            if row.get("alias"):
                yield f"variable {owner}_{row['name']} alias {row['alias']}"
            if kind == "choice":
                yield from (f"variable {owner}_{row['name']} choice {word}" for word in row["kind"]["choice"])


def _rows(entries: list[Any], source: Mapping[str, Any]) -> Iterator[Any]:
    for entry in entries:
        if "name" in entry:
            yield entry
            continue
        group = source["groups"][entry["group"]] if "group" in entry else source["roles"][entry["of"]]["options"]
        wanted = entry.get("only")
        yield from (row for row in group if "name" in row and (not wanted or row["name"] in wanted))


def _reasons() -> Iterator[str]:
    yield from (f"reason {word}" for word in _reasons_page().load_reasons())


def _reasons_page() -> ModuleType:
    # this file is run by itself too, and as a part of a package
    spec = importlib.util.spec_from_file_location("_reasons_page", Path(__file__).with_name("reasons.py"))
    if spec is None or spec.loader is None:
        raise ImportError("reasons.py cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written() -> str:
    """Return the text of the file."""
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    return json.dumps({"release": version, "promised": promised()}, indent=1) + "\n"


if __name__ == "__main__":
    BASE.write_text(written(), encoding="utf-8")
