# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incident playbooks of the installed collection, run as a user runs them, and the cases that they leave."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .conftest import STATE
from .patience import PATIENCE

# what is honestly unknown while the kubelet still calls a run the last whose container it has removed for the next one's
LATE = "the node has no log of that run any more"
LOOKS = 5
# a case is as bad as its worst finding
RANKS = ("pass", "warn", "unknown", "fail")


def pod_of(finding: Mapping[str, Any]) -> str | None:
    """The name of the pod that a finding is about; None where it is about the whole case."""
    _namespace, _slash, rest = (finding["target"] or "").partition("/")
    return rest.partition("/")[0] or None


@dataclass(frozen=True, slots=True)
class Case:
    """What came of a playbook: its exit status, all that it printed, and the folder of its case. With `pod` only its findings."""

    status: int
    printed: str
    folder: Path
    pod: str | None = None

    def of(self, pod: str) -> Case:
        """The part of the case that is about one of its pods."""
        return replace(self, pod=pod)

    @property
    def document(self) -> dict[str, Any]:
        """The content of findings.json."""
        found: dict[str, Any] = json.loads((self.folder / "findings.json").read_text(encoding="utf-8"))
        if self.pod is not None:
            found["findings"] = [entry for entry in found["findings"] if pod_of(entry) == self.pod]
        return found

    @property
    def verdict(self) -> str:
        verdict: str = self.document["verdict"]
        if self.pod is not None:
            verdict = max((entry["verdict"] for entry in self.findings()), key=RANKS.index)
        return verdict

    @property
    def targets(self) -> list[str]:
        """The pods that were looked into."""
        return sorted(target["pod"] for target in self.document["targets"])

    def findings(self, analyzer: str | None = None, *, verdict: str | None = None) -> list[dict[str, Any]]:
        """The findings of an analyzer, or of a verdict, or all."""
        return [
            entry
            for entry in self.document["findings"]
            if analyzer in (None, entry["analyzer"]) and verdict in (None, entry["verdict"])
        ]

    def finding(self, analyzer: str, *, verdict: str | None = None) -> dict[str, Any]:
        """The only finding of an analyzer."""
        (only,) = self.findings(analyzer, verdict=verdict)
        return only

    def said(self) -> str:
        """All messages, for a test that fails."""
        return "\n".join(f"{entry['verdict']} {entry['analyzer']}: {entry['message']}" for entry in self.findings())

    def assert_evidence(self, finding: Mapping[str, Any]) -> None:
        """The files behind a finding are there, and hash to what it says."""
        assert finding["evidence"]
        for entry in finding["evidence"]:
            data = (self.folder / entry["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry["sha256"], entry["path"]


def command_line(
    name: str, folder: Path, variables: Mapping[str, Any], *words: str
) -> tuple[list[str], dict[str, str]]:
    """Return how `incident.distroless.<name>` is run with the role's variables, given without its prefix: words, and environment."""
    given = {"dest": str(folder), "case_id": "case", **variables}
    extra = json.dumps({f"{name}_{key}": value for key, value in given.items()})
    around = {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": os.environ.get("KUBECONFIG", str(STATE / "kubeconfig")),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_SHOW_CUSTOM_STATS": "true",
    }
    return ["ansible-playbook", f"incident.distroless.{name}", "--extra-vars", extra, *words], around


def _free_case(folder: Path) -> str:
    """The name of a case for one look more: a case takes one, and tests look several times into a folder."""
    names = ["case", *(f"case-{number}" for number in range(2, 10))]
    return next(name for name in names if not (folder / name).exists())


def run_playbook(
    name: str,
    folder: Path,
    variables: Mapping[str, Any],
    *words: str,
    environment: Mapping[str, str] | None = None,
) -> Case:
    """Runs `incident.distroless.<name>` with the role's variables, given without its prefix; the case goes below folder."""
    if name.endswith("_triage") and "--tags" not in words:
        variables = {"case_id": _free_case(folder), **variables}
    command, around = command_line(name, folder, variables, *words)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**around, **(environment or {})},
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    where = Path(str(variables.get("dest", folder))) / str(variables.get("case_id", "case"))
    return Case(done.returncode, done.stdout + done.stderr, where)


def run_until_logs_are_told(
    name: str,
    folder: Path,
    variables: Mapping[str, Any],
    *words: str,
    environment: Mapping[str, str] | None = None,
) -> Case:
    """As run_playbook, and again while a node that is busy is late with what pods that crash have said."""
    for _look in range(LOOKS):
        case = run_playbook(name, folder, variables, *words, environment=environment)
        if not (case.folder / "findings.json").exists() or LATE not in case.said():
            break
    return case
