# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import re
import subprocess

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core import paths
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from hypothesis import given
from hypothesis import strategies as st

EVERY_BYTE = bytes(range(1, 256))
HOSTILE = [
    EVERY_BYTE,
    EVERY_BYTE[::-1],
    b"'",
    b"''\\'",
    b"-rf",
    b"$(reboot)`reboot`${x}",
    b"a\nb\n",
    b"*?[a-z]!#~",
    bytes([0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x01, 0x7F]),
    b"\xc3\xa9\xff",
    b" ",
    b"",
]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_quoted_name_reaches_the_command_byte_for_byte(shell: str) -> None:
    script = b"".join(b"printf '%s\\0' " + paths.quote(name) + b"\n" for name in HOSTILE)
    out = subprocess.run(
        [*SHELLS[shell].argv, "-c", 'eval "$1"', "sh", script], env=SHELLS[shell].env, capture_output=True, check=True
    )
    assert out.stdout.split(b"\0")[:-1] == HOSTILE
    assert out.stderr == b""


def test_a_shell_word_cannot_hold_a_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        paths.quote(b"a\0b")


def test_a_name_that_is_utf8_is_shown_as_it_is() -> None:
    assert paths.display("/var/ä\\n\nb".encode()) == ("/var/ä\\n\nb", None)


def test_odd_bytes_are_shown_escaped_with_backslashes_doubled() -> None:
    text, b64 = paths.display(b"/a\\b\xff\xc3\xa9")
    assert text == "/a\\\\b\\xffé"
    assert b64 is not None
    assert base64.b64decode(b64) == b"/a\\b\xff\xc3\xa9"


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_what_is_shown_gives_the_bytes_back(path: bytes) -> None:
    text, b64 = paths.display(path)
    text.encode("utf-8")
    if b64 is None:
        assert paths.exact(text) == path
    else:
        assert paths.from_base64(b64) == path
        raw = re.sub(
            rb"\\(\\|x[0-9a-f]{2})",
            lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]),
            text.encode("utf-8"),
        )
        assert raw == path


@pytest.mark.parametrize("text", ["", "a\0b"])
def test_a_path_that_no_file_can_have_is_an_invalid_request(text: str) -> None:
    with pytest.raises(Failure) as caught:
        paths.exact(text)
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize("text", ["***", "YQ", base64.b64encode(b"a\0").decode(), ""])
def test_base64_that_is_no_path_is_an_invalid_request(text: str) -> None:
    with pytest.raises(Failure) as caught:
        paths.from_base64(text)
    assert caught.value.reason == "InvalidRequest"
