# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of roles and playbooks, as options.yml lists them, and what becomes of what a user gave for them.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import (
    Certificates,
    Choice,
    Fields,
    Flag,
    Kind,
    Many,
    Number,
    Object,
    Place,
    Quantity,
    Refused,
    Text,
    is_given,
)

SOURCE = Path(__file__).with_name("options.yml")
# the one in C takes a tenth of the time
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# a name of Kubernetes never has blanks around it; an answer that was pasted may
_NAME = Text(expected="a name", is_trimmed=True)
_NAMES = Many(_NAME, by_comma=True)
_LINES = Many(Text())
_HOST = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
_ADDRESS = rf"(\[[0-9A-Fa-f:.]+\]|{_HOST}):[0-9]{{1,5}}"
_DEBUG: dict[str, Kind] = {
    "image": _NAME,
    "image_pull_policy": Choice(("Always", "IfNotPresent", "Never")),
    "name": _NAME,
    "profile": Choice(("auto", "general", "baseline", "restricted", "netadmin", "sysadmin")),
    "identity": Choice(("auto", "image", "match", "elevated")),
    "allow_elevated": Flag(),
    "run_as_user": Number(),
    "run_as_group": Number(),
    "env": Object(of=Text()),
    "custom": Object(),
    "patch": Many(Object()),
    "ttl": Number(1),
    "wait_timeout": Number(1),
}
_INDICATORS: dict[str, Kind] = {"names": _NAMES, "paths": _LINES, "sha256": _NAMES, "addresses": _NAMES}
KINDS: dict[str, Callable[..., Kind]] = {
    "text": Text,
    "name": lambda: _NAME,
    # it is one folder's name, whoever chose it
    "folder_name": lambda: Text(r"(?!\.\.?\Z)[^/]{1,200}", "the name of one folder", is_trimmed=True),
    "flag": Flag,
    "number": Number,
    "size": Quantity,
    "choice": lambda *words: Choice(words),
    "names": lambda: _NAMES,
    "lines": lambda: _LINES,
    "ports": lambda: Many(Number(1, 65535), by_comma=True),
    "host_names": lambda: Many(Text(_HOST, "a host's name", is_trimmed=True), by_comma=True),
    "variables": lambda: Many(
        Text(r"[A-Za-z_][A-Za-z0-9_.-]{0,252}", "a variable's name", is_trimmed=True), by_comma=True
    ),
    "peers": lambda: Many(
        Text(rf"(tls://)?{_ADDRESS}", "host:port or tls://host:port", is_trimmed=True), by_comma=True
    ),
    "uses": lambda: Many(Choice(("look", "fetch", "copy", "quarantine", "evidence")), by_comma=True),
    "probes": lambda: Many(Text(_ADDRESS, "host:port", is_trimmed=True), by_comma=True, most=5),
    "targets": lambda: Many(Object()),
    "texts_by_name": lambda: Object(of=Text()),
    "object": Object,
    "certificates": Certificates,
    "indicators": lambda: Fields(_INDICATORS),
    # what a pod is told may be a password
    "debug": lambda *names: Fields(
        {name: _DEBUG[name] for name in names or _DEBUG}, frozenset({"env", "custom", "patch"})
    ),
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `about` is its description in paragraphs, `computed` the name of a default that only a run knows; a place is a path of
    the host that the play runs on, or a list of them; `within` is the option, a mapping, that gets this one as a key."""

    name: str
    kind: Kind
    about: tuple[str, ...]
    default: Any = ""
    is_setting: bool = False
    is_secret: bool = False
    is_required: bool = False
    is_place: bool = False
    alias: str = ""
    within: str = ""
    computed: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """A role or a playbook: its title, what it does in paragraphs, and its options in the order of its pages."""

    name: str
    title: str
    about: tuple[str, ...]
    options: tuple[Option, ...]

    def variable(self, option: Option) -> str:
        """Return the name of the variable that an option is given by."""
        return f"{self.name}_{option.name}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of what was given: typed values by their short names, the settings among them, and what the user should know."""

    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    notes: Sequence[str]


def _source() -> Any:
    return yaml.load(SOURCE.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe


@cache
def catalog() -> Mapping[str, Owner]:
    """Return every role and playbook that has options, by its name."""
    source = _source()
    owners = {**source["roles"], **source["playbooks"]}
    return {name: _owner(name, entry, source) for name, entry in owners.items()}


def roles() -> Sequence[Owner]:
    """Return those that are roles."""
    return [catalog()[name] for name in _source()["roles"]]


def take(owner: Owner, given: Mapping[str, object], computed: Mapping[str, str]) -> Taken:
    """Return the typed values of the variables in given, each converted once; '' and None are as if they were not there.

    computed has a value for each name that an option's `computed` holds. Raises Failure InvalidRequest with a sentence for each value that is
    not what its option takes.
    """
    options: dict[str, Any] = {}
    notes: list[str] = []
    refusals: list[str] = []
    for option in owner.options:
        try:
            options[option.name] = _value(owner, option, given, computed, notes)
        except Refused as refused:
            refusals.append(str(refused))
    if refusals:
        raise Failure("InvalidRequest", " ".join(refusals))
    for option in owner.options:
        if option.within and options[option.name]:
            options[option.within] = {**options[option.within], option.name: options[option.name]}
    settings = {option.name: _setting(options[option.name]) for option in owner.options if option.is_setting}
    return Taken(options, settings, notes)


def anchored(owner: Owner, options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return options with every relative place below a folder; `~` is the user's home in them, as Ansible has it."""

    def anchor(path: str) -> str:
        return str(folder / os.path.expanduser(path))  # noqa: PTH111 - pathlib raises for a user that is not there

    made = dict(options)
    for option in owner.options:
        value = made[option.name]
        if option.is_place and value:
            made[option.name] = [anchor(entry) for entry in value] if isinstance(value, list) else anchor(value)
    return made


def _value(
    owner: Owner, option: Option, given: Mapping[str, object], computed: Mapping[str, str], notes: list[str]
) -> Any:
    variable = owner.variable(option)
    found = {name: given[name] for name in (variable, option.alias) if is_given(given.get(name))}
    if len(found) == 2 and found[variable] != found[option.alias]:
        raise Refused(f"{variable} and {option.alias} are the same option, and were given different values.")
    for name, value in found.items():
        taken = option.kind.take(value, Place(name, option.is_secret, notes))
        if taken or not option.is_required:
            return taken
    if option.is_required:
        raise Refused(f"{variable} is needed.")
    return computed[option.computed] if option.computed else option.default


def _setting(value: Any) -> Any:
    """Return a value as a collector's shell takes it from its environment: a list as words, a flag as 1 or 0."""
    if isinstance(value, list):
        return " ".join(str(entry) for entry in value)
    return int(value) if isinstance(value, bool) else value


def _owner(name: str, entry: Mapping[str, Any], source: Mapping[str, Any]) -> Owner:
    rows = [row for listed in entry["options"] for row in _rows(listed, source)]
    return Owner(
        name, entry["title"], _paragraphs(entry.get("about", []), name), tuple(_option(row, name) for row in rows)
    )


def _rows(listed: Mapping[str, Any], source: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """An entry of an owner's list is an option, a group of them, or those of a role (`of`) that are in no group; of which some say
    something else here (`but`), or only some are meant (`only`)."""
    if "group" in listed:
        rows = source["groups"][listed["group"]]
    elif "of" in listed:
        rows = [row for row in source["roles"][listed["of"]]["options"] if "name" in row]
    else:
        rows = [listed]
    names = listed.get("only") or [row["name"] for row in rows]
    yield from ({**row, **listed.get("but", {}).get(row["name"], {})} for row in rows if row["name"] in names)


def _option(row: Mapping[str, Any], owner: str) -> Option:
    kind, arguments = (row["kind"], ()) if isinstance(row["kind"], str) else next(iter(row["kind"].items()))
    return Option(
        name=row["name"],
        kind=KINDS[kind](*arguments),
        about=_paragraphs(row["about"], owner),
        default=row.get("default", ""),
        is_setting=row.get("setting", False),
        is_secret=row.get("secret", False),
        is_required=row.get("required", False),
        is_place=row.get("place", False),
        alias=row.get("alias", ""),
        within=row.get("within", ""),
        computed=row.get("computed", ""),
    )


def _paragraphs(about: str | Sequence[str], owner: str) -> tuple[str, ...]:
    return tuple(text.replace("{role}", owner) for text in ([about] if isinstance(about, str) else about))
