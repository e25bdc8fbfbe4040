# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs SHA256SUMS by ssh-keygen, and checks such a signature.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._bundle import SIGNATURE
from ansible_collections.incident.distroless.plugins.plugin_utils._sums import SUMS

# what a signature is for, so that one that was made for something else proves nothing here
NAMESPACE = "incident.distroless"
_SIGNER = "examiner"
_TIMEOUT = 60
_PUBLIC_KEY = re.compile(r"\s*([a-z][a-z0-9@.-]{1,63}) ([A-Za-z0-9+/]{16,16384}={0,2})(?: [^\n]*)?\s*")


def sign(folder: Path, key: str) -> None:
    """Writes SHA256SUMS.sig. key: the path of a private key without a passphrase, or of a public key whose other half is in
    the agent. Raises OSError, and ValueError that says what ssh-keygen said."""
    # it asks before it writes over a file, and nobody is there to answer
    (folder / SIGNATURE).unlink(missing_ok=True)
    said = _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", key, str(folder / SUMS)], b"")
    if said is not None or not (folder / SIGNATURE).is_file():
        raise ValueError(f"ssh-keygen cannot sign with {key}: {said}")
    (folder / SIGNATURE).chmod(0o600)


def check(sums: bytes, signature: bytes, public_key: str) -> str | None:
    """What is wrong with a signature of SHA256SUMS; None where it is the key's. public_key: a line as ssh-keygen writes it.

    Raises OSError, and ValueError where public_key is none.
    """
    match = _PUBLIC_KEY.fullmatch(public_key)
    if not match:
        raise ValueError("public_key is no line with the kind of a key and the key")
    with tempfile.TemporaryDirectory() as folder:
        allowed, signed = Path(folder) / "allowed", Path(folder) / "signature"
        allowed.write_text(f'{_SIGNER} namespaces="{NAMESPACE}" {match[1]} {match[2]}\n', encoding="ascii")
        signed.write_bytes(signature)
        return _run(["-Y", "verify", "-q", "-f", str(allowed), "-I", _SIGNER, "-n", NAMESPACE, "-s", str(signed)], sums)


def _run(words: list[str], given: bytes) -> str | None:
    """Runs ssh-keygen; None where it succeeds, else what it said. Raises OSError where it is not there."""
    # without a terminal it would ask for a passphrase in a window
    around = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["ssh-keygen", *words],
            input=given,
            capture_output=True,
            env=around,
            timeout=_TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"ssh-keygen did not end within {_TIMEOUT} s") from error
    said = (done.stderr + done.stdout).decode("utf-8", "backslashreplace").strip()
    return None if done.returncode == 0 else said or f"status {done.returncode}"
