# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of incidents, caused on the cluster: one play judges all of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tests.incidents import catalogue

from .cases import run_until_logs_are_told
from .conftest import CHECKOUT, Kubectl
from .patience import PATIENCE

ROLE = "crashloop_triage"
RECORDS = CHECKOUT / "tests" / "incidents" / "recorded"
CAUSED = RECORDS.with_name("caused.json")
EXPRESSIONS = jinja2.Environment(undefined=jinja2.ChainableUndefined, autoescape=True)


class Seen:
    """What the API has of the pods of a namespace at one moment."""

    def __init__(self, kubectl: Kubectl, *, is_recorded: bool) -> None:
        self._is_recorded = is_recorded
        self.pods = {row["metadata"]["name"]: row for row in _items(kubectl, "pods")}
        self._events = _items(kubectl, "events")

    def events(self, pod: str) -> list[dict[str, Any]]:
        uid = self.pods[pod]["metadata"]["uid"]
        return [event for event in self._events if event["involvedObject"].get("uid") == uid]

    def holds(self, pod: str, expression: str) -> bool:
        found = self.pods[pod]
        status = found.get("status") or {}
        app = _named(status.get("containerStatuses"), "name", "app")
        ended = (app.get("state") or {}).get("terminated") or (app.get("lastState") or {}).get("terminated")
        state = app.get("state") or {}
        waits = (state.get("waiting") or {}).get("reason")

        def backs_off() -> bool:
            if not ended or not self._is_recorded:
                # the verdict is the same whether it waits or runs again
                return bool(ended)
            moment = datetime.fromisoformat(ended["finishedAt"])
            return "running" not in state and datetime.now(UTC) - moment < timedelta(seconds=8)

        return bool(
            EXPRESSIONS.compile_expression(expression)(
                pod=found,
                app=app,
                last=app.get("lastState") or {},
                has_ended=bool(ended),
                backs_off=backs_off(),
                events=lambda reason: [event for event in self.events(pod) if event["reason"] == reason],
                condition=lambda kind: _named(status.get("conditions"), "type", kind),
                init=lambda name: _named(status.get("initContainerStatuses"), "name", name),
                waits=lambda reason: waits == reason,
            )
        )


def _items(kubectl: Kubectl, kind: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = kubectl.json("get", kind, "--show-managed-fields")["items"]
    return items


def _named(rows: Any, key: str, name: str) -> dict[str, Any]:
    return next((row for row in rows or () if row[key] == name), {})


def caused(kubectl: Kubectl, incidents: list[catalogue.Incident], *, records: bool) -> dict[str, Mapping[str, Any]]:
    """Cause all of them side by side, and return when all have come.

    With records: the recording of each at the moment at which it had come, by its name.
    """
    for incident in incidents:
        kubectl.apply(catalogue.manifest(incident))
    ahead = {incident.name: [(catalogue.comes_when(incident), None)] for incident in incidents}
    for incident in incidents:
        cause = incident.cause or {}
        if "then" in cause:
            ahead[incident.name] += [(cause["after"], cause["then"])]
    recorded: dict[str, Mapping[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE
    while left := sorted(name for name, steps in ahead.items() if steps):
        assert time.monotonic() < deadline, f"these did not come: {left}"
        seen = Seen(kubectl, is_recorded=records)
        for incident in incidents:
            steps = ahead[incident.name]
            if steps and seen.holds(incident.pod, steps[0][0]):
                steps.pop(0)
                for verb, *words in (steps[0][1] or ()) if steps else ():
                    kubectl.run(verb, "pod", incident.pod, *words)
                if records and not steps:
                    recorded[incident.name] = _recording(kubectl, seen, incident.pod)
        time.sleep(0.3)
    return recorded


def _recording(kubectl: Kubectl, seen: Seen, pod: str) -> dict[str, Any]:
    found = seen.pods[pod]
    node = found["spec"].get("nodeName")
    names = [row["name"] for key in ("containers", "initContainers") for row in found["spec"].get(key) or ()]
    return {
        "now": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "pod": found,
        "events": seen.events(pod),
        "node": _node(kubectl, node) if node else None,
        "logs": {
            name: {
                "log": _log(kubectl, pod, name),
                "previous_log": _log(kubectl, pod, name, "--previous"),
            }
            for name in names
        },
    }


def _node(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found = kubectl.json("get", "node", name, "--show-managed-fields")
    # long, and of no use
    del found["status"]["images"]
    return found


def _log(kubectl: Kubectl, pod: str, container: str, *words: str) -> str:
    done = kubectl.run("logs", pod, "-c", container, "--tail=1000", *words, check=False)
    return "" if done.returncode else done.stdout.decode(errors="replace")


@pytest.fixture
def free_to_go(kubectl: Kubectl) -> Any:
    """Lets those go that a finalizer keeps, or that have long to end, so that their namespace can go."""
    yield
    for pod in _items(kubectl, "pods"):
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            kubectl.run("exec", name, "--", "touch", "/go", check=False)
        if pod["metadata"].get("finalizers"):
            kubectl.run("patch", "pod", name, "--type=merge", '-p={"metadata":{"finalizers":null}}', check=False)


@pytest.mark.bulk
@pytest.mark.usefixtures("free_to_go")
def test_what_is_caused_is_judged_as_it_is(kubectl: Kubectl, tmp_path: Path) -> None:
    """RECORD_INCIDENTS=yes, or names of entries or kinds of causes (says) with commas between them, writes down what the API sent.

    With WRITE_VERDICTS=yes it writes down what came of each.
    """
    wanted = [entry for entry in catalogue.load(ROLE) if entry.cause]
    record = os.environ.get("RECORD_INCIDENTS", "")
    if record not in ("", "yes"):
        wanted = [entry for entry in wanted if {entry.name, *(entry.cause or {})} & set(record.split(","))]
    for name, seen in caused(kubectl, wanted, records=bool(record)).items():
        (RECORDS / f"{name}.json").write_text(as_json(seen), encoding="utf-8")
    now = [entry for entry in wanted if entry.is_so_at_once]
    targets = [
        {"namespace": kubectl.namespace, "pod": entry.pod, "container": entry.container or "app"} for entry in now
    ]
    case = run_until_logs_are_told(ROLE, tmp_path, {"targets": targets, "max_pods": len(targets)})
    assert case.status == 0, case.printed
    assert_right(kubectl, ROLE, {entry.name: catalogue.outcome(entry, case.of(entry.pod).findings()) for entry in now})


def assert_right(kubectl: Kubectl, role: str, outcomes: Mapping[str, catalogue.Outcome]) -> None:
    """All of a role's incidents came out right; with WRITE_VERDICTS=yes what came of each is written down before."""
    if os.environ.get("WRITE_VERDICTS"):
        written = json.loads(CAUSED.read_text(encoding="utf-8")) if CAUSED.is_file() else {}
        version = kubectl.json("version")["serverVersion"]["gitVersion"]
        words = {name: came.word for name, came in outcomes.items()}
        CAUSED.write_text(as_json({**written, role: {"version": version, "outcomes": words}}), encoding="utf-8")
    wrong = [f"{name}: {came.word}: {came.why}" for name, came in outcomes.items() if came.word != "right"]
    assert not wrong, "\n".join(wrong)


def as_json(value: Any) -> str:
    return f"{json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)}\n"
