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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .conftest import STATE


@dataclass(frozen=True, slots=True)
class Case:
    """What came of a playbook: its exit status, all that it printed, and the folder of its case."""

    status: int
    printed: str
    folder: Path

    @property
    def document(self) -> dict[str, Any]:
        """The content of findings.json."""
        found: dict[str, Any] = json.loads((self.folder / "findings.json").read_text(encoding="utf-8"))
        return found

    @property
    def verdict(self) -> str:
        verdict: str = self.document["verdict"]
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
    """How `incident.distroless.<name>` is run with the role's variables, given without its prefix: words, and environment."""
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


def run_playbook(
    name: str,
    folder: Path,
    variables: Mapping[str, Any],
    *words: str,
    environment: Mapping[str, str] | None = None,
) -> Case:
    """Runs `incident.distroless.<name>` with the role's variables, given without its prefix; the case goes below folder."""
    command, around = command_line(name, folder, variables, *words)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**around, **(environment or {})},
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    where = Path(str(variables.get("dest", folder))) / str(variables.get("case_id", "case"))
    return Case(done.returncode, done.stdout + done.stderr, where)
