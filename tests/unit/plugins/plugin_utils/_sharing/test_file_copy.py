# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a file is written is told by what it holds, and no piece of it ends within a line or a key."""

from __future__ import annotations

import io

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.file_copy import encoding_of, pieces

TEXT = "password=hunter2 of the caf\u00e9\n" * 20


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"plain", "utf-8"),
        ("gr\u00fc\u00dfe".encode("latin-1"), "utf-8"),
        (TEXT.encode("cp1252"), "utf-8"),
        (TEXT.encode()[:41], "utf-8"),
        (b"\0" * 4096 + b"text after a hole", "utf-8"),
        (b"/app\x00--port\x008080\0", "utf-8"),
        (b"\x1b[31mred\x1b[0m\n", "utf-8"),
        (b"", "utf-8"),
        ("\ufeff\u65e5\u672c".encode("utf-16-be"), "utf-16-be"),
        ("\ufeff\u65e5\u672c".encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32-be"), "utf-32-be"),
        ("\ufeff\u65e5\u672c".encode("utf-32-le"), "utf-32-le"),
        (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe" * 10, "binary"),
        (b"\x1f\x8b\x08\x00data", "binary"),
        (b"PK\x03\x04", "binary"),
        (b"a.txt".ljust(257, b"\0") + b"ustar\0" + b"password=x", "binary"),
        (bytes(range(1, 256)), "binary"),
        (TEXT.encode("cp037"), "unknown_encoding"),
        ("\u043f\u0430\u0440\u043e\u043b\u044c".encode("koi8-r") * 20, "unknown_encoding"),
        ("\u65e5\u672c\u8a9e".encode("euc-jp") * 20, "unknown_encoding"),
    ],
)
def test_how_a_text_is_written_is_told_by_what_it_holds(data: bytes, encoding: str) -> None:
    assert encoding_of(data) == encoding


@pytest.mark.parametrize("size", [128, 200, 4096])
def test_no_piece_ends_within_a_line_or_a_key(size: int) -> None:
    key = b"-----BEGIN KEY-----\n" + b"MIIEow==\n" * 6 + b"-----END KEY-----\n"
    text = b"first line\nsecond line\n" + key + b"last line without an end"
    found = list(pieces(io.BytesIO(text), size))
    assert b"".join(found) == text
    assert all(piece.endswith(b"\n") for piece in found[:-1])
    assert sum(key in piece for piece in found) == 1
    assert b"".join(pieces(io.BytesIO(b"x" * 1000), size)) == b"x" * 1000
