# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that a name beside them calls a secret, and which names do: name=value, "name": "value", --name value, <name>value</name>.

How far a value reaches is told by what stands before it. In quotes it ends with them. Where its name begins a line, it ends with the
line. Elsewhere it ends where a log, a form or a document would end it; a comma or a quote that a word follows is within it.

All patterns cost no more than the length of the text: they are possessive, bounded, or begin where the one before ended. No group is
repeated possessively: Python before 3.11.5 keeps what such a group took before it failed (python/cpython#106052).

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

# makes a marker of a kind ("email", "ip", "key", "name", "secret", "token") and a value
Mark = Callable[[str, bytes], bytes]

MARKER = rb"\[(?:email|ip|key|name|secret|token)-[0-9a-f]{12}\]"
_IS_MARKER = re.compile(MARKER)
# what the kubelet, or a container runtime, writes before each line of a log
STAMP = (
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9}+)?(?:Z|[+-][0-9]{2}:[0-9]{2}) "
    rb"(?:std(?:out|err) [FP] )?)"
)

# a name that is a word of its own, or the end of one in camelCase
_SHORT = (
    rb"(?:(?<![a-z])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=%[0-9a-f]{2})|(?<=\[[0-9]m)|(?<=[\[;][0-9]{2}m)"
    rb"|(?<=db)|(?<=user)|(?<=root)|(?<=admin)|(?<=smtp)|(?<=mail)|(?<=sql)|(?<=pg)|(?<=ftp)|(?<=http)|(?<=redis))"
)
SECRET_NAME = (
    # not the word of a marker
    rb"(?!(?<=\[)(?:secret|token)-[0-9a-f]{12}\])"
    rb"(?:pass(?:w(?:or)?d|phrase|code|wort)|kennwort|secret|token|credentials?|authorization|cookie|dockerc(?:onfigjson|fg)"
    rb"|(?:api|access|private|account|master|encrypt(?:ion)?|signing|shared|session|auth|client|storage|app|license|tls|ssh"
    rb"|hmac|jwt|deploy)[._-]?key|sess(?:ion)?[_-]?id|_auth(?![a-z])"
    rb"|" + _SHORT + rb"(?:pass|pwd?|otp)(?![a-z])|(?-i:(?<=[a-z])P(?:ass|wd)(?![a-z])))"
)
_SECRET = re.compile(rb"(?i)" + SECRET_NAME)
# what is said of a secret, and is none itself
_HARMLESS = re.compile(
    rb"(?i)(?:name|path|kind|type|ref|file|dir|mode|count|ttl|len|length|size|seconds|expir(?:y|es|ation)(?:[_-]?(?:in|at))?"
    rb"|policy|limit|rate|status|enabled|required|version|stdin|prompt|env|\.(?:go|py|[jt]sx?|java|rs|rb|php|cs|c|cc|cpp|h))s?\Z"
)
_COUNT = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOTHING = re.compile(rb"(?i)true|false|null|none|nil|undefined|~|\{\}|\[\]|\"\"|''|<none>|")


def is_marker(value: bytes) -> bool:
    """Return whether a value was replaced before."""
    return _IS_MARKER.fullmatch(value) is not None


def is_secret(name: bytes) -> bool:
    """Return whether a name calls its value a secret."""
    return not is_harmless(name) and _SECRET.search(name) is not None


def is_harmless(name: bytes) -> bool:
    """Return whether a name says what it is of a secret, such as where it stands or how long it is."""
    return _HARMLESS.search(name[-24:]) is not None


def is_kept(name: bytes, value: bytes) -> bool:
    """Return whether a value tells nothing although its name calls it a secret: none at all, a number of tokens, a working folder."""
    if is_marker(value) or _NOTHING.fullmatch(value):
        return True
    lower = name.lower()
    if lower.endswith((b"tokens", b"session_id", b"sessionid", b"pass")) and _COUNT.fullmatch(value[:24]):
        # of what was counted: passed checks, tokens of a language model, sessions of a kernel
        return lower.endswith(b"tokens") or len(value) < 4
    return lower == b"pwd" and value.startswith(b"/")


# what may stand on the name's own line where its value is below
OPENS_BLOCK = re.compile(rb"(?:[!&][^\s]{0,64}+[ \t]*+){0,4}([|>][0-9+-]{0,2}+[ \t]*+)?(?:#[^\n]*+)?\r?")
_BLOCK_LINE = re.compile(rb"(" + STAMP + rb")?([ \t]*+)([^\n]*+)(\n?)")
_ENTRY = re.compile(rb"((?:-[ \t]++){0,16})(?:([\"']?[\w.-]++[\"']?:)(?:[ \t]++|\r?\Z))?([^\r]*+)(\r?)", re.DOTALL)
_QUOTED = re.compile(rb"([\"'])(.*)\1[ \t]*+")
_DOCUMENT_END = re.compile(rb"(?m)^(?:" + STAMP + rb")?---")
_KIND_SECRET = re.compile(rb"(?m)^(?:" + STAMP + rb")?[ \t]{0,40}+kind:[ \t]{1,8}+[\"']?Secret[\"']?[ \t\r]{0,8}+$")
_DATA = re.compile(rb"(?m)^(?:" + STAMP + rb")?([ \t]{0,40}+)(?:data|stringData):[ \t\r]{0,8}+\n")


def secrets(data: bytes, mark: Mark) -> bytes:
    """Return the text with the values of each Secret of Kubernetes replaced, which its kind alone tells."""
    if _KIND_SECRET.search(data) is None:
        return data
    begins = [0, *(match.start() for match in _DOCUMENT_END.finditer(data)), len(data)]
    return b"".join(
        _secret(data[begin:end], mark) if _KIND_SECRET.search(data, begin, end) else data[begin:end]
        for begin, end in pairwise(begins)
    )


def _secret(data: bytes, mark: Mark) -> bytes:
    pieces: list[bytes] = []
    done = 0
    while found := _DATA.search(data, done):
        stop, text = block(data, found.end(), len(found[1]), mark, is_text=False)
        pieces += [data[done : found.end()], text]
        done = stop
    return b"".join([*pieces, data[done:]])


def block(data: bytes, at: int, indent: int, mark: Mark, *, is_text: bool) -> tuple[int, bytes]:
    """Return where the lines end that belong to a name, and what they are replaced by.

    at: the beginning of the line after the name's. indent: how far the name's line is indented. is_text: whether they are text (| or >).
    """
    pieces: list[bytes] = []
    inherits = indent
    while at < len(data) and (line := _BLOCK_LINE.match(data, at)):
        stamp, spaces, content, end = line[1] or b"", line[2], line[3], line[4]
        bare = content.rstrip(b"\r")
        is_item = not is_text and bare.startswith(b"- ") and len(spaces) == inherits
        if bare and len(spaces) <= inherits and not is_item:
            break
        pieces.append(stamp + spaces + (_marked(content, mark) if is_text else _entry(content, mark)) + end)
        at = line.end()
    return at, b"".join(pieces)


def _marked(content: bytes, mark: Mark) -> bytes:
    value = content.rstrip(b"\r")
    return (value if is_kept(b"", value) else mark("secret", value)) + content[len(value) :]


def _entry(content: bytes, mark: Mark) -> bytes:
    """Return one line of a list or of names; a name that tells where the secret is keeps its value."""
    entry = _ENTRY.fullmatch(content)
    if entry is None:
        return _marked(content, mark)
    dashes, name, value, end = entry[1], entry[2] or b"", entry[3], entry[4]
    if is_harmless(name.strip(b"\"':")) or is_kept(name, value) or OPENS_BLOCK.fullmatch(value):
        return content
    gap = content[len(dashes + name) : len(content) - len(value + end)]
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return dashes + name + gap + mark("secret", value) + end
    inner = quoted[2] if is_kept(name, quoted[2]) else mark("secret", quoted[2])
    return dashes + name + gap + quoted[1] + inner + quoted[1] + end


_ENTITY = rb"&(?:quot|\#3[49]|apos|\#x2[27]);"
_QUOTE = rb"(?:\\{0,16}+[\"']|" + _ENTITY + rb")"
# the name with what follows it, as in password_old, and what closes it in a form: user[password]
_NAME = SECRET_NAME + rb"[\w.-]{0,40}+"
_KEY = re.compile(
    rb"(?i)(?P<name>" + _NAME + rb")(?:\]|%5D){0,2}"
    # of a list of variables: name: DB_PASSWORD, value: ...
    rb"(?P<pair>"
    + _QUOTE
    + rb"?[ \t]{0,4}+[,;]?[ \t]{0,4}+(?:\r?\n(?:"
    + STAMP
    + rb")?[ \t]{0,80}+)?(?<=\W)"
    + _QUOTE
    + rb"?value(?!\w))?"
    rb"(?P<quote>" + _QUOTE + rb")?"
    rb"(?:[ \t]{0,8}+(?P<sign>=>|:=|->|:(?!:|//)|={1,3}|%(?:25){0,2}3[AD])[ \t]{0,8}+"
    rb"|(?P<blank>[ \t]{1,4}+(?=\\{0,16}+[\"'])))"
)
_BLANK_NAMES = re.compile(rb"(?i)pass(?:word|wd|phrase)\Z")
_CONTEXT = 240
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
_BEFORE = re.compile(rb"(?i)(" + _NAME + rb")" + _QUOTE + rb"?[ \t]{0,8}(?:=>|[:=])[ \t]{0,8}\Z")
_SCHEME_AND_MARKER = re.compile(rb"[A-Za-z0-9-]{1,24}(?:[ \t]|%20){1,8}" + MARKER)
_CLOSERS = (b",", b"}", b"]", b":")

_FLAG = re.compile(
    rb"(?i)((?<![\w-])--?(?:[a-z0-9]{1,20}[-_.]){0,3}(" + _NAME + rb")(?:"
    rb"(?=(\0))\0|(?=([ \t]++\\*[\"']|\\?[\"'],?[ \t]*\\?[\"']))(?:[ \t]++\\*[\"']|\\?[\"'],?[ \t]*\\?[\"'])|[ \t]++))"
    rb"((?(3)[^-\0\n][^\0\n]*+|(?(4)[^\"'\\\n\0]++|[^-\s\0\"'\\][^\s\0\"'\\]*+)))"
)
_ELEMENT = re.compile(
    rb"(?i)(<(?:[\w:.-]{1,40}+\s{1,8}+(?:name|key|id)=[\"'])?[\w:.-]{0,40}?("
    + _NAME
    + rb")[\"']?(?:\s[^<>\n]{0,200}+)?(?<!/)>)([^<]{1,8192}+(?=</)|[^<\n]++)"
)
_IDENTIFIED = re.compile(rb"(?i)(\bidentified[ ]{1,4}by[ ]{1,4}(?:password[ ]{1,4})?()\\*[\"'])([^\"'\\\n]++)")


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value stands, and the quotes that its marker needs because it is a number of JSON. stop: where to go on."""

    start: int
    stop: int
    quote: bytes = b""


def assigned(data: bytes, mark: Mark) -> bytes:
    """Return the text with values replaced whose names call them a secret."""

    def third(match: re.Match[bytes]) -> bytes:
        value = match[match.re.groups]
        is_left = is_harmless(match[2]) or is_kept(match[2], value.strip())
        return match[0] if is_left else match[1] + mark("secret", value)

    for pattern in (_FLAG, _ELEMENT, _IDENTIFIED):
        data = pattern.sub(third, data)
    data = secrets(data, mark)
    pieces: list[bytes] = []
    done = at = 0
    while key := _KEY.search(data, at):
        at = key.end()
        word, indent = _place(data, key)
        if is_harmless(key["name"]) or _is_no_name(word, key):
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
    return b"".join([*pieces, data[done:]])


def name_before(data: bytes) -> str:
    """Return the name that the end of a text gives to what comes next; the empty one for none."""
    tail = data[-120:]
    found = _BEFORE.search(tail) if tail.rstrip(b" \t").endswith((b":", b"=", b"=>")) else None
    return found[1].decode("ascii", "replace") if found else ""


def _place(data: bytes, key: re.Match[bytes]) -> tuple[bytes, int | None]:
    """Return the whole word that is the name, and how far its line is indented where it begins one, else None."""
    start = key.start()
    before = data[max(0, start - _CONTEXT) : start]
    line = before[max(before.rfind(b"\n"), before.rfind(b"\0")) + 1 :]
    word = before[len(before.rstrip(_WORD_BYTES)) :] + key["name"]
    if key["pair"] is not None and b"\n" in key["pair"]:
        return word, 1 << 16
    found = _LINE_START.fullmatch(line) if len(line) < len(before) or start <= _CONTEXT else None
    if found is None or key["quote"] or found["quote"] or key["pair"]:
        return word, None
    return word, len(found["indent"])


def _is_no_name(word: bytes, key: re.Match[bytes]) -> bool:
    """Return whether it only looks like a name: a style sheet's property, a test's verdict, a word before a quote."""
    if key["blank"]:
        return _BLANK_NAMES.search(key["name"]) is None
    return key["sign"] == b":" and (word.startswith(b"--") or word.endswith(b"PASS"))


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
            if is_line and key["sign"] == b"=" and pattern in (_DOUBLE, _SINGLE):
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
