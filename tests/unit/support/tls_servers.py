# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS servers with whatever certificate, made of Python's own OpenSSL."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def server(
    folder: Path,
    *,
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
    subject: str = "peer",
    days_ago: float = 30,
    days_left: float = 90,
) -> ssl.SSLContext:
    """A server whose self-signed certificate began and ends so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    alternatives: list[x509.GeneralName] = [x509.DNSName(entry) for entry in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(entry)) for entry in addresses]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(now - timedelta(days=days_ago))
        .not_valid_after(now + timedelta(days=days_left))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "peer.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "peer.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "peer.crt", folder / "peer.key")
    return context


def chained(folder: Path, *above: tuple[str, str, float]) -> ssl.SSLContext:
    """A server that shows a leaf, and above it these: subject, issuer, days that it has left. The first made the leaf."""
    shown = [("peer", above[0][0] if above else "away", 90.0), *above]
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for row in shown for name in row[:2]}
    now = datetime.now(UTC)
    made = [
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(keys[subject].public_key())
        .serial_number(number)
        .not_valid_before(now - timedelta(days=900))
        .not_valid_after(now + timedelta(days=left))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("orders.example")]), critical=False)
        .sign(keys[issuer], hashes.SHA256())
        for number, (subject, issuer, left) in enumerate(shown, 1)
    ]
    (folder / "chain.crt").write_bytes(b"".join(row.public_bytes(Encoding.PEM) for row in made))
    (folder / "chain.key").write_bytes(keys["peer"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.crt", folder / "chain.key")
    return context


def flight(context: ssl.SSLContext, hello: bytes) -> bytes:
    """Return what such a server sends back when it gets these bytes and no more."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    # it waits for the client's second message, or has sent an alert
    with suppress(ssl.SSLError):
        talk.do_handshake()
    return outgoing.read()
