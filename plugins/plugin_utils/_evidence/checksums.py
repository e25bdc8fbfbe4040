# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SHA256SUMS: lines as sha256sum writes them, and what sha256sum -c would read of them.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import SEAL

SUMS = SEAL

_LINE = re.compile(rb"(\\?)([0-9a-f]{64})  (.+)", re.DOTALL)
_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_UNESCAPES = {escaped: plain for plain, escaped in _ESCAPES.items()}


def sums_line(sha256: str, name: bytes) -> bytes:
    r"""Return a line with its end. Where the name holds a newline, a carriage return or a backslash, it is escaped, and the line begins
    with a backslash, as GNU coreutils has it."""
    escaped = re.sub(rb"[\\\n\r]", lambda match: _ESCAPES[match[0]], name)
    return (b"\\" if escaped != name else b"") + sha256.encode("ascii") + b"  " + escaped + b"\n"


def sums(hashes: Mapping[bytes, str]) -> bytes:
    """Return the file for names and their hashes, sorted by name."""
    return b"".join(sums_line(hashes[name], name) for name in sorted(hashes))


def parse_sums(data: bytes) -> dict[bytes, str]:
    """Return the names and hashes of a file that sums() wrote.

    Raises ValueError, which names the line, for one that is not written like that: another way to write the same would be a
    change that nobody finds.
    """
    found: dict[bytes, str] = {}
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ValueError(f"line {number} is not understood")
        name = re.sub(rb"\\(?:\\|n|r)", lambda part: _UNESCAPES[part[0]], match[3]) if match[1] else match[3]
        found[name] = match[2].decode("ascii")
    if sums(found) != data:
        raise ValueError("it is not as it was written: lines are doubled, out of order, or written in another way")
    return found
