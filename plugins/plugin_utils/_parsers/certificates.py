# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that servers showed, as rows: for whom, by whom, from when to when. They are the peers' words, and are checked
against no authority here.

A TLS server's first answer is recorded in the pod by nc and understood on this side, so that no debug image needs to know TLS for it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    CUT,
    from_hex,
    lines,
    not_understood,
    number,
    printable,
    shown,
    words,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.tls_handshake import Answer, answer

# of what one peer shows, in the report; names are matched with all of them
MAX_CERTIFICATES = 10
MAX_NAMES = 50
UNREADABLE = "(not readable)"
# how servers of protocols greet that take up TLS when they are asked to (STARTTLS), and those that wait and say nothing
GREETINGS = ((b"220", "SMTP or FTP"), (b"* OK", "IMAP"), (b"+OK", "POP3"), (b"<stream", "XMPP"), (b"<?xml", "XMPP"))
SILENT = {5432: "PostgreSQL", 389: "LDAP", 5222: "XMPP"}


def tls(data: bytes) -> dict[str, Any]:
    """Return what peers answered to a first message of TLS: a line `now epoch`, lines `source host port _hex-hello _hex-answer`.

    Gives certificates (host, port, place: 0 is the peer's own, subject, issuer, serial, not_before, not_after: RFC 3339,
    seconds_left, seconds_before: until it counts, names: the first of them, names_left_out: how many more it has, is_self_signed,
    is_direct: the peer's own, or the one that it was made by where no other of that name counts, error) and peers (source, host, port,
    outcome, detail, version, wants_certificate, is_alone: no issuer is shown, speaks: what takes up TLS only when it is asked to,
    names_match: null where there is no certificate to read). A line `cut` says that there were more.
    """
    now: int | None = None
    certificates: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    for line in lines(data):
        if line == CUT:
            continue
        if now is None:
            word, at = words(line, 2)
            if word != b"now":
                raise not_understood(line)
            now = number(at)
            continue
        source, host, port, hello, reply = words(line, 5)
        found = answer(_raw(hello), _raw(reply))
        name = shown(host)
        peer = {"host": name, "port": number(port)}
        rows = [
            {**peer, "place": place, **_row(der, now)}
            for place, der in enumerate(found.certificates[:MAX_CERTIFICATES])
        ]
        certificates += [{**_cut(row), "is_direct": _is_direct(row, rows)} for row in rows]
        speaks = _speaks(number(port), _raw(reply)) if found.outcome in ("not_tls", "nothing") else ""
        answered.append({"source": shown(source), **peer, **_judged(name, found, rows), "speaks": speaks})
    return {"certificates": certificates, "peers": answered}


def _raw(word: bytes) -> bytes:
    return from_hex(word.removeprefix(b"_"))


def _judged(host: str, found: Answer, rows: list[dict[str, Any]]) -> dict[str, Any]:
    own = rows[0] if rows and not rows[0]["error"] else None
    return {
        "outcome": found.outcome,
        "detail": printable(found.detail),
        "version": found.version,
        "wants_certificate": found.wants_certificate,
        "is_alone": len(rows) == 1 and not rows[0]["is_self_signed"],
        "names_match": is_named(host, own["names"]) if own else None,
    }


def _is_direct(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Return whether no client does without it: above these a client goes no further than to what it trusts."""
    if row["place"] == 0:
        return True
    others = [other for other in rows[1:] if other is not row and other["subject"] == row["subject"]]
    return row["subject"] == rows[0]["issuer"] and not any(other["seconds_left"] >= 0 for other in others)


def _speaks(port: int, reply: bytes) -> str:
    """Return which of those protocols a peer speaks that begin in clear, "" where it is none of them."""
    for begin, protocol in GREETINGS:
        if reply.startswith(begin):
            return protocol
    # the number of its protocol, after the length of the packet
    if reply[3:5] == b"\0\x0a":
        return "MySQL"
    return SILENT.get(port, "") if reply[:1] in (b"", b"E") else ""


def _cut(row: dict[str, Any]) -> dict[str, Any]:
    names = row["names"]
    return {**row, "names": names[:MAX_NAMES], "names_left_out": len(names[MAX_NAMES:])}


def is_named(host: str, names: list[str]) -> bool:
    """Return whether a certificate for these names is one for the host (RFC 6125: a star stands for the whole first label)."""
    try:
        return str(ipaddress.ip_address(host)) in names
    except ValueError:
        wanted = host.lower().rstrip(".")
    _first, _dot, rest = wanted.partition(".")
    lower = [name.lower() for name in names]
    return wanted in lower or bool(rest and f"*.{rest}" in lower)


def _row(der: bytes, now: int) -> dict[str, Any]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    row: dict[str, Any] = {
        "subject": UNREADABLE,
        "issuer": "",
        "serial": "",
        "not_before": "",
        "not_after": "",
        "seconds_left": 0,
        "seconds_before": 0,
        "names": [],
        "is_self_signed": False,
        "error": "",
    }
    # what a peer shows can be anything
    odd = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
    try:
        certificate = x509.load_der_x509_certificate(der)
        begins, ends = _times(certificate)
        row |= {
            "subject": printable(certificate.subject.rfc4514_string()),
            "issuer": printable(certificate.issuer.rfc4514_string()),
            "serial": f"{certificate.serial_number:x}",
            "not_before": begins.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "not_after": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds_left": int(ends.timestamp()) - now,
            "seconds_before": int(begins.timestamp()) - now,
            "is_self_signed": certificate.subject == certificate.issuer,
        }
        row["names"] = _names(certificate)
    except odd as error:
        row["error"] = printable(f"{type(error).__name__}: {error}")
    return row


def _times(certificate: Any) -> tuple[datetime, datetime]:
    """Return from when to when a certificate counts; cryptography before 42 gives times without a zone, which are UTC."""
    if hasattr(certificate, "not_valid_after_utc"):
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate.not_valid_before.replace(tzinfo=UTC), certificate.not_valid_after.replace(tzinfo=UTC)


def _names(certificate: Any) -> list[str]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = extension.get_values_for_type(x509.DNSName)
    addresses = extension.get_values_for_type(x509.IPAddress)
    return [printable(str(name)) for name in (*hosts, *addresses)]
