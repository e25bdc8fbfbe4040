# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of values that options have, and how each takes what a command line, a vars file or AWX made of one.

AWX writes extra variables as `!unsafe ''`, which ansible-core from 2.19 on reads as YAML again: '' is None there, '5' a number, 'true' a boolean,
12:30:00 is 45000. So each kind takes every form that has one meaning, and refuses the others in words.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import parse_size

_WORDS = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_SHOWN = 100
# Python makes no text of a number with more than 4300 digits
_HUGE = 10**100


class Refused(ValueError):
    """A value that is not what its option takes: a sentence that names the option."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the name that messages give it, whether it may be shown in them, and the notes made on the way."""

    name: str
    is_secret: bool = False
    notes: list[str] = field(default_factory=list)

    def entry(self, key: str, *, is_secret: bool = False) -> Place:
        """Return the place of an entry of this value."""
        return Place(f"{self.name}{key}", self.is_secret or is_secret, self.notes)

    def refusal(self, expected: str, value: object) -> Refused:
        """Return the error that says what was expected and what came."""
        return Refused(f"{self.name}: expected {expected}, got {'another value' if self.is_secret else shown(value)}.")


class Kind(Protocol):
    """What an option takes."""

    @property
    def words(self) -> str:
        """Return what it takes, in words for the documentation."""

    def take(self, value: object, place: Place) -> Any:
        """Return the typed value of one that was given; raise Refused, which names it."""


def is_given(value: object) -> bool:
    """Return whether a value says anything: '' and None do not."""
    return not (value is None or (isinstance(value, str) and not value.strip()))


def shown(value: object) -> str:
    """Return what a value is, and its beginning, for a message."""
    if isinstance(value, int) and abs(value) >= _HUGE:
        return "a number of more than 100 digits"
    said = json.dumps(str(value)[: _SHOWN + 1], ensure_ascii=False)
    cut = said if len(str(value)) <= _SHOWN else f"{said[:_SHOWN]}..."
    match value:
        case bool() | int() | float():
            return f"the {'boolean' if isinstance(value, bool) else 'number'} {cut.strip(chr(34))}"
        case str():
            return f"the text {cut}"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        # of ansible-core's own class since 2.19
        case dt.date():
            return f"the {'time' if isinstance(value, dt.datetime) else 'date'} {value.isoformat()}"
    return f"{type(value).__name__} {cut}"


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it is. A pattern says what all of it must be, and `expected` says that in words."""

    pattern: str = ""
    expected: str = "text"
    is_trimmed: bool = False
    words: str = ""

    def take(self, value: object, place: Place) -> str:
        """Return the text; of a number, a boolean or a date the form that YAML would give it, with a note."""
        text = self._text(value, place)
        text = text.strip() if self.is_trimmed else text
        if "\0" in text or (self.pattern and not re.fullmatch(self.pattern, text)):
            raise place.refusal(self.expected, value)
        return text

    def _text(self, value: object, place: Place) -> str:
        match value:
            case str():
                return str.__str__(value)
            case bool():
                text = "true" if value else "false"
            case int() if abs(value) < _HUGE:
                text = str(int(value))
            case float() if value - value == 0:
                text = format(Decimal(repr(float(value))), "f")
            case dt.date():
                text = value.isoformat()
            case _:
                raise place.refusal(self.expected, value)
        told = "a value that is not text" if place.is_secret else f"{shown(value)} as the text {json.dumps(text)}"
        place.notes.append(
            f"{place.name} takes {told}. Where another spelling was meant, such as 0x10 or 12:30:00, quote it twice."
        )
        return text


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    among: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return what it takes."""
        return f"One of {', '.join(f'V({word})' for word in self.among)}."

    def take(self, value: object, place: Place) -> str:
        """Return the word."""
        word = value.strip() if isinstance(value, str) else value
        if not isinstance(word, str) or word not in self.among:
            raise place.refusal(f"one of {', '.join(self.among)}", value)
        return str.__str__(word)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    words: str = "True or false."

    def take(self, value: object, place: Place) -> bool:
        """Return the boolean that a boolean, its name, 1 or 0 means."""
        word = str(int(value)) if isinstance(value, (int, float)) and value in (0, 1) else value
        known = _WORDS.get(word.strip().lower()) if isinstance(word, str) else None
        if known is None:
            raise place.refusal("true or false", value)
        return known


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number within bounds."""

    low: int = 0
    high: int | None = None

    @property
    def words(self) -> str:
        """Return what it takes."""
        return f"A whole number {self._bounds}."

    @property
    def _bounds(self) -> str:
        return f"of {self.low} or more" if self.high is None else f"from {self.low} to {self.high}"

    def take(self, value: object, place: Place) -> int:
        """Return the number that a number or its decimal form means."""
        number = None
        if (isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value, re.ASCII)) or (
            isinstance(value, (int, float)) and not isinstance(value, bool) and value % 1 == 0
        ):
            number = int(value)
        if number is None or number < self.low or (self.high is not None and number > self.high):
            raise place.refusal(f"a whole number {self._bounds}", value)
        return number


@dataclass(frozen=True, slots=True)
class Quantity:
    """A size, which stays text: `100Mi` is said to people as it was written."""

    words: str = "A number of bytes, or one with a unit such as V(512Ki), V(20M) or V(2Gi)."

    def take(self, value: object, place: Place) -> str:
        """Return the size as text."""
        if isinstance(value, bool) or not (isinstance(value, str) or (isinstance(value, int) and abs(value) < _HUGE)):
            raise place.refusal("a size such as 512Ki or 2Gi", value)
        text = str(value).strip()
        try:
            parse_size(text, place.name)
        except Failure as failure:
            raise place.refusal("a size such as 512Ki or 2Gi", value) from failure
        return text


@dataclass(frozen=True, slots=True)
class Certificates:
    """Certificates in PEM, each of them whole: `-e name="$(cat ca.pem)"` hands over no more than `-----BEGIN`."""

    words: str = "Certificates in PEM."

    def take(self, value: object, place: Place) -> str:
        """Return the text, which holds certificates and nothing of another kind."""
        text = value.strip() if isinstance(value, str) else ""
        begun = re.findall("-----BEGIN ([A-Z0-9 ]+)-----", text)
        ended = re.findall("-----END ([A-Z0-9 ]+)-----", text)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError):
            begun = []
        if begun != ended or set(begun) != {"CERTIFICATE"}:
            raise place.refusal("whole certificates in PEM, and no keys", value)
        return f"{text}\n"


@dataclass(frozen=True, slots=True)
class Many:
    """A list. Text is JSON if that is a list, else one entry a line, and where `by_comma` also at commas that no parentheses hold."""

    of: Kind
    by_comma: bool = False
    most: int | None = None

    @property
    def words(self) -> str:
        """Return what it takes."""
        parts = "separated by lines or commas" if self.by_comma else "one a line"
        bound = f", at most {self.most}" if self.most else ""
        return f"A list{bound}; as text a JSON list, or its entries {parts}."

    def take(self, value: object, place: Place) -> list[Any]:
        """Return the entries; a blank one is refused: as a selector it would match everything."""
        entries = self._entries(value, place)
        if self.most is not None and len(entries) > self.most:
            raise Refused(f"{place.name}: expected at most {self.most} entries, got {len(entries)}.")
        for number, entry in enumerate(entries, 1):
            if not is_given(entry):
                raise Refused(f"{place.name}: entry {number} is blank.")
        return [self.of.take(entry, place.entry(f"[{number}]")) for number, entry in enumerate(entries)]

    def _entries(self, value: object, place: Place) -> Sequence[object]:
        match value:
            case str():
                listed = _json(value, "[")
                if isinstance(listed, list):
                    return listed
                lines = [line.strip() for line in value.splitlines() if line.strip()]
                return [piece for line in lines for piece in _pieces(line)] if self.by_comma else lines
            case list() | tuple():
                return value
            case Mapping():
                raise place.refusal("a list", value)
        return [value]


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping whose keys are known, each with its kind. Keys without a value are left out."""

    known: Mapping[str, Kind]
    secrets: frozenset[str] = frozenset()

    @property
    def words(self) -> str:
        """Return what it takes."""
        return (
            f"A mapping with any of {', '.join(f'C({name})' for name in self.known)}; as text a JSON or YAML mapping."
        )

    def take(self, value: object, place: Place) -> dict[str, Any]:
        """Return the fields; one that is not known is refused by its name."""
        given = mapping(value, place)
        unknown = [str(key)[:_SHOWN] for key in given if key not in self.known]
        if unknown:
            raise Refused(f"{place.name} has no key {', '.join(unknown)}; expected any of {', '.join(self.known)}.")
        return {
            str(key): self.known[key].take(one, place.entry(f".{key}", is_secret=key in self.secrets))
            for key, one in given.items()
            if is_given(one)
        }


@dataclass(frozen=True, slots=True)
class Object:
    """A mapping whose keys are the user's. Its values have a kind, or are whatever they are."""

    of: Kind | None = None
    words: str = "A mapping; as text a JSON or YAML mapping."

    def take(self, value: object, place: Place) -> dict[str, Any]:
        """Return the mapping."""
        given = mapping(value, place)
        if self.of is None:
            return dict(given)
        return {
            str(key): self.of.take("" if one is None else one, place.entry(f".{key}")) for key, one in given.items()
        }


def mapping(value: object, place: Place) -> Mapping[Any, Any]:
    """Return the mapping that a value is, or that its text holds as JSON or YAML."""
    if isinstance(value, str):
        found = _json(value, "{") or _yaml(value)
        if not isinstance(found, Mapping):
            raise place.refusal("a JSON or YAML mapping", value)
        return found
    if not isinstance(value, Mapping):
        raise place.refusal("a mapping", value)
    return value


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, of which a few lines can make a value that fills the memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def _json(text: str, beginning: str) -> object:
    """Return the value of JSON text that begins so, else None."""
    try:
        return json.loads(text) if text.lstrip().startswith(beginning) else None
    except (ValueError, RecursionError):
        return None


def _yaml(text: str) -> object:
    """Return the value of YAML text, else None."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _pieces(line: str) -> Iterator[str]:
    """Split at commas outside parentheses: `app in (a, b), tier=x` is two selectors. Blank pieces stay, to be refused."""
    depth, begin = 0, 0
    for index, character in enumerate(line):
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            yield line[begin:index].strip()
            begin = index + 1
    yield line[begin:].strip()
