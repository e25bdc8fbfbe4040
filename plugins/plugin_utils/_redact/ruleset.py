# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of redaction as data: those of the collection lie in rules/*.yml beside this file, those of a user in a folder of theirs.

A rule is a mapping: name, kind (of its markers), pattern (a regular expression of bytes, or a list of its parts), source (who says so), match and no_match
(examples; what stands in [[ ]] is replaced), and may have where (text: the pattern is the secret, or its groups value, value2, value3
are; name: the pattern is what makes a name call its value a secret), keywords (one of them, in small letters, stands where the rule can
match at all; only such lines are read), word (it begins a word), several_lines. One of the collection's own can have a hint: a pattern
that does what keywords do, best one that begins with a sign.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

# makes a marker of a kind ("email", "ip", "key", "name", "secret", "token") and a value
Mark = Callable[[str, bytes], bytes]

FOLDER = Path(__file__).parent / "rules"
KINDS: tuple[str, ...] = ("key", "secret", "token")
PLACES: tuple[str, ...] = ("text", "name")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IS_MARKER = re.compile(rb"\[(?:email|ip|key|name|secret|token)-[0-9a-f]{12}\]")
# a word also begins after an escape of JSON, of a URL, and of a terminal's colour
_WORD = rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9A-Fa-f]{2})|(?<=[\[;][0-9]m)|(?<=[\[;][0-9]{2}m))"
_KEYS = {
    "name": str,
    "kind": str,
    "pattern": str,
    "source": str,
    "match": list,
    "no_match": list,
    "where": str,
    "keywords": list,
    "hint": str,
    "word": bool,
    "several_lines": bool,
}
_NEEDED = ("name", "kind", "pattern", "source", "match", "no_match")
_VALUES = ("value", "value2", "value3")
# A user's pattern reads a line in windows of so many bytes, which overlap by half, and in each window it may have so many ways to fail
# at one place: what is tried is bounded by the length of the text, whatever the text is.
WINDOW = 1024
MAX_WAYS = 1 << 12


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. keywords: in small letters, () where each line is read; is_own: a user's, whose pattern reads bounded pieces."""

    name: str
    kind: str
    pattern: bytes
    source: str
    match: tuple[str, ...]
    no_match: tuple[str, ...]
    where: str = "text"
    keywords: tuple[bytes, ...] = ()
    hint: bytes = b""
    is_word: bool = False
    is_of_lines: bool = False
    is_own: bool = False

    @property
    def is_form(self) -> bool:
        """Return whether what it finds is known by its form: its pattern is that of a whole value."""
        return self.kind == "token" or self.is_word


@cache
def compiled(pattern: bytes, is_word: bool = False) -> re.Pattern[bytes]:
    """Return a pattern that is compiled when it is needed first: most texts need few. is_word: it begins a word."""
    return re.compile(_WORD + rb"(?:" + pattern + rb")" if is_word else pattern)


@cache
def own_rules() -> tuple[Rule, ...]:
    """Return the rules of the collection: names, then what is known by its form, by its place, and what passwords were made into."""
    files = [FOLDER / f"{name}.yml" for name in ("names", "tokens", "places", "hashes")]
    return tuple(rule for file in files for rule in read(file, is_own=False))


def users_rules(folders: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules in folders of a user's, in the order of the folders and of the files' names.

    Raises OSError for a folder that is not there, and ValueError, which names file and rule, for a rule that is none.
    """
    files = [file for folder in folders for file in sorted(Path(folder).iterdir()) if file.suffix in (".yml", ".yaml")]
    return tuple(rule for file in files for rule in read(file, is_own=True))


def read(file: Path, *, is_own: bool) -> list[Rule]:
    """Return the rules of a file. Raises OSError, and ValueError for a file or a rule that is none."""
    try:
        rows = yaml.load(file.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not YAML: {error}") from error
    if not isinstance(rows, list):
        raise ValueError(f"{file} is not a list of rules.")
    found = []
    for number, row in enumerate(rows, 1):
        name = row.get("name") if isinstance(row, Mapping) else None
        try:
            found.append(_rule(row, is_own=is_own))
        except ValueError as error:
            raise ValueError(f"{file}: rule {number} ({name}): {error}") from error
    return found


def _rule(row: Any, *, is_own: bool) -> Rule:
    if not isinstance(row, Mapping):
        raise ValueError(f"expected a mapping, got {type(row).__name__}.")
    if isinstance(row.get("pattern"), list):
        # a long one stands in several lines
        row = {**row, "pattern": "".join(map(str, row["pattern"]))}
    # a hint reads a text without a bound
    known = [key for key in _KEYS if key != "hint" or not is_own]
    if unknown := sorted(str(key) for key in row if key not in known):
        raise ValueError(f"{', '.join(unknown)} is not a key of a rule; expected {', '.join(known)}.")
    if missing := [key for key in _NEEDED if key not in row]:
        raise ValueError(f"{', '.join(missing)} is missing.")
    for key, value in row.items():
        if not isinstance(value, _KEYS[key]) or (
            isinstance(value, list) and not all(isinstance(entry, str) for entry in value)
        ):
            wanted = "a list of text" if _KEYS[key] is list else {str: "text", bool: "true or false"}[_KEYS[key]]
            raise ValueError(f"expected {wanted} as {key}, got {value!r}.")
    rule = Rule(
        row["name"],
        row["kind"],
        row["pattern"].encode(),
        row["source"],
        tuple(row["match"]),
        tuple(row["no_match"]),
        row.get("where", "text"),
        tuple(word.lower().encode() for word in row.get("keywords", ())),
        row.get("hint", "").encode(),
        row.get("word", False),
        row.get("several_lines", False),
        is_own,
    )
    if is_own:
        _proved(rule)
    return rule


def _proved(rule: Rule) -> None:
    """Raises ValueError for a user's rule that cannot be what they mean: a wrong kind or pattern, one without an end, a wrong example."""
    if rule.kind not in KINDS or rule.where not in PLACES:
        key, known, got = ("kind", KINDS, rule.kind) if rule.kind not in KINDS else ("where", PLACES, rule.where)
        raise ValueError(f"expected {' or '.join(known)} as {key}, got {got!r}.")
    if not rule.name or not rule.match:
        raise ValueError("name is empty." if not rule.name else "match has no example.")
    try:
        compiled(rule.pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"its pattern is not a regular expression: {error}.") from error
    if compiled(rule.pattern).match(b""):
        raise ValueError("its pattern matches where nothing is.")
    if ways(rule.pattern) > MAX_WAYS:
        raise ValueError(
            "its pattern can be tried in too many ways: expected repeats that are bounded, such as {1,64}, or possessive, such as ++, "
            "and none that can go on without an end within another."
        )
    if rule.where == "name":
        if rule.is_word or rule.is_of_lines or not rule.keywords:
            raise ValueError("a rule for names needs keywords, and has neither word nor several_lines.")
        return
    for example in rule.match:
        plain, wanted = marked(example)
        if not wanted or replaced([rule], plain, lambda _kind, value: b"[[%s]]" % value) != example.encode():
            raise ValueError(f"it does not replace what stands in [[ ]], and nothing else, of its example {example!r}.")
    for example in rule.no_match:
        if replaced([rule], example.encode(), lambda _kind, _value: b"") != example.encode():
            raise ValueError(f"it replaces something of {example!r}, which is an example of what stays.")


def marked(example: str) -> tuple[bytes, list[bytes]]:
    """Return an example as it is in a text, and what of it is to be replaced."""
    return (
        example.replace("[[", "").replace("]]", "").encode(),
        [value.encode() for value in re.findall(r"\[\[(.*?)\]\]", example, re.DOTALL)],
    )


def replaced(rules: Sequence[Rule], data: bytes, mark: Mark) -> bytes:
    """Return the text with what the rules for text find in it replaced, one rule after the other."""
    lower = data.lower()
    for rule in rules:
        for word in rule.keywords:
            if word in lower:
                break
        else:
            if rule.keywords or (rule.hint and not compiled(rule.hint).search(data)):
                continue
        spans = _spans(rule, compiled(rule.pattern, rule.is_word), data, lower)
        if spans:
            data = _with_markers(data, spans, rule.kind, mark)
            lower = data.lower()
    return data


def _spans(rule: Rule, pattern: re.Pattern[bytes], data: bytes, lower: bytes) -> list[tuple[int, int]]:
    """Return where the values are, in their order; none within another."""
    groups = [name for name in _VALUES if name in pattern.groupindex]
    found: list[tuple[int, int]] = []
    for start, stop in _places(rule, data, lower):
        for match in pattern.finditer(data, start, stop):
            spans = [match.span(name) for name in groups if match[name] is not None] if groups else [match.span()]
            found += [span for span in spans if span[0] < span[1] and not _IS_MARKER.fullmatch(data, *span)]
    if not rule.is_own:
        return found
    # windows overlap, so that nothing is cut by the end of one
    joined: list[tuple[int, int]] = []
    for span in sorted(found):
        if joined and span[0] < joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], span[1])
        else:
            joined.append(span)
    return joined


def _places(rule: Rule, data: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
    """Return which parts of a text a rule reads."""
    lines: Iterable[tuple[int, int]] = [(0, len(lower))]
    if not rule.is_of_lines:
        lines = lines_at(_hits(rule, data, lower), lower) if rule.keywords or rule.hint else _lines(lower)
    if not rule.is_own:
        yield from lines
        return
    for start, stop in lines:
        for at in range(start, max(stop - WINDOW // 2, start + 1), WINDOW // 2):
            yield at, min(at + WINDOW, stop)


def _hits(rule: Rule, data: bytes, lower: bytes) -> Iterator[Callable[[int], int]]:
    """Return what finds, from a place on, where the rule can match; -1 for nowhere."""
    if rule.hint:
        pattern = compiled(rule.hint)

        def hint(at: int) -> int:
            found = pattern.search(data, at)
            return found.start() if found else -1

        yield hint
        return
    yield from (partial(lower.find, word) for word in rule.keywords)


def lines_at(finders: Iterator[Callable[[int], int]], text: bytes) -> list[tuple[int, int]]:
    """Return the lines of a text that hold what a finder finds, each once."""
    found: dict[int, int] = {}
    for find in finders:
        at = find(0)
        while at != -1:
            start, stop = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            found[start] = stop = len(text) if stop == -1 else stop
            at = find(max(stop, at + 1))
    return sorted(found.items())


def _lines(lower: bytes) -> Iterator[tuple[int, int]]:
    ends = [match.start() for match in re.finditer(rb"\n", lower)]
    yield from ((start + 1, stop) for start, stop in pairwise([-1, *ends, len(lower)]) if start + 1 < stop)


def _with_markers(data: bytes, spans: Sequence[tuple[int, int]], kind: str, mark: Mark) -> bytes:
    pieces, done = [], 0
    for start, stop in spans:
        pieces += [data[done:start], mark(kind, data[start:stop])]
        done = stop
    return b"".join([*pieces, data[done:]])


def ways(pattern: bytes) -> int:
    """Return in how many ways a pattern can be tried from one place of a window, at most; what is over MAX_WAYS is only that.

    What is possessive or atomic has one way: it is not tried again. Raises ValueError for what is not a regular expression.
    """
    # the parser that compiles it, so that both understand the same
    parsed = list(import_module("re._parser").parse(pattern))
    # after the last one nothing fails
    if parsed and str(parsed[-1][0]) in ("MAX_REPEAT", "MIN_REPEAT") and _ways(parsed[-1][1][2]) == 1:
        parsed.pop()
    return _ways(parsed)


def _ways(parsed: Any) -> int:
    total = 1
    for code, argument in parsed:
        total *= _ways_of(str(code), argument)
        if total > MAX_WAYS:
            return MAX_WAYS + 1
    return total


def _ways_of(code: str, argument: Any) -> int:
    if code in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        each, most = _ways(inner), min(int(most), WINDOW)
        lengths = most - int(least) + 1
        if each == 1:
            return max(lengths, 1)
        # each turn has its own choice
        return int(min(each ** min(most, 16) * max(lengths, 1), MAX_WAYS + 1))
    if code == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if code == "SUBPATTERN":
        return _ways(argument[-1])
    if code in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1])
    if code == "GROUPREF_EXISTS":
        return _ways(argument[1]) + (_ways(argument[2]) if argument[2] else 1)
    if code in ("POSSESSIVE_REPEAT", "ATOMIC_GROUP"):
        inner = argument[2] if code == "POSSESSIVE_REPEAT" else argument
        # it can be slow on its way, though not again afterwards
        return _ways(inner)
    return 1
