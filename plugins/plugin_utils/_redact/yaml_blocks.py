# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values below a name of YAML that calls them a secret: a block of text, a list, or names of their own.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.secret_names import (
    STAMP,
    Mark,
    is_harmless,
    is_kept,
)

# what may stand on the name's own line where its value is below
OPENS_BLOCK = re.compile(rb"(?:[!&][^\s]{0,64}+[ \t]*+){0,4}([|>][0-9+-]{0,2}+[ \t]*+)?(?:#[^\n]*+)?\r?")
_LINE = re.compile(rb"(" + STAMP + rb")?([ \t]*+)([^\n]*+)(\n?)")
_ENTRY = re.compile(rb"((?:-[ \t]++){0,16})(?:([\"']?[\w.-]++[\"']?:)(?:[ \t]++|\r?\Z))?([^\r]*+)(\r?)", re.DOTALL)
_QUOTED = re.compile(rb"([\"'])(.*)\1[ \t]*+")
_DOCUMENT_END = re.compile(rb"(?m)^(?:" + STAMP + rb")?---")
_KIND_SECRET = re.compile(rb"(?m)^(?:" + STAMP + rb")?[ \t]{0,40}+kind:[ \t]{1,8}+[\"']?Secret[\"']?[ \t\r]{0,8}+$")
_DATA = re.compile(rb"(?m)^(?:" + STAMP + rb")?([ \t]{0,40}+)(?:data|stringData):[ \t\r]{0,8}+\n")


def secrets(data: bytes, mark: Mark) -> bytes:
    """The text with the values of each Secret of Kubernetes replaced, which its kind alone tells."""
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
    """Where the lines end that belong to a name, and what they are replaced by.

    at: the beginning of the line after the name's. indent: how far the name's line is indented. is_text: whether they are text (| or >).
    """
    pieces: list[bytes] = []
    inherits = indent
    while at < len(data) and (line := _LINE.match(data, at)):
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
    """One line of a list or of names; a name that tells where the secret is keeps its value."""
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
