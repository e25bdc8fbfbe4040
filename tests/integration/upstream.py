# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the proxies of these tests reach the real API server behind them: as the user of a kubeconfig."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def tls_of(kubeconfig: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    """The TLS settings of a kubeconfig's first cluster and user (their content, certificates inside), whose files go into a folder."""
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    files = {
        "ca.crt": cluster["certificate-authority-data"],
        "client.crt": user["client-certificate-data"],
        "client.key": user["client-key-data"],
    }
    for name, encoded in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(base64.b64decode(encoded))
    tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    tls.load_cert_chain(folder / "client.crt", folder / "client.key")
    return tls
