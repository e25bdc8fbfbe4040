# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs SHA256SUMS by ssh-keygen or cosign, whichever the key is made for, and checks such a signature.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence import cosign as _cosign
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import SIGNATURE
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signing_program import complaint

# what a signature is for, so that one that was made for something else proves nothing here
NAMESPACE = "incident.distroless"
_SIGNER = "examiner"
_PUBLIC_KEY = re.compile(r"\s*([a-z][a-z0-9@.-]{1,63}) ([A-Za-z0-9+/]{16,16384}={0,2})(?: [^\n]*)?\s*")


def sign(folder: Path, key: str) -> None:
    """Writes SHA256SUMS.sig. key: the path of a private key of cosign, of an ssh key without a passphrase, or of an ssh public
    key whose other half is in the agent. Raises OSError, and ValueError that says what the program said."""
    # ssh-keygen asks before it writes over a file, and nobody is there to answer
    (folder / SIGNATURE).unlink(missing_ok=True)
    program = "cosign" if _cosign.is_private_key(key) else "ssh-keygen"
    try:
        if program == "cosign":
            said = _cosign.sign(folder / SUMS, folder / SIGNATURE, key)
        else:
            said = complaint([program, "-Y", "sign", "-q", "-n", NAMESPACE, "-f", key, str(folder / SUMS)])
    except FileNotFoundError as error:
        raise ValueError(f"{key} is a key of {program}, which is not installed here") from error
    if said is not None or not (folder / SIGNATURE).is_file():
        raise ValueError(f"{program} cannot sign with {key}: {said}")
    (folder / SIGNATURE).chmod(0o600)


def check(sums: bytes, signature: bytes, public_key: str) -> str | None:
    """What is wrong with a signature of SHA256SUMS; None where it is the key's. public_key: a line as ssh-keygen writes it, or
    PEM as cosign does.

    Raises OSError, and ValueError where public_key is neither.
    """
    if _cosign.is_public_key(public_key):
        return _cosign.check(sums, signature, public_key)
    match = _PUBLIC_KEY.fullmatch(public_key)
    if not match:
        raise ValueError("public_key is neither a line with the kind of a key and the key, nor a public key in PEM")
    with tempfile.TemporaryDirectory() as folder:
        allowed, signed = Path(folder) / "allowed", Path(folder) / "signature"
        allowed.write_text(f'{_SIGNER} namespaces="{NAMESPACE}" {match[1]} {match[2]}\n', encoding="ascii")
        signed.write_bytes(signature)
        by = ("-I", _SIGNER, "-n", NAMESPACE, "-s", str(signed))
        return complaint(["ssh-keygen", "-Y", "verify", "-q", "-f", str(allowed), *by], sums)
