# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes meta/argument_specs.yml and defaults/main.yml of the roles, and NAME.meta.yaml of the playbooks, from
plugins/plugin_utils/_options/options.yml.

It needs PyYAML: python3 tests/tool.py options
"""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

CHECKOUT = Path(__file__).parents[2]
HEAD = """\
---
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Written by tests/tools/options.py; change plugins/plugin_utils/_options/options.yml.
"""
WIDTH = 140
# ansible-core's type of a kind. What a whole play is given is refused by it before any task; of the other kinds role_options knows more
TYPES = {
    "Choice": "str",
    "Fields": "dict",
    "Flag": "bool",
    "Many": "list",
    "Number": "int",
    "Object": "dict",
    "Text": "str",
}


class Kind(Protocol):
    """What an option takes."""

    @property
    def words(self) -> str:
        """Return what that is, in words."""


class Option(Protocol):
    """One option."""

    name: str
    kind: Kind
    about: tuple[str, ...]
    default: Any
    is_secret: bool
    computed: str


class Role(Protocol):
    """A role and its options."""

    name: str
    title: str
    about: tuple[str, ...]
    options: Sequence[Option]


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as the other files here have it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def pages(roles: Sequence[Role]) -> dict[Path, str]:
    """Return the text of each file that is written, by its path in the checkout."""
    found: dict[Path, str] = {}
    for role in roles:
        folder = Path("roles") / role.name
        found[folder / "meta" / "argument_specs.yml"] = f"{HEAD}\n{_dumped({'argument_specs': {'main': _specs(role)}})}"
        found[folder / "defaults" / "main.yml"] = f"{HEAD}\n{''.join(_defaults(role))}"
    return found


def play_pages(owners: Mapping[str, Role]) -> dict[Path, str]:
    """Return the text of each playbook's argument spec, by its path in the checkout: ansible-core 2.20 and newer validates a play by it
    that says validate_argspec. Ours cannot: 2.18 and 2.19 refuse a play with that word."""
    return {
        Path("playbooks") / f"{name}.meta.yaml": f"{HEAD}\n{_dumped(_play_spec(owner))}"
        for name, owner in owners.items()
        if (CHECKOUT / "playbooks" / f"{name}.yml").is_file()
    }


def _play_spec(owner: Role) -> dict[str, Any]:
    spec = {
        "short_description": owner.title,
        "options": {f"{owner.name}_{option.name}": _play_option(option) for option in owner.options},
        "examples": f"ansible-playbook incident.distroless.{owner.name}",
    }
    return {
        "short_description": owner.title,
        "description": (owner.about or (owner.title,))[0],
        "argument_specs": {owner.name: spec},
    }


def _play_option(option: Option) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "description": option.about[0],
        "type": TYPES.get(type(option.kind).__name__, "raw"),
    }
    if choices := getattr(option.kind, "among", ()):
        spec["choices"] = list(choices)
    if option.is_secret:
        spec["no_log"] = True
    return spec


def _specs(role: Role) -> dict[str, Any]:
    return {
        "short_description": role.title,
        "version_added": "0.1.0",
        "author": "incident.distroless maintainers (@incident-distroless)",
        "description": list(role.about),
        "options": {f"{role.name}_{option.name}": _spec(option) for option in role.options},
    }


def _spec(option: Option) -> dict[str, Any]:
    """Return an option's spec, whose type lets every value through that role_options then takes or refuses by name."""
    spec: dict[str, Any] = {
        "description": [*option.about, option.kind.words] if option.kind.words else list(option.about),
        # with a default, None is no valid text to ansible-core 2.18
        "type": "str" if _is_text(option) else "raw",
    }
    if option.default != "":
        spec["default"] = option.default
    if option.is_secret:
        spec["no_log"] = True
    return spec


def _is_text(option: Option) -> bool:
    return type(option.kind).__name__ == "Text" and option.default == ""


def _defaults(role: Role) -> Iterator[str]:
    for option in role.options:
        plain = re.sub(r"\b[CEMOV]\(([^()]*)\)", r"\1", option.about[0])
        yield textwrap.fill(plain, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False) + "\n"
        # an end of document follows a bare scalar
        value = (
            yaml.safe_dump(option.default, default_flow_style=True).removesuffix("...\n").strip().replace("''", '""')
        )
        yield f"{role.name}_{option.name}: {value}\n"


def _dumped(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Indented, sort_keys=False, width=110, allow_unicode=True)


if __name__ == "__main__":
    from . import tree

    sys.path.insert(0, str(tree.linked()))
    catalog = importlib.import_module("ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog")
    for path, text in {**pages(catalog.roles()), **play_pages(catalog.catalog())}.items():
        (CHECKOUT / path).write_text(text, encoding="utf-8")
