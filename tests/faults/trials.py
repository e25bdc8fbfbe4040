# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One randomized trial: a fault, files and options by a seed; a real fetch through the proxy; and what is found afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import DEADLINE, Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Source, fetch
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.secret_mounts import secret_paths
from kubernetes import client

from tests.integration.conftest import STATE
from tests.integration.inside import connected

from .faults import FAULTS, Fault, choose
from .proxy import Loop, Proxy, Upstream
from .subject import GROUP, LARGE, LOG, SPARSE, Subject
from .truth import Findings, look

# what is asked for, and about how many bytes come then
SOURCES = {
    "a group of small files": ((GROUP,), 600_000),
    "a large file": ((LARGE,), 4_200_000),
    "a sparse file": ((SPARSE,), 3_200_000),
    "a log that grows": ((LOG,), 200_000),
    "a glob": (("/more/**/*.[lt]*",), 1_300_000),
    "all of them": (("/more",), 9_000_000),
}
# seconds without progress that are too many; of an exec's handshake
SILENCE, HANDSHAKE = 2.5, 12.0
# seconds that no fetch here may take, the module's included
FOREVER = 300.0
# every so many trials one is the whole module in a process of its own
WHOLE_MODULE = 20
# what can damage a listing, which no hash proves: see truth.look
_DAMAGING = ("bit of the output", "frame lost", "frame doubled", "frames swapped", "frame shortened")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a seed means. changes are the fetch options that differ from the defaults; again: a second run, without the fault."""

    seed: int
    fault: Fault
    source: str
    changes: Mapping[str, Any]
    again: bool
    is_whole_module: bool


@dataclass(slots=True)
class Outcome:
    """What came of a trial: `success` or the reason of the failure, how many connections were made, and what is wrong."""

    trial: Trial
    result: str
    connections: int
    is_hit: bool
    findings: Findings = field(default_factory=Findings)
    defects: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Everything that must not be."""
        return [f"{self.trial}: {problem}" for problem in (*self.findings.all(), *self.defects)]


def plan(seed: int) -> Trial:
    """The trial of a seed: each kind of fault as often as any other."""
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    kind = list(FAULTS)[seed % len(FAULTS)]
    is_whole_module = seed // len(FAULTS) % WHOLE_MODULE == 0
    source = random.choice(list(SOURCES))
    fault = choose(kind, random, SOURCES[source][1])
    changes: dict[str, Any] = {"retries": random.choice((0, 1, 3, 3))}
    if random.random() < 0.15 and kind not in _DAMAGING:
        changes["checksum"] = False
    if random.random() < 0.15:
        changes |= {
            "max_size": random.choice((100, 20_000, 1_000_000)),
            "oversize": random.choice(("tail", "head", "skip")),
        }
    # a module behind another proxy would be at another cluster, whose dest it leaves alone
    again = random.random() < 0.25 and not is_whole_module
    return Trial(seed, fault, source, changes, again, is_whole_module)


class Bench:
    """What trials share. Safe to use from several threads."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.subject = subject
        self._folder = folder
        self._loop = Loop()
        direct = connected()
        self._host = direct.host
        self._configuration = direct.configuration
        self._upstream = _upstream(direct)

    def close(self) -> None:
        self._loop.close()

    def run(self, trial: Trial) -> Outcome:
        """Does a trial, and looks."""
        home = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            with self._loop.proxy(self._upstream, trial.fault) as proxy:
                outcome, rows = self._fetched(trial, home, proxy)
            self._look(outcome, home, rows)
            if trial.again and not outcome.problems():
                again, rows = self._directly(trial, home)
                if again != "success":
                    outcome.defects.append(f"the run after it, without a fault, failed: {again}")
                self._look(outcome, home, rows)
            return outcome
        finally:
            shutil.rmtree(home)

    def _look(self, outcome: Outcome, home: Path, rows: list[dict[str, Any]]) -> None:
        is_damaging = outcome.trial.fault.kind in _DAMAGING
        found = look(self.subject, home, rows, may_be_first_part=is_damaging)
        found.claims += outcome.findings.claims
        outcome.findings = found

    def _fetched(self, trial: Trial, home: Path, proxy: Proxy) -> tuple[Outcome, list[dict[str, Any]]]:
        defects: list[str] = []
        try:
            result, rows = (self._by_module if trial.is_whole_module else self._in_process)(trial, home, proxy.url)
        except Exception:  # noqa: BLE001 - whatever it is, it is none of the stated reasons
            result, rows = "another exception", []
            defects.append(traceback.format_exc())
        if any(row["reason"] == DEADLINE for row in rows):
            defects.append(f"it went on for {FOREVER:.0f} s and did not come to an end of its own")
        return Outcome(trial, result, proxy.connections, proxy.hit > 0, defects=defects), rows

    def _directly(self, trial: Trial, home: Path) -> tuple[str, list[dict[str, Any]]]:
        return self._in_process(trial, home, self._host, patience=20)

    def _in_process(self, trial: Trial, home: Path, url: str, patience: int = 1) -> tuple[str, list[dict[str, Any]]]:
        cluster, target = self._cluster(url), self.subject.target

        def opening() -> Session:
            in_time = cluster.until(Deadline(HANDSHAKE * patience))
            return open_session(in_time, target, self.subject.debugger, SILENCE * patience)

        src = tuple(path.encode() for path in SOURCES[trial.source][0])
        options = FetchOptions(src=src, dest=str(home), until=time.monotonic() + FOREVER, **trial.changes)
        try:
            source = Source(self.subject.about(), self.subject.pid, opening, secrets=secret_paths(target))
            done = fetch(source, options, Budget(options.max_total_size, options.max_files))
        except Failure as failure:
            return failure.reason, []
        return "success" if done.failure is None else done.failure.reason, [*done.files, *done.skipped_files]

    def _by_module(self, trial: Trial, home: Path, url: str) -> tuple[str, list[dict[str, Any]]]:
        kubeconfig = home.with_suffix(".kubeconfig")
        kubeconfig.touch(0o600)
        kubeconfig.write_text(json.dumps(self._kubeconfig(url)))
        target = self.subject.target
        arguments = {
            "namespace": target.namespace,
            "pod": target.pod,
            "container": target.container,
            "dest": str(home),
            "kubeconfig": str(kubeconfig),
            "src": list(SOURCES[trial.source][0]),
            "timeout": 2,
            **{key: str(value) if key == "max_size" else value for key, value in trial.changes.items()},
        }
        name = "ansible_collections.incident.distroless.plugins.modules.proc_fs_fetch"
        try:
            done = subprocess.run(
                [sys.executable, "-m", name],
                input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
                env={**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]},
                capture_output=True,
                text=True,
                timeout=FOREVER,
                check=False,
            )
        finally:
            kubeconfig.unlink()
        if "Traceback" in done.stderr + done.stdout:
            raise RuntimeError(done.stderr + done.stdout)
        result = json.loads(done.stdout)
        rows = [*result.get("files", []), *result.get("skipped_files", [])]
        if not result.get("failed"):
            return "success", rows
        return next((entry["reason"] for entry in result.get("failed_targets", [])), result.get("reason", "?")), rows

    def _cluster(self, url: str) -> Cluster:
        settings = copy(self._configuration)
        settings.host = url
        settings.tls_server_name = self._upstream.host
        return Cluster(client.ApiClient(settings), Deadline(FOREVER))

    def _kubeconfig(self, url: str) -> dict[str, Any]:
        document: dict[str, Any] = yaml.safe_load(
            Path(os.environ.get("KUBECONFIG", str(STATE / "kubeconfig"))).read_text(encoding="utf-8")
        )
        cluster = document["clusters"][0]["cluster"]
        cluster["server"] = url
        if url.startswith("https"):
            cluster["tls-server-name"] = self._upstream.host
        else:
            del cluster["certificate-authority-data"]
            document["users"][0]["user"] = {}
        return document


def _upstream(cluster: Cluster) -> Upstream:
    """The API server, with the client's own certificate for connections whose TLS ends in the proxy."""
    import ssl
    from urllib.parse import urlsplit

    settings, parts = cluster.configuration, urlsplit(cluster.host)
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    tls.load_cert_chain(settings.cert_file, settings.key_file)
    return Upstream(parts.hostname or "", parts.port or 443, tls)
