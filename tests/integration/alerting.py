# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Alertmanager, set up for the webhook as the documentation says, which gets its alerts as Prometheus sends them."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from .conftest import CHECKOUT, built
from .patience import PATIENCE

DOCUMENTATION = CHECKOUT / "docs" / "docsite" / "rst" / "awx_and_alerts.rst"
SENT = re.compile(
    r'^alertmanager_notifications(_failed)?_total\{[^}]*integration="webhook"[^}]*\} (\d+)$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One that runs: where its API listens."""

    port: int

    def alert(self, *, is_over: bool = False, **labels: str) -> None:
        """Tells it of an alert that fires, or that does no more."""
        now = datetime.now(UTC)
        ends = now if is_over else now + timedelta(hours=1)
        about = {
            "labels": {"severity": "warning", "prometheus": "monitoring/k8s", **labels},
            "annotations": {"summary": "Pod is crash looping."},
            "startsAt": (now - timedelta(minutes=5)).isoformat(),
            "endsAt": ends.isoformat(),
            "generatorURL": "http://prometheus.example/graph?g0.expr=x",
        }
        status, text = self._ask("POST", "/api/v2/alerts", json.dumps([about]))
        assert status == 200, text

    def delivered(self) -> int:
        """Return how many messages the webhook took."""
        _status, text = self._ask("GET", "/metrics")
        return sum(-int(count) if failed else int(count) for failed, count in SENT.findall(text))

    def is_ready(self) -> bool:
        try:
            return self._ask("GET", "/-/ready")[0] == 200
        except ConnectionError:
            return False

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text


def receiver(webhook: int, token: str) -> dict[str, Any]:
    """The receiver of the documentation, with this webhook's port on this machine, and its token."""
    page = DOCUMENTATION.read_text(encoding="utf-8")
    (block,) = re.findall(r"^    # alertmanager\.yml.*\n((?:    .*\n)+)", page, re.MULTILINE)
    (documented,) = yaml.safe_load(block)["receivers"]
    (hook,) = documented["webhook_configs"]
    hook["url"] = f"http://127.0.0.1:{webhook}/alerts"
    hook["http_config"]["authorization"]["credentials"] = token
    return dict(documented)


@contextmanager
def running(folder: Path, port: int, webhook: int, token: str) -> Iterator[Alertmanager]:
    """An Alertmanager that sends each alert at once, and again each second for as long as it fires."""
    to = receiver(webhook, token)
    at_once = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s"}
    settings = {"route": {"receiver": to["name"], "group_by": ["..."], **at_once}, "receivers": [to]}
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(settings))
    command: list[str | Path] = [built("alertmanager"), f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    # a single one has no others to find
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    log = folder / "alertmanager.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder)
    try:
        manager = Alertmanager(port)
        deadline = time.monotonic() + PATIENCE
        while not manager.is_ready():
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        yield manager
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
