# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs SHA256SUMS by cosign, with a key and without a network, and checks such a signature.

A signature is that of ECDSA over the file, in base64 (cosign's specs/SIGNATURE_SPEC.md). To check it cosign would ask Sigstore's
servers for what a key does not need, so it is checked here.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signing_program import complaint

# cosign wrote COSIGN until 2.0
_PRIVATE_KEY = re.compile(rb"\s*-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----")
_PUBLIC_KEY = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]{16,16384})-----END PUBLIC KEY-----\s*")
# both versions of cosign are told the same; what version 3 does by default needs a network
_OFFLINE = ("--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false")


def is_private_key(path: str) -> bool:
    """Whether a file holds a private key that cosign made. Raises OSError."""
    with Path(path).open("rb") as file:
        return _PRIVATE_KEY.match(file.read(256)) is not None


def is_public_key(text: str) -> bool:
    """Whether a text is a public key in PEM, as cosign writes it; spaces may stand for its newlines."""
    return _PUBLIC_KEY.fullmatch(text) is not None


def sign(signed: Path, signature: Path, key: str) -> str | None:
    """Writes a signature; what cosign said where it cannot. Raises OSError where it is not there."""
    words = ["cosign", "sign-blob", "--yes", *_OFFLINE, "--key", key, "--output-signature", str(signature), str(signed)]
    said = complaint(words)
    if said is None:
        return None
    # before its last line it may tell of options that it will not have for ever
    reason = said.splitlines()[-1]
    return reason if "COSIGN_PASSWORD" in os.environ else f"{reason} (COSIGN_PASSWORD is not set)"


def check(signed: bytes, signature: bytes, public_key: str) -> str | None:
    """What is wrong with a signature; None where it is the key's. Raises ValueError where public_key is none of cosign's."""
    # ansible-core needs cryptography, and what only looks at imports does not have it
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    match = _PUBLIC_KEY.fullmatch(public_key)
    try:
        key = load_der_public_key(base64.b64decode("".join(match[1].split()) if match else ""))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("public_key is no public key in PEM") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("public_key is none of ECDSA on P-256, as cosign makes them")
    try:
        key.verify(base64.b64decode(signature, validate=True), signed, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error):
        return "cosign's signature was made with another key, or of something else"
    return None
