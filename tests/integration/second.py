# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second real cluster that is an API server and its etcd and nothing else: what only the API tells of is true of it.

It is one's own: its etcd can be compacted and its API server made busy without anybody else seeing it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import yaml

from .conftest import CHECKOUT, STATE, facts
from .patience import PATIENCE
from .store import free_port
from .upstream import tls_of

sys.path.insert(0, str(CHECKOUT / "tests" / "cluster"))

from onenode.build import programs


@dataclass(frozen=True, slots=True)
class Answer:
    """How the API server answered."""

    status: int
    retry_after: str | None


@dataclass(frozen=True, slots=True)
class Second:
    """kubeconfig names its administrator, by the certificate that the test cluster's has. etcd: where its JSON gateway is."""

    kubeconfig: Path
    content: Mapping[str, Any]
    etcd: str
    kubectl: str

    def run(self, *words: str, stdin: str = "") -> str:
        """Return what kubectl printed, in the namespace default where no other one is named."""
        command = [self.kubectl, "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create(self, *objects: Mapping[str, Any]) -> None:
        self.run("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def request(self, path: str, folder: Path, user: str = "") -> Answer:
        """Ask the API server once, as its administrator or another user; the certificates go into a folder."""
        server = self.content["clusters"][0]["cluster"]["server"]
        headers = {"Impersonate-User": user} if user else {}
        asked = urllib.request.Request(f"{server}{path}", headers=headers)  # noqa: S310 - it is this machine's own
        try:
            tls = tls_of(self.content, folder)
            with urllib.request.urlopen(asked, timeout=PATIENCE, context=tls) as answer:  # noqa: S310 - it is this machine's own
                return Answer(answer.status, None)
        except HTTPError as error:
            return Answer(error.code, error.headers["Retry-After"])

    def compact(self) -> None:
        """Let etcd forget all that was before now."""
        header = self._ask("range", {"key": "Lw=="})["header"]
        self._ask("compaction", {"revision": header["revision"], "physical": True})

    def _ask(self, what: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.etcd}/v3/kv/{what}"
        request = urllib.request.Request(url, json.dumps(asked).encode(), method="POST")  # noqa: S310 - it is this machine's own
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - it is this machine's own
            told: dict[str, Any] = json.loads(answer.read())
        return told


@contextmanager
def second_cluster(folder: Path, kubectl: str) -> Iterator[Second]:
    """Run one of the release, the certificates and the administrator of the test cluster, on ports of this machine."""
    built = programs(Path(facts()["CA_CERT"]).parents[4])
    pki = Path(facts()["CA_CERT"]).parent
    ports = [free_port() for _each in range(3)]
    etcd, peers = (f"http://127.0.0.1:{port}" for port in ports[:2])
    content = yaml.safe_load((STATE / "kubeconfig").read_text(encoding="utf-8"))
    content["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{ports[2]}"
    kubeconfig = folder / "second.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(content), encoding="utf-8")
    commands = (
        [
            *(built["etcd"], "--name=etcd", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn"),
            *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peers}"),
            *(f"--initial-advertise-peer-urls={peers}", f"--initial-cluster=etcd={peers}"),
        ],
        [
            *(built["kube-apiserver"], "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"),
            *(f"--secure-port={ports[2]}", f"--etcd-servers={etcd}", f"--client-ca-file={pki / 'ca.crt'}"),
            *(f"--tls-cert-file={pki / 'api.crt'}", f"--tls-private-key-file={pki / 'api.key'}"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            *(f"--service-account-key-file={pki / 'sa.pub'}", f"--service-account-signing-key-file={pki / 'sa.key'}"),
            *("--service-cluster-ip-range=10.97.0.0/24", "--authorization-mode=RBAC"),
            # nobody makes service accounts here
            "--disable-admission-plugins=ServiceAccount",
            # of a page that is asked for later etcd tells, as before 1.34 and wherever the cache has no such moment
            "--watch-cache=false",
        ],
    )
    started: list[subprocess.Popen[bytes]] = []
    with (folder / "second.log").open("wb") as log:
        try:
            for command in commands:
                words = [str(word) for word in command]
                started.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
            second = Second(kubeconfig, content, etcd, kubectl)
            _wait(second, started, folder / "second.log")
            yield second
        finally:
            for process in reversed(started):
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=30)
                process.kill()
                process.wait()


def _wait(second: Second, started: list[subprocess.Popen[bytes]], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert all(process.poll() is None for process in started), log.read_text(errors="replace")[-3000:]
        with suppress(AssertionError):
            # the namespace is made after it is ready
            second.run("get", "--raw=/readyz")
            second.run("get", "namespace", "default")
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-3000:])
