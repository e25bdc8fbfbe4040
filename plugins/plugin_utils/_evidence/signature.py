# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs SHA256SUMS by ssh-keygen or cosign, whichever the key is made for, and checks such a signature.

Cosign's is that of ECDSA over the file, in base64 (cosign's specs/SIGNATURE_SPEC.md). To check it cosign would ask Sigstore's
servers for what a key does not need, so it is checked here.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import SIGNATURE
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS

_TIMEOUT = 60


def _complaint(words: Sequence[str], given: bytes = b"") -> str | None:
    """Return None where the program succeeds, else what it said. given: its input. Raises OSError where it is not there."""
    # without a terminal ssh-keygen would ask for a passphrase in a window
    around = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words,
            input=given,
            capture_output=True,
            env=around,
            timeout=_TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{words[0]} did not end within {_TIMEOUT} s") from error
    said = (done.stderr + done.stdout).decode("utf-8", "backslashreplace").strip()
    return None if done.returncode == 0 else said or f"status {done.returncode}"


# cosign wrote COSIGN until 2.0
_COSIGN_PRIVATE_KEY = re.compile(rb"\s*-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----")
_COSIGN_PUBLIC_KEY = re.compile(r"\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]{16,16384})-----END PUBLIC KEY-----\s*")
# both versions of cosign are told the same; what version 3 does by default needs a network
_COSIGN_OFFLINE = ("--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false")


def _is_of_cosign(path: str) -> bool:
    """Return whether a file holds a private key that cosign made. Raises OSError."""
    with Path(path).open("rb") as file:
        return _COSIGN_PRIVATE_KEY.match(file.read(256)) is not None


def _is_public_key_of_cosign(text: str) -> bool:
    """Return whether a text is a public key in PEM, as cosign writes it; spaces may stand for its newlines."""
    return _COSIGN_PUBLIC_KEY.fullmatch(text) is not None


def _sign_by_cosign(signed: Path, signature: Path, key: str) -> str | None:
    """Writes a signature; what cosign said where it cannot. Raises OSError where it is not there."""
    words = [
        "cosign",
        "sign-blob",
        "--yes",
        *_COSIGN_OFFLINE,
        "--key",
        key,
        "--output-signature",
        str(signature),
        str(signed),
    ]
    said = _complaint(words)
    if said is None:
        return None
    # before its last line it may tell of options that it will not have for ever
    reason = said.splitlines()[-1]
    return reason if "COSIGN_PASSWORD" in os.environ else f"{reason} (COSIGN_PASSWORD is not set)"


def _check_of_cosign(signed: bytes, signature: bytes, public_key: str) -> str | None:
    """Return what is wrong with a signature; None where it is the key's. Raises ValueError where public_key is none of cosign's."""
    # ansible-core needs cryptography, and what only looks at imports does not have it
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    match = _COSIGN_PUBLIC_KEY.fullmatch(public_key)
    try:
        key = load_der_public_key(base64.b64decode("".join(match[1].split()) if match else ""))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("public_key is not a valid public key in PEM") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("public_key is none of ECDSA on P-256, as cosign makes them")
    try:
        key.verify(base64.b64decode(signature, validate=True), signed, ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error):
        return "cosign's signature was made with another key, or of something else"
    return None


# what a signature is for, so that one that was made for something else proves nothing here
NAMESPACE = "incident.distroless"
_SIGNER = "examiner"
_SSH_PUBLIC_KEY = re.compile(r"\s*([a-z][a-z0-9@.-]{1,63}) ([A-Za-z0-9+/]{16,16384}={0,2})(?: [^\n]*)?\s*")


def sign(folder: Path, key: str) -> None:
    """Writes SHA256SUMS.sig. key: the path of a private key of cosign, of an ssh key without a passphrase, or of an ssh public
    key whose other half is in the agent. Raises OSError, and ValueError that says what the program said."""
    # ssh-keygen asks before it writes over a file, and nobody is there to answer
    (folder / SIGNATURE).unlink(missing_ok=True)
    program = "cosign" if _is_of_cosign(key) else "ssh-keygen"
    try:
        if program == "cosign":
            said = _sign_by_cosign(folder / SUMS, folder / SIGNATURE, key)
        else:
            said = _complaint([program, "-Y", "sign", "-q", "-n", NAMESPACE, "-f", key, str(folder / SUMS)])
    except FileNotFoundError as error:
        raise ValueError(f"{key} is a key of {program}, which is not installed here") from error
    if said is not None or not (folder / SIGNATURE).is_file():
        raise ValueError(f"{program} cannot sign with {key}: {said}")
    (folder / SIGNATURE).chmod(0o600)


def check(sums: bytes, signature: bytes, public_key: str) -> str | None:
    """Return what is wrong with a signature of SHA256SUMS; None where it is the key's. public_key: a line as ssh-keygen writes it, or
    PEM as cosign does.

    Raises OSError, and ValueError where public_key is neither.
    """
    if _is_public_key_of_cosign(public_key):
        return _check_of_cosign(sums, signature, public_key)
    match = _SSH_PUBLIC_KEY.fullmatch(public_key)
    if not match:
        raise ValueError("public_key is neither a line with the kind of a key and the key, nor a public key in PEM")
    with tempfile.TemporaryDirectory() as folder:
        allowed, signed = Path(folder) / "allowed", Path(folder) / "signature"
        allowed.write_text(f'{_SIGNER} namespaces="{NAMESPACE}" {match[1]} {match[2]}\n', encoding="ascii")
        signed.write_bytes(signature)
        by = ("-I", _SIGNER, "-n", NAMESPACE, "-s", str(signed))
        return _complaint(["ssh-keygen", "-Y", "verify", "-q", "-f", str(allowed), *by], sums)
