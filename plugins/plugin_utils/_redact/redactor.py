# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces what is secret or names somebody: keys, tokens, passwords, e-mail and IP addresses become salted, stable markers.

The same value is the same marker wherever it stands, so that a reader can still follow it. Without the salt no marker tells its
value, not even to one who tries all IP addresses. No text costs more time than its length, also where it is hostile.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.assignments import assigned, name_before
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.names import (
    Names,
    is_harmless,
    is_kept,
    names,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.patterns import (
    MAX_PEM,
    addresses,
    headers,
    maybe_address,
    pem,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import (
    Rule,
    compiled,
    own_rules,
    replaced,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.yaml_text import secrets

_LOGIN = re.compile(rb"(?=[a-z+/_-]{0,400}[0-9A-Z=])[A-Za-z0-9+/_-]{8,}+={0,2}")
_BEGIN = re.compile(rb"\{[ \t]*\"|\[[ \t]*[\[{\"]")
# so many places of a line are tried that only look like JSON; a line has one or two, and each try reads the line
_TRIES = 4
# in the singular: ["secrets", "pods"] are kinds
_HEADER = re.compile(r"[A-Za-z0-9_.-]{1,60}(?<![sS])")
_PAIR_NAMES = ("name", "key", "variable", "header", "param", "field", "option", "setting")
_PAIR_VALUES = ("value", "val", "content", "default")
_REFERENCE = frozenset(
    "name secretName namespace key items optional defaultMode mode path audience expirationSeconds apiVersion kind uid".split()
)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name stands twice in an object, and one of its values would be lost.")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("A number is too large to be written again.")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite)


def parsed(data: bytes) -> Any:
    """Return a document. Raises ValueError for what is none, or could not be written again without a loss, and RecursionError."""
    return _DECODER.decode(data.decode("utf-8"))


def segments(data: bytes) -> Iterator[tuple[bytes, Any, bytes]]:
    """Return a text in pieces: what stands before an object or an array, its value, and its bytes; at last what is left, without bytes."""
    at = done = 0
    while begin := _BEGIN.search(data, at):
        end = data.find(b"\n", begin.start())
        at = end = len(data) if end == -1 else end
        for start, stop, value in _of_line(data, begin.start(), end):
            yield data[done:start], value, data[start:stop]
            done = stop
    yield data[done:], None, b""


def _of_line(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, Any]]:
    """Return where objects and arrays stand in the rest of a line. Characters and bytes are counted beside each other."""
    text, at, tries = data[start:end].decode("utf-8", "surrogateescape"), 0, 0
    while tries < _TRIES:
        try:
            value, after = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            tries += 1
            stop = start + 1
            after = at + 1
        else:
            stop = start + len(text[at:after].encode("utf-8", "surrogateescape"))
            yield start, stop, value
        following = _BEGIN.search(data, stop, end)
        if following is None:
            return
        at = after + len(data[stop : following.start()].decode("utf-8", "surrogateescape"))
        start = following.start()


def written(value: Any, before: bytes) -> bytes:
    """Return a value on one line, spaced as it was before. Raises ValueError and RecursionError."""
    separators = (", ", ": ") if b'": ' in before else (",", ":")
    if not before.isascii():
        try:
            return json.dumps(value, separators=separators, ensure_ascii=False).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            pass
    return json.dumps(value, separators=separators).encode("ascii")


def numbered(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name that no other has: two that became one marker both keep their values."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name} ({number})"
    return found


def is_reference(value: Mapping[str, Any]) -> bool:
    """Return whether an object only tells where a Secret of Kubernetes is."""
    return any(name in value for name in ("name", "secretName", "path")) and _REFERENCE.issuperset(value)


def is_header(value: list[Any]) -> bool:
    """Return whether an array can be a header's name and its value: ["Authorization", "Token ..."]."""
    return len(value) == 2 and all(isinstance(entry, str) for entry in value) and bool(_HEADER.fullmatch(value[0]))


# what is secret of a key as JSON has it (RFC 7518, section 6)
_JWK = dict.fromkeys(("d", "p", "q", "dp", "dq", "qi", "oth", "k"), "private_key")


def secret_names(value: Mapping[str, Any]) -> dict[str, str]:
    """Return the names that values of an object have elsewhere in it: {"name": "DB_PASSWORD", "value": ...}."""
    if isinstance(value.get("kty"), str):
        return _JWK
    lower = {name.lower(): name for name in value}
    named = next(
        (value[lower[name]] for name in _PAIR_NAMES if name in lower and isinstance(value[lower[name]], str)), ""
    )
    return {lower[name]: named for name in _PAIR_VALUES if named and name in lower}


__all__ = ["MAX_PEM", "Redactor"]

_HEX = re.compile(rb"(?<![0-9A-Za-z])(_?)([0-9a-f]{16,}+)(?![0-9A-Za-z])")
# of keys in PEM, of Secrets of Kubernetes, and of escapes behind which anything can be
_ALWAYS = (b"-----begin ", b"-----end ", b"secret", b"_b64", b"\\u", b"\\/")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_DIGESTS = (16, 20, 28, 32, 48, 64)
# a word alone, and a time: most of what the strings of a log are
_QUIET = re.compile(r"[A-Za-z_]{0,15}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?Z?")


@dataclass(slots=True)
class Redactor:
    """Replaces, and counts by kind what it replaced. salt: who has it can tell a value's marker; rules: the collection's, and a user's."""

    salt: bytes = field(repr=False)
    rules: tuple[Rule, ...] = field(default_factory=own_rules, repr=False)
    # e-mail and IP addresses name somebody; who looks into a pod has to see them
    hides_addresses: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    _names: Names = field(init=False, repr=False)
    _forms: tuple[Rule, ...] = field(init=False, repr=False)
    _others: tuple[Rule, ...] = field(init=False, repr=False)
    # one of these stands where anything is to be replaced
    _words: tuple[bytes, ...] = field(init=False, repr=False)
    _hints: tuple[re.Pattern[bytes], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sorts the rules by what reads them."""
        self._names = names(self.rules)
        self._forms = tuple(rule for rule in self.rules if rule.where == "text" and rule.is_form)
        self._others = tuple(rule for rule in self.rules if rule.where == "text" and not rule.is_form)
        # of a rule without keywords and hint nothing is known beforehand
        words = [word for rule in self.rules for word in rule.keywords if not rule.hint]
        known = dict.fromkeys([*_ALWAYS, *words])
        # auth-pass is there where pass is
        self._words = tuple(word for word in known if not any(other != word and other in word for other in known))
        hints = [rule.hint or rb"" for rule in self.rules if rule.hint or not rule.keywords]
        self._hints = (_HEX, *(compiled(hint) for hint in hints))

    def anew(self) -> Redactor:
        """Return one that replaces the same, and has counted nothing."""
        return Redactor(self.salt, self.rules, self.hides_addresses)

    def mark(self, kind: str, value: bytes) -> bytes:
        """Return the marker of a value."""
        self.counts[kind] += 1
        digest = hmac.new(self.salt, kind.encode() + b"\0" + value, hashlib.sha256).hexdigest()[:12]
        return f"[{kind}-{digest}]".encode("ascii")

    def text(self, data: bytes) -> bytes:
        """Return text of any kind, with what it holds replaced. JSON in it stays JSON."""
        if self.is_plain(data):
            return data
        pieces: list[bytes] = []
        waiting: list[bytes] = []
        for before, value, raw in segments(secrets(data, self.mark)):
            waiting.append(before)
            name = name_before(before)
            if raw and self.is_plain(raw) and not self._names.is_secret(name.encode("utf-8", "replace")):
                # of it nothing is replaced, nor is what stands around it read in so many pieces
                waiting.append(raw)
                continue
            pieces.append(self._digits(self._plain(b"".join(waiting))))
            waiting.clear()
            if raw:
                pieces.append(self._json(value, raw, name))
        return b"".join(pieces)

    def _digits(self, data: bytes) -> bytes:
        return _HEX.sub(self._hex, data)

    def is_plain(self, data: bytes) -> bool:
        """Return whether nothing in a text can be what a rule finds; most of what a log has is so, and is not read further."""
        lower = data.lower()
        for word in self._words:
            if word in lower:
                return False
        if any(hint.search(data) for hint in self._hints):
            return False
        return not (self.hides_addresses and maybe_address(data))

    def _plain(self, data: bytes) -> bytes:
        data = pem(data, self.mark)
        # what has a form of its own is named by it, before a name or a header says only that it is a secret
        data = headers(replaced(self._forms, data, self.mark), self.mark)
        data = assigned(replaced(self._others, data, self.mark), self.mark, self._names)
        return addresses(data, self.mark) if self.hides_addresses else data

    def _json(self, value: Any, raw: bytes, name: str) -> bytes:
        """Return one object or array of a line; it stays as it was written where nothing of it is replaced."""
        counted = self.counts.copy()
        try:
            found = self.value(value, name)
            return raw if self.counts == counted else written(found, raw)
        except (ValueError, RecursionError):
            self.counts = counted
            return self._digits(self._plain(raw))

    def value(self, value: Any, key: str = "") -> Any:
        """Return what JSON holds, with its strings and keys replaced.

        What a key calls a secret is replaced as a whole: strings, numbers, and those of the objects and arrays below it.
        """
        return self._value(value, key, self.words(key), inherits=False)

    def _value(self, value: Any, key: str, shown: str, *, inherits: bool) -> Any:
        """Return a value, whose key is shown by another name where that was replaced: either decides, so that a second time is the same."""
        name, also = key.encode("utf-8", "replace"), shown.encode("utf-8", "replace")
        is_about = is_harmless(name) and is_harmless(also)
        is_whole = self._names.is_secret(name) or self._names.is_secret(also) or (inherits and not is_about)
        if isinstance(value, dict):
            return self._object(value, inherits=is_whole and not is_reference(value))
        if isinstance(value, list):
            return self._list(value, key, shown, inherits=is_whole)
        if isinstance(value, str) and key.endswith("_b64"):
            return self._base64(value)
        if isinstance(value, str):
            return self._string(value, name, is_whole=is_whole)
        if isinstance(value, int | float) and not isinstance(value, bool) and is_whole:
            text = json.dumps(value).encode()
            return value if is_kept(name, text) else self.mark("secret", text).decode("ascii")
        return value

    def _object(self, value: dict[str, Any], *, inherits: bool, is_of_secrets: bool = False) -> dict[str, Any]:
        told, found = secret_names(value), dict[str, Any]()
        is_of_secrets = is_of_secrets or value.get("kind") in ("Secret", "SecretList")
        for name, entry in value.items():
            shown = self.words(name)
            place = numbered(shown, found)
            if is_of_secrets and name in ("data", "stringData"):
                found[place] = self._whole(entry)
            elif is_of_secrets and name == "items" and isinstance(entry, list):
                found[place] = [
                    self._object(row, inherits=inherits, is_of_secrets=True)
                    if isinstance(row, dict)
                    else self._value(row, name, shown, inherits=inherits)
                    for row in entry
                ]
            else:
                # what a pair names is a secret where either of its names says so
                is_whole = inherits or self._names.is_secret(told.get(name, "").encode("utf-8", "replace"))
                found[place] = self._value(entry, name, shown, inherits=is_whole)
        return found

    def _whole(self, value: Any) -> Any:
        """Return what a Secret of Kubernetes holds, with each value replaced, whatever its name."""
        if isinstance(value, dict):
            found = dict[str, Any]()
            for name, entry in value.items():
                found[numbered(self.words(name), found)] = self._whole(entry)
            return found
        if isinstance(value, list):
            return [self._whole(entry) for entry in value]
        if value is None or isinstance(value, bool):
            return value
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()
        return value if is_kept(b"", data) else self.mark("secret", data).decode("ascii")

    def _list(self, value: list[Any], key: str, shown: str, *, inherits: bool) -> list[Any]:
        if not inherits and all(isinstance(entry, str) for entry in value) and any(e[:1] == "-" for e in value):
            # the words of a command line: what stands before a word tells what it is
            words = self.words("\0".join(value)).split("\0")
            if len(words) == len(value):
                return words
            # a secret goes over several of them
            return [self._word(before, word, words) for before, word in zip(["", *value], value, strict=False)]
        if is_header(value) and self._names.is_secret(value[0].encode()):
            return [self.words(value[0]), self._string(value[1], value[0].encode(), is_whole=True)]
        return [self._value(entry, key, shown, inherits=inherits) for entry in value]

    def _word(self, before: str, word: str, left: list[str]) -> str:
        """Return a word of a command line, which the one before it can call a secret. left: what is left of all of them together."""
        pair = self.words(f"{before}\0{word}").split("\0") if before[:1] == "-" else []
        shown = pair[1] if len(pair) == 2 else self.words(word)
        return (
            shown
            if shown != word or word in left
            else self.mark("secret", word.encode("utf-8", "surrogatepass")).decode()
        )

    def _string(self, value: str, name: bytes, *, is_whole: bool) -> str:
        data = value.encode("utf-8", "surrogatepass")
        if (is_whole and not is_kept(name, data)) or (name.lower() == b"auth" and _LOGIN.fullmatch(data)):
            return self.mark("secret", data).decode("ascii")
        return self.words(value)

    def words(self, text: str) -> str:
        """Return a string, with what it holds replaced."""
        if _QUIET.fullmatch(text):
            return text
        data = self.text(text.encode("utf-8", "surrogatepass"))
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            # a marker stands within a character
            return data.decode("utf-8", "backslashreplace")

    def document(self, data: bytes) -> bytes | None:
        """Return JSON, or lines of it, written anew; None for what is neither."""
        try:
            return (json.dumps(self.value(parsed(data)), indent=1) + "\n").encode()
        except (ValueError, RecursionError):
            pass
        try:
            rows = [parsed(line) for line in data.split(b"\n") if line.strip()]
            return "".join(json.dumps(self.value(row)) + "\n" for row in rows).encode()
        except (ValueError, RecursionError):
            return None

    def _base64(self, value: str) -> str:
        """Return the exact bytes of a name, as results print them; what is none is replaced as a whole."""
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            return self.mark("secret", value.encode()).decode("ascii")
        return base64.b64encode(self.text(data)).decode("ascii")

    def _hex(self, match: re.Match[bytes]) -> bytes:
        """Return a line with what its digits stand for replaced: collectors send names and command lines as hexadecimal digits."""
        if len(match[2]) % 2:
            return match[0]
        before = bytes.fromhex(match[2].decode("ascii"))
        if _CONTROL.search(before) or (len(before) in _DIGESTS and not _is_text(before)):
            return match[0]
        counted = self.counts.copy()
        after = self._plain(before)
        if after == before:
            self.counts = counted
            return match[0]
        return match[1] + after.hex().encode("ascii")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
