# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every parser of a collector's output needs: lines, words, names that are safe to show.

A parser takes the bytes that a collector printed and returns what JSON can hold. What it does not understand is a ValueError:
half a table read would be a wrong table.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

# a program that crashes for a day says the same a thousand times
MAX_HOLDING = 3
# a collector's line in the place of those that it left out
CUT = b"cut"


def shown(name: bytes) -> str:
    r"""Return a name of the target as text that nothing interprets: what is not printable is escaped, a backslash doubled.

    A newline, a terminal's escape, a mark that turns the direction of writing and a byte that is not UTF-8 become \n, \x1b,
    \u202e and \xff.
    """
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return printable(text)


def printable(text: str) -> str:
    """Return the text with what is not printable escaped."""
    # most of what a report shows is
    return text if text.isprintable() else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def text(data: bytes) -> str:
    """Return the output as it is, for a collector that names no parser."""
    return data.decode("utf-8", "replace")


def completeness(data: bytes) -> dict[str, Any]:
    """Return whether a collector left nothing out, of all that it printed: is_complete."""
    return {"is_complete": CUT not in lines(data)}


def holding(rows: Iterable[str], *phrases: str) -> list[str]:
    """Return the lines that hold one of the phrases, in whatever case; each once, where it stands last, and of many the last three."""
    wanted = [phrase.lower() for phrase in phrases]
    found = [row for row in rows if any(phrase in row.lower() for phrase in wanted)]
    return list(reversed(dict.fromkeys(reversed(found))))[-MAX_HOLDING:]


def lines(data: bytes) -> Iterator[bytes]:
    """Return the lines that are not empty. Not splitlines: of what ends a line for Python, only the newline ends one here."""
    return (line for line in data.split(b"\n") if line)


def words(line: bytes, count: int) -> list[bytes]:
    """Return the first words of a line, and its rest with the spaces in it as the last. Raises ValueError where there are fewer."""
    found = line.split(b" ", count - 1)
    if len(found) != count:
        raise not_understood(line)
    return found


def number(word: bytes) -> int:
    """Return a count that a tool printed. Raises ValueError."""
    if not re.fullmatch(rb"-?[0-9]{1,20}", word):
        raise not_understood(word)
    return int(word)


def from_hex(word: bytes) -> bytes:
    """Return the bytes of a name that travelled as hexadecimal digits, so that no byte in it could end the line."""
    try:
        return bytes.fromhex(word.decode("ascii"))
    except ValueError as error:
        raise not_understood(word) from error


def unescaped(field: bytes) -> bytes:
    """Return a field without the escapes of the kernel, which writes space, tab, newline, backslash and # as octal escapes (fs/seq_file.c, mangle_path)."""
    return re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field)


def in_target(path: bytes) -> bytes:
    """Return a path below /proc/<pid>/root as the target itself names it."""
    inside = re.sub(rb"^/proc/[0-9]+/root(?=/|$)", b"", path)
    return re.sub(rb"//+", b"/", inside if inside == b"/" else inside.rstrip(b"/")) or b"/"


def device(word: bytes) -> str:
    """Return a device number of stat as mountinfo writes it, major:minor (glibc, sys/sysmacros.h)."""
    value = number(word)
    major = (value >> 8 & 0xFFF) | (value >> 32 & ~0xFFF)
    minor = (value & 0xFF) | (value >> 12 & ~0xFF)
    return f"{major}:{minor}"


def not_understood(part: bytes) -> ValueError:
    """Return the error of a parser."""
    return ValueError(f"not understood: {part[:80]!r}")
