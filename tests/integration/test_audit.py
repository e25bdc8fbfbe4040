# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server's audit log keeps of a task: that a debugger was added, and nothing of what was done in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._remote.bootstrap import OUTLET

from .conftest import Kubectl, Play, facts, pod_manifest


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 with the runtime's capabilities."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


class AuditLog:
    """What the API server has written about a namespace since this was made: other tests ask it at the same time."""

    def __init__(self, namespace: str) -> None:
        self._path = Path(facts()["AUDIT_LOG"])
        self._start = self._path.stat().st_size
        self._namespace = namespace

    def text(self) -> str:
        with self._path.open(encoding="utf-8") as log:
            log.seek(self._start)
            whole, _newline, _being_written = log.read().rpartition("\n")
        return "\n".join(line for line in whole.splitlines() if self._namespace in line)

    def events(self, subresource: str) -> Iterator[dict[str, Any]]:
        for line in self.text().splitlines():
            event = json.loads(line)
            about = event.get("objectRef") or {}
            if (about.get("namespace"), about.get("subresource")) == (self._namespace, subresource):
                yield event


@pytest.fixture
def audit_log(kubectl: Kubectl) -> AuditLog:
    return AuditLog(kubectl.namespace)


def test_commands_leave_neither_script_nor_path_nor_value(
    kubectl: Kubectl, call: Play, app: str, audit_log: AuditLog
) -> None:
    words = ["correct-horse", "battery-staple", "hidden-variable", "hidden-place", "hidden-stdin"]
    commands = [
        {"cmd": "echo correct-horse; echo $HIDDEN", "env": {"HIDDEN": "battery-staple", "N": "hidden-variable"}},
        {"argv": ["ls", "-d", "/proc/1/root/hidden-place"]},
        {"argv": ["cat"], "stdin": "hidden-stdin"},
        {"cmd": "pwd", "chdir": "/proc/1/root/data"},
    ]
    played = call("ephemeral_debug", pod=app, name="watched", commands=commands, check_rc=False)
    first, _listed, third, _placed = played.target["commands"]
    assert (first["stdout"], third["stdout"]) == ("correct-horse\nbattery-staple\n", "hidden-stdin")
    log = audit_log.text()
    assert [word for word in [*words, "/proc/1/root", "HIDDEN"] if word in log] == []


def test_a_debuggers_own_variables_stand_in_the_pod_and_so_in_the_patch_and_nowhere_else(
    kubectl: Kubectl, call: Play, app: str, audit_log: AuditLog
) -> None:
    call("ephemeral_debug", pod=app, name="with-env", env={"OPTION": "option-value"}, commands=["true"])
    # this cluster's policy keeps the bodies of these requests; where only metadata is kept, not even there
    (patch,) = audit_log.events("ephemeralcontainers")
    assert {"name": "OPTION", "value": "option-value"} in patch["requestObject"]["spec"]["ephemeralContainers"][0][
        "env"
    ]
    holding = [json.loads(line)["auditID"] for line in audit_log.text().splitlines() if "option-value" in line]
    assert set(holding) == {patch["auditID"]}


def test_fetched_paths_stand_nowhere(
    kubectl: Kubectl, call: Play, app: str, audit_log: AuditLog, tmp_path: Path
) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data/app.log", "/etc/app/*.yaml"], dest=str(tmp_path / "home"))
    assert played.status == 0, played.printed
    log = audit_log.text()
    assert [word for word in ("app.log", ".yaml", "/proc/") if word in log] == []


def test_what_the_log_keeps_is_the_patch_and_a_loader_that_is_always_the_same(
    kubectl: Kubectl, call: Play, app: str, audit_log: AuditLog
) -> None:
    call("ephemeral_debug", pod=app, name="kept", commands=["true"])
    call("ephemeral_debug", pod=app, name="kept", commands=["echo something else"])
    (patch,) = audit_log.events("ephemeralcontainers")
    assert (patch["verb"], patch["objectRef"]["name"], patch["responseStatus"]["code"]) == ("patch", app, 200)
    loaders, nonces = set(), []
    for event in audit_log.events("exec"):
        query = parse_qs(urlsplit(event["requestURI"]).query)
        assert query["container"] == ["kept"]
        if query["command"] == list(OUTLET):
            continue
        *loader, nonce = query["command"]
        loaders.add(tuple(loader))
        nonces.append(nonce)
    # random hexadecimal words, one for each stream, by which the ends of its answers are told
    assert all(int(nonce, 16) for nonce in nonces)
    assert len(set(nonces)) >= 2
    (loader,) = loaders
    assert (loader[:2], loader[3:]) == (("sh", "-c"), ("sh",))
