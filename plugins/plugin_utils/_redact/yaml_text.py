# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that go on over several lines, and those of a Secret of Kubernetes, which its kind alone tells: in YAML and in JSON.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.names import (
    MARKER,
    STAMP,
    is_harmless,
    is_kept,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Mark

# what may stand on the name's own line where its value is below
OPENS_BLOCK = re.compile(rb"(?:[!&][^\s]{0,64}+[ \t]*+){0,4}([|>][0-9+-]{0,2}+[ \t]*+)?(?:#[^\n]*+)?\r?")
_BLOCK_LINE = re.compile(rb"(" + STAMP + rb")?([ \t]*+)([^\n]*+)(\n?)")
_ENTRY = re.compile(rb"((?:-[ \t]++){0,16})(?:([\"']?[\w.-]++[\"']?:)(?:[ \t]++|\r?\Z))?([^\r]*+)(\r?)", re.DOTALL)
_QUOTED = re.compile(rb"([\"'])(.*)\1[ \t]*+")
_DOCUMENT_END = re.compile(rb"(?m)^(?:" + STAMP + rb")?---")
_KIND_SECRET = re.compile(rb"(?<![\w.-])[\"']?kind[\"']?[ \t]{0,4}+:[ \t]{0,8}+[\"']?Secret(?:List)?(?![\w.-])")
_DATA = re.compile(
    rb"(?m)^(?:"
    + STAMP
    + rb")?([ \t]{0,40}+(?:-[ \t]{1,8}+){0,4})[\"']?(?:data|stringData)[\"']?[ \t]{0,4}+:[ \t]{0,8}+"
    rb"(?=" + OPENS_BLOCK.pattern + rb"\n)"
)
_FLOW_DATA = re.compile(rb"(?<![\w.-])[\"']?(?:data|stringData)[\"']?[ \t]{0,4}+:\s{0,8}+(?=\{)")
_TOKEN = re.compile(
    rb"(?P<kept>"
    + MARKER
    + rb"|(?<=\n)"
    + STAMP
    + rb")|\"(?P<double>(?:[^\"\\]++|\\.){0,65535})\"|'(?P<single>(?:[^']++|''){0,65535})'"
    rb"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<plain>[^\s{}\[\],\"'][^{}\[\],\"'\r\n]*+)",
    re.DOTALL,
)
_PLAIN = re.compile(rb"((?:[^:]*+:(?:[ \t]++|\Z))?)(.*?)([ \t]*)", re.DOTALL)
_IS_KEY = re.compile(rb"\s{0,8}+:")
# a line that names something of its own is no further line of a value
_NAMES = re.compile(rb"(?:- |[\"']?[\w.-]{1,64}+[\"']?[ \t]?(?::(?:[ \t\r\n]|\Z)|=)|[\[{}\]<#]|at |\.\.\.)")
_MOST_LINES = 64


def secrets(data: bytes, mark: Mark) -> bytes:
    """Return the text with the values of each Secret of Kubernetes replaced; what else stands in the same document goes with them."""
    if b"Secret" not in data or _KIND_SECRET.search(data) is None:
        return data
    begins = [0, *(match.start() for match in _DOCUMENT_END.finditer(data)), len(data)]
    return b"".join(
        _secret(data[begin:end], mark) if _KIND_SECRET.search(data, begin, end) else data[begin:end]
        for begin, end in pairwise(begins)
    )


def _secret(data: bytes, mark: Mark) -> bytes:
    pieces: list[bytes] = []
    done = 0
    while found := _FLOW_DATA.search(data, done):
        stop, text = _flow(data, found.end(), mark)
        pieces += [data[done : found.end()], text]
        done = stop
    data = b"".join([*pieces, data[done:]])
    pieces, done = [], 0
    while found := _DATA.search(data, done):
        begin = data.find(b"\n", found.end()) + 1
        stop, text = block(data, begin, len(found[1]), mark, is_text=False, is_whole=True)
        pieces += [data[done:begin], text]
        done = stop
    return b"".join([*pieces, data[done:]])


def _flow(data: bytes, at: int, mark: Mark) -> tuple[int, bytes]:
    """Return where the mapping in braces ends that begins at a place, and the same with its values replaced."""
    pieces: list[bytes] = []
    done, depth, is_json = at, 0, False
    for token in _TOKEN.finditer(data, at):
        pieces.append(data[done : token.start()])
        done = token.end()
        text = token[0]
        quoted = token["double"] if token["double"] is not None else token["single"]
        if token["open"] or token["close"]:
            depth += 1 if token["open"] else -1
        elif quoted is not None and _IS_KEY.match(data, done):
            is_json = text.startswith(b'"')
        elif quoted is not None:
            text = text if is_kept(b"", quoted) else text[:1] + mark("secret", quoted) + text[-1:]
        elif token["plain"] and (plain := _PLAIN.fullmatch(text)):
            quote = b'"' if is_json and plain[1].startswith(b":") else b""
            is_left = not plain[2] or is_kept(b"", plain[2]) or (not plain[1] and data[done : done + 1] in (b"{", b"["))
            text = text if is_left else plain[1] + quote + mark("secret", plain[2]) + quote + plain[3]
        pieces.append(text)
        if not depth:
            break
    return done, b"".join(pieces)


def block(data: bytes, at: int, indent: int, mark: Mark, *, is_text: bool, is_whole: bool = False) -> tuple[int, bytes]:
    """Return where the lines end that belong to a name, and what they are replaced by.

    at: the beginning of the line after the name's. indent: how far the name's line is indented. is_text: whether they are text (| or >).
    is_whole: whether each value is a secret, whatever its name.
    """
    pieces: list[bytes] = []
    while at < len(data) and (line := _BLOCK_LINE.match(data, at)):
        stamp, spaces, content, end = line[1] or b"", line[2], line[3], line[4]
        bare = content.rstrip(b"\r")
        is_item = not is_text and bare.startswith((b"- ", b"#")) and len(spaces) == indent
        if bare and len(spaces) <= indent and not is_item:
            break
        text = _marked(content, mark) if is_text else _entry(content, mark, is_whole=is_whole)
        pieces.append(stamp + spaces + text + end)
        at = line.end()
    return at, b"".join(pieces)


def _marked(content: bytes, mark: Mark) -> bytes:
    value = content.rstrip(b"\r")
    return (value if is_kept(b"", value) else mark("secret", value)) + content[len(value) :]


def _entry(content: bytes, mark: Mark, *, is_whole: bool) -> bytes:
    """Return one line of a list or of names; a name that tells where the secret is keeps its value."""
    entry = _ENTRY.fullmatch(content)
    if entry is None:
        return _marked(content, mark)
    dashes, name, value, end = entry[1], entry[2] or b"", entry[3], entry[4]
    told = b"" if is_whole else name.strip(b"\"':")
    if (told and is_harmless(told)) or is_kept(told, value) or OPENS_BLOCK.fullmatch(value):
        return content
    gap = content[len(dashes + name) : len(content) - len(value + end)]
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return dashes + name + gap + mark("secret", value) + end
    inner = quoted[2] if is_kept(told, quoted[2]) else mark("secret", quoted[2])
    return dashes + name + gap + quoted[1] + inner + quoted[1] + end


def continued(data: bytes, at: int, indent: int, mark: Mark, quote: bytes = b"") -> tuple[int, bytes]:
    """Return where the further lines of a value end, and what they are replaced by; (at, b"") where it has none.

    at: the end of the value on its first line. indent: how far the name's line is indented. quote: what the value began with and did not
    end with: then its lines go on to the next such quote, where one is near.
    """
    begin = data.find(b"\n", at, at + 3) + 1
    if not begin or data[at:begin].strip(b"\r\n"):
        return at, b""
    pieces = [data[at:begin]]
    here, is_on = begin, data[at - 1 : at] == b"\\"
    for _number in range(_MOST_LINES):
        line = _BLOCK_LINE.match(data, here)
        if line is None or not line[3].strip():
            break
        is_deeper = len(line[2]) > indent
        if _NAMES.match(line[3]) and not (quote and is_deeper):
            break
        if not (quote or is_on or is_deeper):
            break
        head = (line[1] or b"") + line[2]
        close = line[3].find(quote) if quote else -1
        if close != -1:
            return line.start(3) + close, b"".join([*pieces, head, _marked(line[3][:close], mark)])
        pieces += [head, _marked(line[3], mark), line[4]]
        here, is_on = line.end(), line[3].rstrip(b"\r").endswith(b"\\")
    # a quote that is closed nowhere near was none of a value in several lines
    return (at, b"") if quote or here == begin else (here, b"".join(pieces))
