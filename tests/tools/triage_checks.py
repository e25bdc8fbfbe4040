# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/checks.rst from the roles' collectors and analyzers: python3 tests/tool.py triage_checks"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
ROLES = CHECKOUT / "roles"
CAUSES = CHECKOUT / "plugins" / "plugin_utils" / "_health" / "causes.py"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "checks.rst"

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.checks:

Collectors and analyzers
========================

``python3 tests/tool.py triage_checks`` wrote this page from the roles' own files, and
``tests/unit/test_docs.py::test_the_page_of_checks_is_what_its_tool_writes`` compares them. A collector's name is the key of its fact, which analyzers name in
``needs``, and the name of its file in the case. One of :ref:`your own <ansible_collections.incident.distroless.docsite.own_check>` with the same name takes its
place. ``pod_triage`` has those of ``crashloop_triage``, ``disk_triage``, ``network_triage`` and ``process_triage`` beside its own. A pass in brackets is said
where nothing was found and all that is needed was seen whole.

.. contents::
   :local:
"""
TABLE = ".. list-table::\n   :header-rows: 1\n   :widths: {widths}\n\n{rows}\n"


def page(roles: Path = ROLES) -> str:
    """Return the page's text: the roles by their names, each with its collectors and its analyzers in the order of its files."""
    return HEAD + "".join(text for role in sorted(roles.iterdir()) for text in _role(role))


def _role(role: Path) -> Iterator[str]:
    collectors, analyzers = _listed(role, "collectors"), _listed(role, "analyzers")
    if not collectors and not analyzers:
        return
    yield f"\n{role.name}\n{'-' * len(role.name)}\n"
    if collectors:
        rows = [(_code(row["name"]), row.get("title", ""), _source(row), _parser(row)) for row in collectors]
        yield f"\n{_table('22 42 18 18', ('Collector', 'What it shows', 'Taken from', 'Parser'), rows)}"
    if analyzers:
        named = [(_code(row["name"]), _title(row), _needs(row), _verdict(row)) for row in analyzers]
        yield f"\n{_table('22 42 24 12', ('Analyzer', 'What is wrong', 'Needs', 'Verdict'), named)}"


def _listed(role: Path, kind: str) -> list[Mapping[str, Any]]:
    files = [path for path in sorted(role.rglob("*.yml")) if path.parent.name.startswith(kind)]
    return [row for path in files for row in yaml.safe_load(path.read_text(encoding="utf-8"))[kind]]


def _source(row: Mapping[str, Any]) -> str:
    if "api" in row:
        return "the API"
    return "what another one took" if "file" in row else "the debugger"


def _parser(row: Mapping[str, Any]) -> str:
    return "" if "api" in row else _code(row.get("parser", "text"))


def _title(row: Mapping[str, Any]) -> str:
    return str(row.get("title") or causes()[row["cause"]].title)


def _needs(row: Mapping[str, Any]) -> str:
    return ", ".join(_code(name) for name in row.get("needs", ())) or ("health" if "cause" in row else "")


def _verdict(row: Mapping[str, Any]) -> str:
    verdict = str(row.get("verdict") or causes()[row["cause"]].verdict)
    return f"{verdict} (pass)" if row.get("otherwise") else verdict


def _code(word: str) -> str:
    return f"``{word}``"


def _table(widths: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    text = "".join(
        f"   * - {first}\n" + "".join(f"     -{_cell(cell)}\n" for cell in rest) for first, *rest in (head, *rows)
    )
    return TABLE.format(widths=widths, rows=text).rstrip("\n") + "\n"


def _cell(text: str) -> str:
    # what has an underscore is a name; a star of its own would begin an emphasis
    shown = re.sub(r"(?<!`)\b[a-z]+_\w+\b(?!`)", r"``\g<0>``", text.replace("*", r"\*"))
    return f" {shown}" if shown else ""


def causes() -> Mapping[str, Any]:
    """Return KINDS of _health/causes.py, read without the rest of the collection."""
    if "_causes" not in sys.modules:
        spec = importlib.util.spec_from_file_location("_causes", CAUSES)
        if spec is None or spec.loader is None:
            raise ImportError(f"{CAUSES} cannot be loaded")
        module = importlib.util.module_from_spec(spec)
        # a dataclass looks its module up by name
        sys.modules["_causes"] = module
        spec.loader.exec_module(module)
    kinds: Mapping[str, Any] = sys.modules["_causes"].KINDS
    return kinds


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
