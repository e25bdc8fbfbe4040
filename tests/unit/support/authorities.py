# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate authorities as the kinds of clusters make them, and TLS servers with certificates that they sign."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Habits:
    """What an authority writes into its certificates."""

    name: str = "kubernetes"
    has_usage: bool = True
    """keyUsage in the authority's own certificate and in those that it signs."""
    has_identifiers: bool = True
    """Subject and authority key identifiers."""
    is_critical: bool = True
    """basicConstraints marked critical."""
    is_rsa: bool = False
    intermediates: int = 0
    """How many authorities stand between the root and the server's certificate."""


KINDS: dict[str, Habits] = {
    # kubernetes-client/python#2394, awslabs/mcp#3791
    "eks": Habits(has_usage=False, has_identifiers=False, is_rsa=True),
    "kubeadm": Habits(is_rsa=True),
    "k3s": Habits("k3s-server-ca@1764450000"),
    "openshift": Habits("kube-apiserver-lb-signer", is_rsa=True),
    "private": Habits("Example Corp Root", has_identifiers=False, is_critical=False, intermediates=1),
}


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority: its certificate, its key, and the authority above it."""

    habits: Habits
    certificate: x509.Certificate
    key: Key
    above: Authority | None = None

    @property
    def pem(self) -> bytes:
        """Its certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def root(self) -> Authority:
        """The authority at the top."""
        return self if self.above is None else self.above.root

    def server(
        self,
        names: Sequence[str] = ("127.0.0.1",),
        *,
        days_ago: float = 30,
        days_left: float = 90,
        for_server: bool = True,
    ) -> ssl.SSLContext:
        """Return a TLS server whose certificate began and ends so many days from now; it sends the intermediates too."""
        key = _new_key(self.habits)
        certificate = _sign(
            self.habits, self, key, "kube-apiserver", _leaf(self.habits, names, for_server), days_ago, days_left
        )
        chain, authority = certificate.public_bytes(Encoding.PEM), self
        while authority.above is not None:
            chain, authority = chain + authority.pem, authority.above
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "server.pem"
            path.write_bytes(chain + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            context.load_cert_chain(path)
        return context

    def client(self, name: str) -> bytes:
        """Return a client certificate with its key, in one PEM."""
        key = _new_key(self.habits)
        certificate = _sign(self.habits, self, key, name, _leaf(self.habits, (), for_server=False), 1, 90)
        return certificate.public_bytes(Encoding.PEM) + key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )


def authority(kind: str, *, days_ago: float = 400, days_left: float = 400) -> Authority:
    """Return a new authority of a kind of KINDS, the last one of its chain."""
    habits = KINDS[kind]
    made: Authority | None = None
    for level in range(habits.intermediates + 1):
        key = _new_key(habits)
        name = habits.name if level == 0 else f"{habits.name} {level}"
        made = Authority(habits, _sign(habits, made, key, name, _authority(habits), days_ago, days_left), key, made)
    assert made is not None
    return made


Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def _new_key(habits: Habits) -> Key:
    return rsa.generate_private_key(65537, 2048) if habits.is_rsa else ec.generate_private_key(ec.SECP256R1())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _authority(habits: Habits) -> Extensions:
    constraints = (x509.BasicConstraints(ca=True, path_length=None), habits.is_critical)
    return [constraints, *([(_usage(signs=True), True)] if habits.has_usage else [])]


def _leaf(habits: Habits, names: Sequence[str], for_server: bool) -> Extensions:
    usage = ExtendedKeyUsageOID.SERVER_AUTH if for_server else ExtendedKeyUsageOID.CLIENT_AUTH
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([usage]), False)]
    if names:
        extensions.append((x509.SubjectAlternativeName([_general(name) for name in names]), False))
    return [*extensions, *([(_usage(signs=False), True)] if habits.has_usage else [])]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _sign(
    habits: Habits,
    above: Authority | None,
    key: Key,
    name: str,
    extensions: Extensions,
    days_ago: float,
    days_left: float,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=days_ago))
        .not_valid_after(now + timedelta(days=days_left))
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    if habits.has_identifiers:
        signer = key if above is None else above.key
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    return builder.sign(key if above is None else above.key, hashes.SHA256())
