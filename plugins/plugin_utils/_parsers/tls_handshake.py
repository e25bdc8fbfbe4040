# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a TLS server answers to a first message: its version, and the certificates that it shows.

The handshake is understood as far as the certificates (RFC 8446; of TLS 1.2 and older they come in clear), and never finished.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# The client's first message (the collector's) carries the public halves of these keys. They are no secret and protect nothing: all
# that is ever decrypted with them is the server's certificates, which it shows to anybody; no handshake is finished.
X25519_KEY = bytes(range(1, 33))
P256_KEY = int.from_bytes(bytes(range(1, 33)), "big")
X25519, P256 = 0x001D, 0x0017
# RFC 8446, 4.1.3: the random of a ServerHello that asks for another key
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
VERSIONS = {0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
ALERTS = {
    40: "handshake_failure",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}
ALERT, HANDSHAKE, APPLICATION = 21, 22, 23
# of alerts: one after which the server goes on, such as that it does not know the name
WARNING = 1
SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST = 2, 11, 13
# cipher suites of TLS 1.3: hash, length of the key
SUITES = {0x1301: ("sha256", 16), 0x1302: ("sha384", 32), 0x1303: ("sha256", 32)}


@dataclass(slots=True)
class Answer:
    """outcome: certificates, alert, not_tls, nothing or unreadable; detail says more. certificates: DER, the server's own first."""

    outcome: str
    detail: str = ""
    version: str = ""
    wants_certificate: bool = False
    certificates: list[bytes] = field(default_factory=list)


class _Cut(ValueError):
    """The bytes end before what they announce."""


@dataclass(slots=True)
class _Bytes:
    """Bytes that are read from their beginning. Raises _Cut where there are not enough."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise _Cut
        self.at += count
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Bytes:
        """Return a piece with its length, of size bytes, before it."""
        return _Bytes(self.take(self.number(size)))

    @property
    def is_left(self) -> bool:
        return self.at < len(self.data)


def answer(hello: bytes, reply: bytes) -> Answer:
    """Return what a server answered to our first message (hello, a whole record). Never raises, whatever the server sent."""
    if not reply:
        return Answer("nothing")
    if reply[0] not in (ALERT, HANDSHAKE) or reply[1:2] != b"\x03":
        return Answer("not_tls")
    found = Answer("unreadable", "its answer has no certificate")
    try:
        _read(found, hello[5:], reply)
    except _Cut:
        found.detail = "its answer is cut off"
    except _undecryptable() as error:
        found.detail = f"its answer cannot be decrypted: {str(error) or type(error).__name__}"
    if found.certificates:
        found.outcome, found.detail = "certificates", ""
    return found


def _undecryptable() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import InvalidTag

    return (InvalidTag, ValueError)


def _read(found: Answer, hello: bytes, reply: bytes) -> None:
    """Takes the records of the answer into found, as far as they are understood."""
    opened: _Opened | None = None
    plain = sealed = b""
    for outer, record, header in _records(reply):
        kind, content = opened.record(record, header) if opened and outer == APPLICATION else (outer, record)
        if kind == ALERT and len(content) >= 2:
            found.outcome = "alert"
            found.detail = ALERTS.get(content[1], f"alert {content[1]}")
            if content[0] == WARNING:
                continue
            return
        if kind != HANDSHAKE:
            continue
        if opened:
            sealed += content
        else:
            plain += content
        for message, body, raw in _messages(sealed if opened else plain):
            if message == SERVER_HELLO and not found.version:
                opened = _server_hello(found, hello, body, raw)
            elif message == CERTIFICATE:
                found.certificates = list(_certificates(body, is_new=opened is not None))
            elif message == CERTIFICATE_REQUEST:
                found.wants_certificate = True


def _records(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Return content type, content and header of each record that is whole."""
    rest = _Bytes(data)
    while rest.is_left:
        header = rest.take(5)
        yield header[0], rest.take(int.from_bytes(header[3:5], "big")), header


def _messages(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, body and raw bytes of each handshake message that is whole."""
    rest = _Bytes(data)
    while len(data) - rest.at >= 4:
        begin = rest.at
        kind = rest.number(1)
        try:
            body = rest.vector(3).data
        except _Cut:
            return
        yield kind, body, data[begin : rest.at]


def _certificates(body: bytes, *, is_new: bool) -> Iterator[bytes]:
    """Return the certificates of the message; that of TLS 1.3 (is_new) has a context before them and extensions after each."""
    rest = _Bytes(body)
    if is_new:
        rest.vector(1)
    listed = rest.vector(3)
    while listed.is_left:
        yield listed.vector(3).data
        if is_new:
            listed.vector(2)


def _server_hello(found: Answer, hello: bytes, body: bytes, raw: bytes) -> _Opened | None:
    """Notes the version; gives what opens the following records where they are encrypted."""
    rest = _Bytes(body)
    version, chance = rest.number(2), rest.take(32)
    rest.vector(1)
    suite = rest.number(2)
    rest.take(1)
    extensions: dict[int, bytes] = {}
    if rest.is_left:
        listed = rest.vector(2)
        while listed.is_left:
            kind = listed.number(2)
            extensions[kind] = listed.vector(2).data
    # supported_versions and key_share
    if 43 in extensions:
        version = int.from_bytes(extensions[43], "big")
    found.version = VERSIONS.get(version, f"version {version:#06x}")
    if version != 0x0304:
        return None
    if chance == RETRY or 51 not in extensions or suite not in SUITES:
        raise ValueError("it asks for a key of another kind")
    return _Opened.after(hello, raw, suite, _shared(_Bytes(extensions[51])))


def _shared(share: _Bytes) -> bytes:
    """Return the secret that our keys and the server's make. Raises ValueError."""
    from cryptography.hazmat.primitives.asymmetric import ec, x25519

    group, key = share.number(2), share.vector(2).data
    if group == X25519:
        return x25519.X25519PrivateKey.from_private_bytes(X25519_KEY).exchange(
            x25519.X25519PublicKey.from_public_bytes(key)
        )
    if group == P256:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        return ec.derive_private_key(P256_KEY, ec.SECP256R1()).exchange(ec.ECDH(), theirs)
    raise ValueError("a key of a group that was not offered")


@dataclass(slots=True)
class _Opened:
    """Decrypts the server's records of the handshake (RFC 8446, 5.2 and 7)."""

    cipher: Any
    iv: bytes
    count: int = 0

    @classmethod
    def after(cls, hello: bytes, server_hello: bytes, suite: int, shared: bytes) -> _Opened:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

        key, iv = server_keys(hello, server_hello, suite, shared)
        return cls((ChaCha20Poly1305 if suite == 0x1303 else AESGCM)(key), iv)

    def record(self, content: bytes, header: bytes) -> tuple[int, bytes]:
        """Return the kind and the content of a record. Raises InvalidTag."""
        nonce = bytes(a ^ b for a, b in zip(self.iv, self.count.to_bytes(12, "big"), strict=True))
        self.count += 1
        inner = self.cipher.decrypt(nonce, content, header).rstrip(b"\0")
        return (inner[-1], inner[:-1]) if inner else (0, b"")


def server_keys(hello: bytes, server_hello: bytes, suite: int, shared: bytes) -> tuple[bytes, bytes]:
    """Return the key and the IV of what a server of TLS 1.3 sends in its handshake (RFC 8446, 7.1 and 7.3).

    hello and server_hello are whole messages, shared is the secret that both sides' keys make.
    """
    name, length = SUITES[suite]
    size = hashlib.new(name).digest_size
    early = hmac.digest(bytes(size), bytes(size), name)
    derived = _expand(early, b"derived", hashlib.new(name).digest(), size, name)
    secret = hmac.digest(derived, shared, name)
    transcript = hashlib.new(name, hello + server_hello).digest()
    traffic = _expand(secret, b"s hs traffic", transcript, size, name)
    return _expand(traffic, b"key", b"", length, name), _expand(traffic, b"iv", b"", 12, name)


def _expand(secret: bytes, label: bytes, context: bytes, length: int, name: str) -> bytes:
    """Return HKDF-Expand-Label for at most one block of the hash, which is all that is asked for here."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\1", name)[:length]
