# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is secret or names somebody is replaced, what is not stays, and no text can make that slow."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._redact import Redactor, is_binary
from hypothesis import given, settings
from hypothesis import strategies as st

PARTS = Path(__file__).parents[4] / "roles" / "triage" / "files" / "report"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabcd+/==\n-----END RSA PRIVATE KEY-----"


def redacted(text: str) -> str:
    return Redactor(b"salt").text(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        (f"Authorization: Bearer {JWT}", JWT, "token"),
        (f"got {JWT}.", JWT, "token"),
        ("header: Bearer abcdefgh12345678", "abcdefgh12345678", "token"),
        ("AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE", "token"),
        ("push with ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "token"),
        (f"loaded\n{PEM}\nready", "MIIEowIBAAKCAQEA", "key"),
        (f"loaded {json.dumps(PEM)}", "MIIEowIBAAKCAQEA", "key"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA\ncut", "MIIEowIBAAKCAQEA", "key"),
        ("password=hunter2", "hunter2", "secret"),
        ("DB_PASSWORD: hunter2 next", "hunter2", "secret"),
        ('{"api_key": "a b, c"}', "a b, c", "secret"),
        ('{"passwd":"with \\" quote"}', "quote", "secret"),
        ('log: {\\"client_secret\\":\\"hunter2\\"}', "hunter2", "secret"),
        ("secret = 'it is long'", "it is long", "secret"),
        ("--token=abc123", "abc123", "secret"),
        ("postgres://app:hunter2@db/shop", "hunter2", "secret"),
        ("mail from jane.doe+x@shop.example.com today", "jane.doe+x@shop.example.com", "email"),
        ("connect to 10.12.13.14:5432", "10.12.13.14", "ip"),
        ("connect to [2001:db8::17]:5432", "2001:db8::17", "ip"),
        ("from fe80::1ff:fe23:4567:890a on", "fe80::1ff:fe23:4567:890a", "ip"),
        ("   1: 0E0D0C0A:1F90 00000000:0000 0A", "0E0D0C0A", "ip"),
        ("eth0\t0E0D0C0A\t00000000\t0001", "0E0D0C0A", "ip"),
        ("20010db8000000000000000000000017 02 40 00 80     eth0", "20010db8000000000000000000000017", "ip"),
    ],
)
def test_it_is_replaced_by_a_marker_of_its_kind(text: str, secret: str, kind: str) -> None:
    shown = redacted(text)
    assert secret not in shown
    assert re.search(rf"\[{kind}-[0-9a-f]{{12}}\]", shown), shown


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T02:00:00.123Z started",
        "at 02:00:00 with aa:bb:cc:dd:ee:ff",
        "listening on 127.0.0.1:8080, 0.0.0.0 and [::1]:80, ::",
        "version 1.2.3 of std::vector<int>",
        f"sha256 {'0f' * 32}",
        "adbb573b-5696-4e52-9b04-2193e8e215e4",
        "/app wait --port 8080",
        '{"secret": false, "token": null}',
        "7f00-8000 r-xp 00000000 08:01 1234  /app",
        "   0: 00000000:1F90 00000000:0000 0A",
        "TOKEN",
    ],
)
def test_what_tells_nobody_anything_stays(text: str) -> None:
    assert redacted(text) == text


def test_the_report_s_own_script_and_style_stay() -> None:
    for name in ("report.js", "report.css"):
        text = (PARTS / name).read_text(encoding="utf-8")
        assert redacted(text) == text


def test_the_same_value_has_the_same_marker_and_another_salt_another_one() -> None:
    first, second, third = re.findall(r"\[.*?\]", redacted("10.1.1.1 and 10.1.1.1, 10.1.1.2"))
    assert first == second != third
    # as the kernel writes it, too
    assert first in redacted("0: 0101010A:1F90 00000000:0000")
    assert Redactor(b"other").text(b"10.1.1.1").decode() != first


def test_command_lines_that_travel_as_digits_are_replaced_too() -> None:
    line = b"/app\0--password=hunter2\0--host\x00db".hex()
    shown = redacted(f"43 _{line} _00")
    digits = re.fullmatch(r"43 _([0-9a-f]+) _00", shown)
    assert digits
    words = bytes.fromhex(digits[1]).split(b"\0")
    assert (words[0], words[2:]) == (b"/app", [b"--host", b"db"])
    assert re.fullmatch(rb"--password=\[secret-[0-9a-f]{12}\]", words[1])
    assert redacted(shown) == shown


def test_json_stays_json_and_a_key_makes_its_value_a_secret() -> None:
    given = {"password": "a\nb", "n": 5, "token": True, "list": ["10.0.0.7"], "secretName": "db", "me@x.org": ["k"]}
    data = Redactor(b"salt").document(json.dumps(given).encode())
    assert data is not None
    found = json.loads(data)
    assert found["password"].startswith("[secret-")
    assert (found["n"], found["token"], found["secretName"]) == (5, True, "db")
    assert found["list"][0].startswith("[ip-")
    assert "me@x.org" not in found
    name = base64.b64encode(b"\xff me@x.org").decode()
    assert b"me@x.org" not in base64.b64decode(Redactor(b"salt").value({"src_b64": name})["src_b64"])
    assert Redactor(b"salt").document(b'{"a": 1}\n{"password": "x"}\n') is not None
    assert Redactor(b"salt").document(b"no json") is None


@settings(max_examples=50)
@given(text=st.text("abyz@.:=/- 0123456789[]passwordtoken\n\"'\\", max_size=200))
def test_what_was_replaced_is_not_replaced_again(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == once


@given(
    words=st.lists(st.sampled_from(["password=x1", "a@b.cc", "10.1.2.3", JWT, " ", "\n", '"', "x", PEM]), max_size=12)
)
def test_nothing_of_it_is_left_whatever_stands_around(words: list[str]) -> None:
    shown = redacted(" ".join(words))
    assert not any(secret in shown for secret in ("a@b.cc", "10.1.2.3", JWT, "MIIEow"))


HOSTILE = [
    b"eyJ",
    b"eyJaaaaaa.",
    b"a@",
    b"a.",
    b"1.",
    b"1:",
    b"f",
    b"::",
    b"-----BEGIN A-----",
    b"-----END A-----",
    b"password=",
    b"password",
    b'token:\\"',
    b"secret='",
    b"://a:",
    b"Bearer ",
    b"0f",
    b"\t0A0A0A0A",
    b"[ip-",
    b"\\n",
    b'"\\',
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_takes_no_longer_than_any_other(piece: bytes) -> None:
    data = piece * ((1 << 17) // len(piece))
    started = time.process_time()
    Redactor(b"salt").text(data)
    # a pattern that tries all would take 128 Ki squared steps, which is minutes
    assert time.process_time() - started < 3.0


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"plain", False),
        ("gr\u00fc\u00dfe".encode("latin-1"), False),
        (b"\0" * 4096 + b"text after a hole", False),
        (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe" * 10, True),
        (b"\x1f\x8b\x08\x00data", True),
        (b"PK\x03\x04", True),
        (b"a.txt".ljust(257, b"\0") + b"ustar\0" + b"password=x", True),
        (b"", False),
    ],
)
def test_what_is_binary_is_told_by_what_it_holds(data: bytes, binary: bool) -> None:
    assert is_binary(data) is binary
