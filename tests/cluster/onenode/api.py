# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The few questions that the launcher asks the API server, over the certificates that it made itself and never through a proxy."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .say import Stop


@dataclass(frozen=True, slots=True)
class Api:
    host: str
    port: int
    pki: Path

    def get(self, path: str, seconds: float = 2.0) -> tuple[int, bytes]:
        """Status and body; status 0 when nothing answers in time."""
        context = ssl.create_default_context(cafile=str(self.pki / "ca.crt"))
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=seconds, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def ready(self) -> bool:
        return self.get("/readyz")[0] == http.client.OK

    def node_ready(self, node: str) -> bool:
        """Return whether a pod would be scheduled and started there now."""
        status, body = self.get(f"/api/v1/nodes/{node}")
        if status != http.client.OK:
            return False
        found: dict[str, Any] = json.loads(body)
        conditions = {row["type"]: row["status"] for row in found["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not found["spec"].get("taints")

    def exists(self, path: str) -> bool:
        return self.get(path)[0] == http.client.OK


def wait(what: str, done: Callable[[], bool], hopeless: Callable[[], bool], seconds: float) -> None:
    """Ask until `done`. Stop when it has become `hopeless`, or after `seconds`."""
    end = time.monotonic() + seconds
    while not done():
        if hopeless():
            raise Stop(f"{what} did not happen.")
        if time.monotonic() > end:
            raise Stop(f"{what} did not happen within {seconds:.0f} s.")
        time.sleep(0.1)
