# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collector's first message of TLS is one that OpenSSL takes, and of each answer the certificates are read."""

from __future__ import annotations

import re
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.certificates import is_named, tls
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.tls_handshake import answer
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import judged
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.tls_servers import chained, flight, server
from hypothesis import given
from hypothesis import strategies as st

COLLECTORS = Path(__file__).parents[5] / "roles" / "network_triage" / "collectors"


def hello(name: str, shell: str = "dash") -> bytes:
    """What the collector sends first: its own shell function, run by a shell of this machine."""
    found = parse_collectors(read_checks([str(COLLECTORS)]))
    command = next(entry.command for entry in found if entry.name == "tls")
    assert command
    functions, begins, _rest = command.partition("printf 'now")
    assert begins
    # the check for nc is not what is tried here
    script = re.sub(r"(?m)^know_nc .*$", "", functions) + 'hello "$1"'
    kind = SHELLS[shell]
    done = subprocess.run([*kind.argv, "-c", script, "sh", name], env=dict(kind.env), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


@pytest.fixture(scope="module")
def known() -> bytes:
    return hello("orders.example")


def rows(name: str, sent: bytes, reply: bytes, now: float | None = None) -> dict[str, Any]:
    lines = f"now {int(now or time.time())}\ngiven {name} 443 _{sent.hex()} _{reply.hex()}\n"
    return tls(lines.encode())


def only(version: ssl.TLSVersion) -> Callable[[ssl.SSLContext], None]:
    def limit(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = version

    return limit


def groups(name: str) -> Callable[[ssl.SSLContext], None]:
    return lambda context: context.set_ecdh_curve(name)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["orders.example", "10.1.2.3", "a" * 60 + ".x"])
def test_each_shell_says_the_same_and_openssl_understands_it(tmp_path: Path, shell: str, name: str) -> None:
    asked: list[str | None] = []
    context = server(tmp_path, names=["orders.example"])
    context.sni_callback = lambda _socket, sni, _context: asked.append(sni)  # type: ignore[assignment,misc]
    sent = hello(name, shell)
    assert flight(context, sent)
    assert asked == [None if name == "10.1.2.3" else name]
    assert sent == hello(name)


@pytest.mark.parametrize(
    ("limit", "version"),
    [
        (only(ssl.TLSVersion.TLSv1_2), "TLS 1.2"),
        (only(ssl.TLSVersion.TLSv1_3), "TLS 1.3"),
        # OpenSSL itself takes X25519 where both are offered
        (groups("prime256v1"), "TLS 1.3"),
    ],
)
def test_the_certificate_is_read_in_each_version_and_group(
    tmp_path: Path, known: bytes, limit: Callable[[ssl.SSLContext], None], version: str
) -> None:
    context = server(tmp_path, names=["orders.example", "*.shop.example"], days_ago=60, days_left=-2)
    limit(context)
    found = rows("orders.example", known, flight(context, known))
    (peer,), (certificate,) = found["peers"], found["certificates"]
    assert (peer["outcome"], peer["version"], peer["names_match"]) == ("certificates", version, True)
    assert certificate["subject"] == "CN=peer"
    assert certificate["names"] == ["orders.example", "*.shop.example"]
    assert certificate["is_self_signed"]
    assert -2 * 86400 - 60 < certificate["seconds_left"] <= -2 * 86400
    assert certificate["seconds_before"] < 0
    assert not certificate["error"]


def test_each_cipher_of_the_new_version_is_decrypted(tmp_path: Path, known: bytes) -> None:
    for suite in ("1301", "1302", "1303"):
        offered = known.replace(bytes.fromhex("130113021303"), bytes.fromhex(suite * 3))
        reply = flight(server(tmp_path), offered)
        # after the headers of record and message, version, random and an empty session id
        assert reply[44:46].hex() == suite
        assert answer(offered, reply).outcome == "certificates"


def test_a_server_that_wants_a_certificate_shows_its_own_all_the_same(tmp_path: Path, known: bytes) -> None:
    context = server(tmp_path)
    context.load_verify_locations(tmp_path / "peer.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    (peer,) = rows("orders.example", known, flight(context, known))["peers"]
    assert (peer["outcome"], peer["wants_certificate"]) == ("certificates", True)


HINTS = ("certificate_expired", "certificate_above_expired", "certificate_alone", "certificate_wanted")
# made by a root that has expired, and made anew by the one that came after it (2021, DST Root CA X3)
OLD_ROOT = ("root", "older", -700.0)


@pytest.mark.parametrize(
    ("above", "verdicts"),
    [
        ((), {"certificate_expired": "pass", "certificate_alone": "pass"}),
        ((("sub", "root", 300.0), ("root", "root", 900.0)), {"certificate_expired": "pass"}),
        (
            (("sub", "root", 300.0), OLD_ROOT),
            {"certificate_expired": "pass", "certificate_above_expired": "warn"},
        ),
        # nobody gets round an issuer that has expired, but by another of its name
        ((("sub", "root", -2.0), ("root", "root", 900.0)), {"certificate_expired": "fail"}),
        (
            (("sub", "root", -2.0), ("sub", "root", 300.0)),
            {"certificate_expired": "pass", "certificate_above_expired": "warn"},
        ),
    ],
)
def test_a_chain_is_judged_by_what_clients_go_through(
    tmp_path: Path, known: bytes, above: tuple[tuple[str, str, float], ...], verdicts: dict[str, str]
) -> None:
    found = rows("orders.example", known, flight(chained(tmp_path, *above), known))
    assert len(found["certificates"]) == 1 + len(above)
    assert {row.analyzer: row.verdict for row in judged("network_triage", {"tls": found}, {}, *HINTS)} == verdicts


def test_that_a_client_has_to_show_a_certificate_is_a_hint_and_no_trouble(tmp_path: Path, known: bytes) -> None:
    context = chained(tmp_path, ("sub", "root", 300.0), ("root", "root", 900.0))
    context.load_verify_locations(tmp_path / "chain.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    found = rows("orders.example", known, flight(context, known))
    said = {row.analyzer: row for row in judged("network_triage", {"tls": found}, {}, *HINTS)}
    assert {row.verdict for row in said.values()} == {"pass"}
    assert said["certificate_wanted"].message.startswith("orders.example port 443 asks for a client's certificate; ")
    assert "certificate_alone" not in said


def test_a_server_that_wants_another_key_is_not_understood(tmp_path: Path, known: bytes) -> None:
    context = server(tmp_path)
    context.set_ecdh_curve("secp521r1")
    offered = known.replace(bytes.fromhex("001d00170018"), bytes.fromhex("001d00170019"))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    found = answer(offered, flight(context, offered))
    assert (found.outcome, found.detail) == (
        "unreadable",
        "its answer cannot be decrypted: it asks for a key of another kind",
    )


def test_a_refusal_is_named(tmp_path: Path, known: bytes) -> None:
    context = server(tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DHE-RSA-AES128-GCM-SHA256")
    found = answer(known, flight(context, known))
    assert (found.outcome, found.detail) == ("alert", "handshake_failure")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_warning_is_no_refusal_where_the_server_goes_on(
    tmp_path: Path, known: bytes, version: ssl.TLSVersion
) -> None:
    context = server(tmp_path)
    only(version)(context)
    unknown_name = bytes.fromhex("15030300020170")
    assert answer(known, unknown_name + flight(context, known)).outcome == "certificates"
    alone = answer(known, unknown_name)
    assert (alone.outcome, alone.detail) == ("alert", "unrecognized_name")


def test_a_server_that_wants_to_be_called_by_its_name_is(tmp_path: Path) -> None:
    context = server(tmp_path, names=["orders.example"])

    def choose(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        return None if name == "orders.example" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = choose  # type: ignore[assignment]
    outcomes = {}
    # a dot at the end is no part of the name that is sent
    for host in ("orders.example", "orders.example.", "other.example", "10.1.2.3"):
        sent = hello(host)
        (peer,) = rows(host, sent, flight(context, sent))["peers"]
        outcomes[host] = (peer["outcome"], peer["detail"])
    assert outcomes == {
        "orders.example": ("certificates", ""),
        "orders.example.": ("certificates", ""),
        "other.example": ("alert", "unrecognized_name"),
        "10.1.2.3": ("alert", "unrecognized_name"),
    }


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [(b"", "nothing"), (b"HTTP/1.1 400 Bad Request\r\n", "not_tls"), (b"\x16\x03\x03\x40\x00short", "unreadable")],
)
def test_what_is_no_tls_is_said_to_be_none(known: bytes, reply: bytes, outcome: str) -> None:
    assert answer(known, reply).outcome == outcome


def test_a_peer_by_its_address_is_matched_by_address(tmp_path: Path) -> None:
    sent = hello("10.1.2.3")
    own = rows("10.1.2.3", sent, flight(server(tmp_path, addresses=["10.1.2.3"]), sent))
    other = rows("10.1.2.3", sent, flight(server(tmp_path, names=["orders.example"]), sent))
    assert [found["peers"][0]["names_match"] for found in (own, other)] == [True, False]


@pytest.mark.parametrize("host", ["last.example", "10.1.2.3"])
def test_a_name_behind_many_others_is_matched_and_the_row_says_how_many_are_left_out(tmp_path: Path, host: str) -> None:
    many = [f"site{count}.example" for count in range(59)]
    context = server(tmp_path, names=[*many, "last.example"], addresses=["10.1.2.3"])
    sent = hello(host)
    found = rows(host, sent, flight(context, sent))
    (peer,), (certificate,) = found["peers"], found["certificates"]
    assert peer["names_match"] is True
    assert (certificate["names"], certificate["names_left_out"]) == (many[:50], 11)


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        ("Orders.Example.", ["orders.example"], True),
        ("a.shop.example", ["*.shop.example"], True),
        ("a.b.shop.example", ["*.shop.example"], False),
        ("shop.example", ["*.shop.example"], False),
        ("example", ["*"], False),
        ("10.0.0.1", ["*.0.0.1"], False),
        ("::1", ["::1"], True),
    ],
)
def test_a_star_stands_for_one_label(host: str, names: list[str], expected: bool) -> None:
    assert is_named(host, names) is expected


def test_a_hostile_subject_is_shown_escaped(tmp_path: Path, known: bytes) -> None:
    subject = "\x1b[2J{{ 7 * 7 }}\u202e<script>"
    (certificate,) = rows("x.example", known, flight(server(tmp_path, subject=subject), known))["certificates"]
    assert certificate["subject"].isprintable()
    assert "{{ 7 * 7 }}" in certificate["subject"]


@given(at=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.integers(0, 2000))
def test_no_answer_whatever_is_more_than_a_row(at: int, byte: int, cut: int) -> None:
    for reply in FLIGHTS:
        changed = bytearray(reply)
        changed[at % len(reply)] = byte
        rows("x.example", SENT, bytes(changed))
        rows("x.example", SENT, bytes(changed[: cut % len(reply)]))


@pytest.fixture(scope="module", autouse=True)
def flights(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An answer of each version, to be damaged."""
    folder = tmp_path_factory.mktemp("flights")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = server(folder, names=["x.example"])
        only(version)(context)
        FLIGHTS.append(flight(context, SENT))


SENT = hello("x.example")
FLIGHTS: list[bytes] = []
