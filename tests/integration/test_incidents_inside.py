# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue's incidents that are looked at from inside, caused on the cluster: one play of each role judges all of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.incidents import catalogue

from .cases import Case, run_playbook
from .conftest import Kubectl, bulk
from .patience import PATIENCE
from .test_incidents import assert_right


@pytest.mark.parametrize("role", ["network_triage", bulk("disk_triage"), bulk("process_triage")])
def test_what_is_caused_is_judged_as_it_is(role: str, make_namespace: Callable[..., Kubectl], tmp_path: Path) -> None:
    """With RECORD_INCIDENTS=yes, or names of entries, what the API sent and what the collectors printed is written down."""
    kubectl = make_namespace()
    caused = [entry for entry in catalogue.load(role) if entry.cause]
    assert caused
    for entry in caused:
        kubectl.apply(catalogue.manifest(entry))
    for entry in caused:
        # each says by its probe that its cause has come
        kubectl.run("wait", "--for=condition=Ready", "pod", entry.pod, f"--timeout={PATIENCE}s")
    targets = [{"namespace": kubectl.namespace, "pod": entry.pod, "container": "app"} for entry in caused]
    case = run_playbook(role, tmp_path, {"targets": targets, "max_pods": len(targets)})
    assert case.status == 0, case.printed
    record = os.environ.get("RECORD_INCIDENTS", "").split(",")
    for entry in caused:
        if {"yes", entry.name} & set(record):
            text = json.dumps(_recording(kubectl, case, entry.pod), indent=1, sort_keys=True, ensure_ascii=False)
            (catalogue.RECORDED / f"{entry.name}.json").write_text(f"{text}\n", encoding="utf-8")
    assert_right(
        kubectl, role, {entry.name: catalogue.outcome(entry, case.of(entry.pod).findings()) for entry in caused}
    )


def _recording(kubectl: Kubectl, case: Case, pod: str) -> dict[str, Any]:
    found = kubectl.json("get", "pod", pod, "--show-managed-fields")
    node = kubectl.json("get", "node", found["spec"]["nodeName"], "--show-managed-fields")
    # long, and of no use
    del node["status"]["images"]
    events = kubectl.json("get", "events", "--show-managed-fields")["items"]
    printed = (case.folder / kubectl.namespace / pod / "app").glob("*.txt")
    return {
        "now": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "pod": found,
        "events": [row for row in events if row["involvedObject"].get("uid") == found["metadata"]["uid"]],
        "node": node,
        "logs": {"app": {"log": kubectl.run("logs", pod, "-c", "app").stdout.decode(), "previous_log": ""}},
        "commands": {path.stem: path.read_bytes().decode("utf-8", "surrogateescape") for path in printed},
    }
