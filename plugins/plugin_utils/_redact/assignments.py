# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that a name beside them calls a secret: name=value, "name": "value", --name value, <name>value</name>.

How far a value reaches is told by what stands before it. In quotes it ends with them. Where its name begins a line, it ends with the
line, or with the further lines that are indented deeper. Elsewhere it ends where a log, a form or a document would end it; a comma or a
quote that a word follows is within it.

All patterns cost no more than the length of the text: they are possessive, bounded, or begin where the one before ended. No group is
repeated possessively: Python before 3.11.5 keeps what such a group took before it failed (python/cpython#106052).

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.names import (
    MARKER,
    STAMP,
    Names,
    is_harmless,
    is_kept,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Mark
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.yaml_text import OPENS_BLOCK, block, continued

_ENTITY = rb"&(?:quot|\#3[49]|apos|\#x2[27]);"
_QUOTE = rb"(?:\\{0,16}+[\"']|" + _ENTITY + rb")"
_KEY = re.compile(
    # what closes it in a form: user[password]
    rb"(?i)(?P<name>[\w.-]{1,104}+)(?:\]|%5D){0,2}"
    # of a list of variables: name: DB_PASSWORD, value: ...
    rb"(?P<pair>"
    + _QUOTE
    + rb"?[ \t]{0,4}+[,;]?[ \t]{0,4}+(?:\r?\n(?:"
    + STAMP
    + rb")?[ \t]{0,80}+)?(?<=\W)"
    + _QUOTE
    + rb"?value(?!\w))?"
    rb"(?P<quote>" + _QUOTE + rb")?\]{0,2}"
    rb"(?:[ \t]{0,8}+(?P<sign>=>|:=|->|:(?!:|//)|={1,3}|%(?:25){0,2}3[AD])[ \t]{0,8}+"
    rb"|(?P<blank>[ \t]{1,4}+(?=\\{0,16}+[\"'])))"
)
_BLANK_NAMES = re.compile(rb"(?i)pass(?:word|wd|phrase)\Z")
_CONTEXT = 240
# of a value that has no line of a name beside it
_NO_INDENT = 1 << 16
_LINE_START = re.compile(
    rb"(?:"
    + STAMP
    + rb")?(?P<indent>[ \t]*+)(?:(?:export|declare -x|set|ENV|ARG|[-*<>\#])[ \t]++){0,3}(?P<quote>[\"']?)[\w.-]*+"
)
_WORD_BYTES = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"_.-"
# what may stand before a string of a language: b'...', SecretStr('...')
_CALL = re.compile(rb"(?:[A-Za-z_][\w.]{0,40}+\(|[bBuUrRfF]{1,2}+)(?=[\"'])|\[[ ]?(?=\\{0,16}+[\"'])")
# each string ends before its closing quote, or with the line where it has none
_ESCAPED = re.compile(rb"(\\{1,16}+)([\"'])((?:[^\\\"'\n\0]++|(?!\2)[\"']|\\++(?!\2)|\1\\++\2){0,65535})")
_DOUBLE = re.compile(rb"(\")((?:[^\"\\\n\0]++|\\[^\n\0]){0,65535})")
_SINGLE = re.compile(rb"(')((?:[^'\\\n\0]++|\\[^\n\0]|''){0,65535})")
_HTML = re.compile(rb"(" + _ENTITY + rb")((?:[^&\n\0]++|&(?!(?:quot|\#3[49]|apos|\#x2[27]);)){0,65535})")
_NUMBER = re.compile(rb"[^\s\0\"'\\,;&<>{}\[\]()]*+")
_LINE = re.compile(rb"[^\n\0]*+")
_NEXT_NAME = re.compile(rb"[ \t]++(?=-{0,2}+[A-Za-z_][\w.-]{0,64}+=)")
_WORD = re.compile(rb"[^\s\0]*+")
_INNER = (
    rb"[,;&](?![\s\[\"'{\\]|\Z|[\w.%\[\]-]{1,64}+[ ]?[=:])|[\"'<)}\]`](?=[^\s\0,:;.}\])<>\"'\\/&`])|>(?=[^\s\0<\"'\\])"
    rb"|\\(?![\"'\\nrtbfu/])"
)
_BARE = re.compile(rb"(?:[^\s\0\"'\\,;&<>}\])`\[]++|" + MARKER + rb"|\[|" + _INNER + rb"){1,65535}")
_ENCODED = re.compile(
    rb"(?:[^\s\0\"'\\,;&<>{}\[\]()%]++|%(?!(?:25){0,2}(?:2[26C0]|3[BC]|0[0-9A-Da-d]|[57][Dd]))){1,65535}"
)
_MARKER = re.compile(MARKER)
_BEFORE = re.compile(rb"(?<![\w.-])([\w.-]{1,100}+)" + _QUOTE + rb"?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}\Z")
_SCHEME_AND_MARKER = re.compile(rb"[A-Za-z0-9-]{1,24}(?:[ \t]|%20){1,8}" + MARKER)
_CLOSERS = (b",", b"}", b"]", b":")

_FLAG = re.compile(
    rb"(--?([A-Za-z0-9][\w.-]{0,80}+)(?:"
    rb"(?=(\0))\0|(?=([ \t]++\\*[\"']|\\?[\"'],?[ \t]*\\?[\"']))(?:[ \t]++\\*[\"']|\\?[\"'],?[ \t]*\\?[\"'])|[ \t]++))"
    rb"((?(3)[^-\0\n][^\0\n]*+|(?(4)[^\"'\\\n\0]++|[^-\s\0\"'\\][^\s\0\"'\\]*+)))"
)
_ELEMENT = re.compile(
    rb"(<(?:[\w:.-]{1,40}+\s{1,8}+(?:name|key|id)=[\"'])?([\w:.-]{1,80}+)[\"']?(?:\s[^<>\n]{0,200}+)?(?<!/)>)"
    rb"([^<]{1,8192}+(?=</)|[^<\n]++)"
)


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value stands, and the quotes that its marker needs because it is a number of JSON. stop: where to go on."""

    start: int
    stop: int
    quote: bytes = b""


def assigned(data: bytes, mark: Mark, names: Names) -> bytes:
    """Return the text with values replaced whose names call them a secret."""

    def third(match: re.Match[bytes]) -> bytes:
        value = match[match.re.groups]
        is_left = not names.is_secret(match[2]) or is_kept(match[2], value.strip())
        return match[0] if is_left else match[1] + mark("secret", value)

    lower = data.lower()
    if not any(stem in lower for stem in names.stems):
        return data
    if b"<" in data:
        data = _ELEMENT.sub(third, data)
    data = _flags(data, mark, names)
    pieces: list[bytes] = []
    done = at = 0
    for start in _words(data, names):
        key = _KEY.match(data, start) if start >= at else None
        if key is None or is_harmless(key["name"]) or not names.inside(data, start, key.end("name")):
            continue
        at = key.end()
        word, indent = _place(data, key)
        if _is_no_name(word, key) or _is_path(data, key):
            continue
        opens = indent is not None and key["sign"] == b":" and _opening(data, at)
        if opens:
            stop, text = block(data, opens.end() + 1, indent or 0, mark, is_text=opens[1] is not None)
            pieces += [data[done : opens.end() + 1], text]
            done = at = max(stop, opens.end() + 1)
            continue
        value = _value(data, key, word, is_line=indent is not None)
        is_header = _SCHEME_AND_MARKER.match(data, at) is not None
        if value is None or is_header or is_kept(word, data[value.start : value.stop]):
            continue
        marker = value.quote + mark("secret", data[value.start : value.stop]) + value.quote
        pieces += [data[done : value.start], marker]
        done = at = value.stop
        if indent is not None and indent < _NO_INDENT and data[at : at + 1] in (b"\n", b"\r"):
            before = data[value.start - 1 : value.start]
            done, text = continued(data, at, indent, mark, before if before in (b'"', b"'") else b"")
            pieces.append(text)
            at = done
    return b"".join([*pieces, data[done:]])


def _words(data: bytes, names: Names) -> Iterator[int]:
    """Return where the words begin that hold a stem of a secret's name, in their order."""
    lower = data.lower()
    places: list[int] = []
    for stem in names.stems:
        at = lower.find(stem)
        while at != -1:
            places.append(at)
            at = lower.find(stem, at + len(stem))
    for at in sorted(places):
        start = at - len(before := data[max(0, at - 64) : at]) + len(before.rstrip(_WORD_BYTES))
        if start == 0 or data[start - 1 : start] != b"[" or not _MARKER.match(data, start - 1):
            yield start


def _flags(data: bytes, mark: Mark, names: Names) -> bytes:
    """Return a command line with the words after its options replaced."""
    pieces: list[bytes] = []
    done = 0
    for start in _words(data, names):
        found = _FLAG.match(data, start) if start >= done and data[start : start + 1] == b"-" else None
        # --fernet-key is FERNET_KEY
        is_told = found and (names.is_secret(found[2]) or names.is_secret(found[2].replace(b"-", b"_")))
        if found and is_told and not is_kept(found[2], found[5].strip()):
            pieces += [data[done : found.start(5)], mark("secret", found[5])]
            done = found.end()
    return b"".join([*pieces, data[done:]])


def name_before(data: bytes) -> str:
    """Return the name that the end of a text gives to what comes next; the empty one for none."""
    tail = data[-120:]
    found = _BEFORE.search(tail) if tail.rstrip(b" \t").endswith((b":", b"=", b"=>")) else None
    return found[1].decode("ascii", "replace") if found else ""


def _place(data: bytes, key: re.Match[bytes]) -> tuple[bytes, int | None]:
    """Return the word that is the name, and how far its line is indented where it begins one, else None."""
    start = key.start()
    before = data[max(0, start - _CONTEXT) : start]
    line = before[max(before.rfind(b"\n"), before.rfind(b"\0")) + 1 :]
    word = key["name"]
    if key["pair"] is not None and b"\n" in key["pair"]:
        return word, _NO_INDENT
    found = _LINE_START.fullmatch(line) if len(line) < len(before) or start <= _CONTEXT else None
    if found is None or key["pair"]:
        return word, None
    dashes = len(line) - len(line.lstrip(b" \t-")) - found.start("indent") if found["quote"] else len(found["indent"])
    is_quoted = bool(key["quote"] or found["quote"])
    return word, None if is_quoted and not _is_yaml(data, key, found) else dashes


def _is_yaml(data: bytes, key: re.Match[bytes], line: re.Match[bytes]) -> bool:
    """Return whether a name in quotes that begins a line opens lines below it, as no JSON does."""
    return key["quote"] == line["quote"] and key["sign"] == b":" and _opening(data, key.end()) is not None


def _is_no_name(word: bytes, key: re.Match[bytes]) -> bool:
    """Return whether it only looks like a name: a style sheet's property, a test's verdict, a word before a quote."""
    if key["blank"]:
        return _BLANK_NAMES.search(key["name"]) is None
    return key["sign"] == b":" and (word.startswith(b"--") or word.endswith(b"PASS"))


def _is_path(data: bytes, key: re.Match[bytes]) -> bool:
    """Return whether it is the end of a file's path, of which something is said: /etc/passwd: permission denied."""
    return data[key.start() - 1 : key.start()] == b"/" and key["sign"] == b":" and key["pair"] is None


def _opening(data: bytes, at: int) -> re.Match[bytes] | None:
    opens = OPENS_BLOCK.match(data, at)
    return opens if opens and data[opens.end() : opens.end() + 1] == b"\n" else None


def _value(data: bytes, key: re.Match[bytes], word: bytes, *, is_line: bool) -> _Value | None:
    at = key.end()
    if call := _CALL.match(data, at):
        at = call.end()
    for pattern in (_ESCAPED, _DOUBLE, _SINGLE, _HTML):
        if quoted := pattern.match(data, at):
            last = quoted.re.groups
            is_closing = (
                not key["quote"] and data[quoted.start(last) : quoted.start(last) + 1] in _CLOSERS and not is_line
            )
            if is_closing or not quoted[last]:
                return None
            is_closed = data[quoted.end() : quoted.end() + 1] == quoted[1]
            if is_line and is_closed and key["sign"] == b"=" and pattern in (_DOUBLE, _SINGLE):
                return _shell(data, at, quoted)
            return _Value(quoted.start(last), quoted.end())
    if key["blank"]:
        return None
    at = key.end()
    if key["quote"]:
        number = _NUMBER.match(data, at)
        quote = key["quote"] if key["quote"].endswith(b'"') and key["sign"] == b":" else b""
        return _Value(at, number.end(), quote) if number and number[0] else None
    if (key["sign"] or b"").startswith(b"%"):
        found = _ENCODED.match(data, at)
        return _Value(at, found.end()) if found else None
    if is_line:
        return _line(data, at, key, word)
    if (
        data[at : at + 1] in (b"{", b"[", b"(")
        and not _MARKER.match(data, at)
        and (key["sign"] == b":" or data[at + 1 : at + 2].strip(b"\"'\\ \r\n") == b"")
    ):
        return None
    return _bare(data, at)


def _bare(data: bytes, at: int) -> _Value | None:
    found = _BARE.match(data, at)
    return _Value(at, found.end()) if found else None


def _shell(data: bytes, at: int, quoted: re.Match[bytes]) -> _Value:
    """Return a quoted word of a shell, or the value of a variable that only begins with a quote."""
    end = quoted.end() + 1
    rest = _WORD.match(data, min(end, len(data)))
    if rest and rest[0]:
        return _Value(at, rest.end())
    return _Value(quoted.start(2), quoted.end())


def _line(data: bytes, at: int, key: re.Match[bytes], word: bytes) -> _Value | None:
    """Return the rest of a line; that of a log's fields ends where the next one begins, or with the word."""
    line = _LINE.match(data, at)
    stop = line.end() if line else at
    sign = key["sign"]
    if sign != b":" and not word.isupper() and data[stop : stop + 1] != b"\0":
        if b"." not in word and data[at - 1 : at] not in (b" ", b"\t"):
            return _bare(data, at)
        # a property of a configuration, with spaces around the sign or dots in its name
        if following := _NEXT_NAME.search(data, at, stop):
            stop = following.start()
    value = data[at:stop].rstrip()
    if value in (b"{", b"[", b"(", b"|", b">"):
        return None
    return _Value(at, at + len(value)) if value else None
