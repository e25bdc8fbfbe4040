# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/values.rst, what becomes of a value that is given for an option of a role: python3 tests/tool.py values"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "values.rst"
REFUSED = "refused:"
# what people, surveys and other tools give
TEXTS = (
    *(
        "",
        " ",
        "api-0",
        "5",
        "-1",
        "1.5",
        "0x10",
        "12:30:00",
        "2026-11-29",
        "yes",
        "maybe",
        "~",
        "512Ki",
        "a,b",
        "a\nb",
    ),
    *("db:5432", '["a", "b"]', "[5]", '{"a": "b"}', "a: b", '{"ttl": "60"}', '[{"pod": "api-0"}]'),
)
VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    5,
    -1,
    1.5,
    [],
    ["a", "b"],
    [5],
    [""],
    {},
    {"a": "b"},
    {"ttl": "60"},
    [{"pod": "api-0"}],
)

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.values:

What becomes of a value
=======================

Each option of a role is converted once, before anything is asked or injected, or refused by its name. What it takes depends on its kind alone:
not on the role, and on ansible-core only where AWX is between. The extra variables of an AWX job are text with the tag ``!unsafe``, which
ansible-core from 2.19 on reads as YAML once more: a survey's answer ``yes`` arrives as a boolean there, and ``12:30:00`` as the number 45000.
What is empty or null is as if it was not given, so that the default holds; a dash stands for that below.

The first column of each table is the value; the second what becomes of it in a vars file, in JSON extra variables or by ``-e name=value``, and
in an AWX job with ansible-core 2.18; the third, for text, what becomes of it in an AWX job with ansible-core 2.19 or newer, where that is
something else. Kinds that differ in their bounds, in the words to choose from or in their keys alone share a table, which shows one of them. On
each tested ansible-core
``tests/unit/roles/test_values_from_awx.py::test_each_role_makes_of_a_value_what_the_page_says`` tries every value for every option of every role.
"""


class Option(Protocol):
    """One option."""

    name: str
    kind: Any


class Owner(Protocol):
    """A role or a playbook, and its options."""

    name: str
    options: Sequence[Option]


def page(owners: Mapping[str, Owner], kinds: Any) -> str:
    """Return the page's text: a section for each kind of option. `kinds`: the module of that name."""
    return HEAD + "".join("".join(_section(kind, names, kinds)) for kind, names in _grouped(owners))


def becomes(kind: Any, value: object, kinds: Any, place: Any) -> str:
    """Return what a kind makes of a value, as JSON, or why it refuses it; a dash where it is as if nothing was given."""
    if not kinds.is_given(value):
        return "-"
    try:
        return json.dumps(kind.take(value, place), ensure_ascii=False)
    except kinds.Refused as refused:
        return f"{REFUSED} {refused}"


def read_again(value: object) -> object:
    """Return what ansible-core from 2.19 on makes of a value whose texts have the tag !unsafe."""
    match value:
        case dict():
            return {key: read_again(entry) for key, entry in value.items()}
        case list():
            return [read_again(entry) for entry in value]
        case str():
            loader: Any = yaml.SafeLoader("")
            tag = loader.resolve(yaml.ScalarNode, value, (True, False))
            return loader.construct_object(yaml.ScalarNode(tag, value))
    return value


def _grouped(owners: Mapping[str, Owner]) -> list[tuple[Any, list[str]]]:
    """Return the first kind of each family, and the names of the options whose kinds are of it."""
    groups: dict[object, tuple[Any, list[str]]] = {}
    for owner in owners.values():
        for option in owner.options:
            _first, names = groups.setdefault(_family(option.kind), (option.kind, []))
            if option.name not in names:
                names.append(option.name)
    return list(groups.values())


def _family(kind: Any) -> object:
    """Return what kinds have in common that differ in bounds, in the words to choose from or in their keys alone."""
    of = getattr(kind, "of", None)
    name = type(kind).__name__
    return (name, _family(of), getattr(kind, "by_comma", None)) if of else (name, getattr(kind, "expected", ""))


def _section(kind: Any, names: Sequence[str], kinds: Any) -> Iterator[str]:
    title = _title(kind)
    yield f"\n{title}\n{'-' * len(title)}\n\n{', '.join(_literal(name) for name in sorted(names))}\n\n"
    yield ".. list-table::\n   :header-rows: 1\n   :widths: 24 46 30\n\n"
    yield "   * - Value\n     - Becomes\n     - By AWX, from 2.19 on\n"
    refused: dict[str, list[str]] = {}
    place = kinds.Place("option")
    for value in (*TEXTS, *VALUES):
        made = becomes(kind, value, kinds, place)
        again = becomes(kind, read_again(value), kinds, place)
        if made.startswith(REFUSED) and again.startswith(REFUSED):
            why = made.removeprefix(f"{REFUSED} ").removeprefix("option: ").partition(", got")[0].rstrip(".")
            refused.setdefault(why, []).append(_literal(json.dumps(value)))
        elif kinds.is_given(value):
            other = "" if again == made else f" {_literal(again)}"
            yield f"   * - {_literal(json.dumps(value))}\n     - {_literal(made)}\n     -{other}\n"
    yield from (f"\nRefused ({why}): {', '.join(values)}\n" for why, values in refused.items())


def _title(kind: Any) -> str:
    words = kind.words or f"{kind.expected[0].upper()}{kind.expected[1:]}."
    return re.sub(r"\b[CEMOV]\(([^()]*)\)", r"\1", words).rstrip(".")


def _literal(text: str) -> str:
    return f"``{text}``"


if __name__ == "__main__":
    from . import tree

    sys.path.insert(0, str(tree.linked()))
    package = "ansible_collections.incident.distroless.plugins.plugin_utils._options"
    catalog = importlib.import_module(f"{package}.catalog").catalog()
    PAGE.write_text(page(catalog, importlib.import_module(f"{package}.kinds")), encoding="utf-8")
