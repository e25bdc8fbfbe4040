# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fills a pod's disk: the fault is really there, and the verdict is the right one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .calling import Warm
from .cases import Case, run_playbook
from .conftest import Credentials, Kubectl, Play, calling, pod_manifest
from .oncall import rules_of, variables_of

APP = "incident.test/app:nonroot"
# Ansible itself would make 49 of braces in the task that plants the name
HOSTILE = "$(id >owned)`id >owned`\n@@ 7 * 7 ++<script>alert(1)<\x1b[31m\u202e'\"; id >owned #"
SHOWN = "$(id >owned)`id >owned`\\n{{ 7 * 7 }}<script>alert(1)<\\x1b[31m\\u202e'\"; id >owned #"


def apply(
    kubectl: Kubectl, name: str, *arguments: str, volumes: dict[str, Any] | None = None, **container: Any
) -> None:
    """A pod with an emptyDir at each path of volumes."""
    given = volumes or {}
    names = {path: f"volume-{number}" for number, path in enumerate(given)}
    kubectl.apply(
        pod_manifest(
            name,
            APP,
            container={
                "args": list(arguments),
                "volumeMounts": [{"name": names[path], "mountPath": path} for path in given],
                **container,
            },
            volumes=[{"name": names[path], "emptyDir": source} for path, source in given.items()],
        )
    )


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl, warmed: Warm, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """A healthy pod, and one for each fault."""
    memory = {"medium": "Memory", "sizeLimit": "8Mi"}
    apply(kubectl, "healthy", volumes={"/scratch": {}})
    holding = ("--open-deleted", "/scratch/big.log")
    filling = ("--blob", "/cache/blob", "--blob-size", str(8 << 20))
    apply(kubectl, "full", *filling, *holding, volumes={"/cache": memory, "/scratch": {}})
    limited = ("--blob", "/work/blob", "--blob-size", str(20 << 20))
    apply(kubectl, "limited", *limited, volumes={"/work": {"sizeLimit": "21Mi"}})
    apply(kubectl, "holding", *holding, volumes={"/scratch": {}})
    chatty = ("--log", "/logs/app.log", "--log-every", "1ms")
    apply(kubectl, "chatty", *chatty, volumes={"/logs": {**memory, "sizeLimit": "64Mi"}})
    apply(kubectl, "hostile", volumes={"/scratch": {}})
    apply(kubectl, "secretive", env=[{"name": "TOKEN", "value": "very-secret-value"}])
    # a worker of another user holds a deleted file
    hold = "exec 3>/scratch/access.log; head -c 20000000 /dev/zero >&3; rm /scratch/access.log; exec sleep 3600"
    serve = f"echo worker:x:33:33::/:/bin/sh >>/etc/passwd; chmod 777 /scratch; su worker -c '{hold}' & exec sleep 3600"
    mounts = [{"name": "scratch", "mountPath": "/scratch"}]
    container = {"command": ["sh", "-c", serve], "volumeMounts": mounts}
    kubectl.apply(
        pod_manifest("served", "busybox:1.37", container=container, volumes=[{"name": "scratch", "emptyDir": {}}])
    )
    for name in ("healthy", "full", "limited", "holding", "chatty", "hostile", "secretive", "served"):
        kubectl.wait_until_running(name)
    call = calling(warmed, kubectl.namespace, tmp_path_factory.mktemp("calls"))
    # the app's own file, through its own descriptor: it has no name any more
    grow = 'head -c 20000000 /dev/zero > "/proc/$TARGET_PID/fd/$(ls -l /proc/$TARGET_PID/fd | sed -n "s/.* \\([0-9]*\\) -> .*big.log (deleted)/\\1/p")"'
    assert call("ephemeral_debug", pod="holding", commands=[grow]).status == 0
    plant = 'name=$(sed "s/@/{/g; s/+/}/g") && head -c 3000000 /dev/zero > "$TARGET_ROOT/scratch/$name" && mkdir "$TARGET_ROOT/scratch/dir $name"'
    planted = call("ephemeral_debug", pod="hostile", commands=[{"cmd": plant, "stdin": HOSTILE}])
    assert not planted.result.get("failed"), planted["msg"]
    return kubectl


def triage(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, "growth_seconds": 2, **variables}
    return run_playbook("disk_triage", folder, given, *words, environment=environment)


@dataclass(frozen=True, slots=True)
class Looked:
    """What one play says of all of the pods, by one who may do no more than the documentation asks for."""

    case: Case
    token: str

    def of(self, pod: str) -> Case:
        return self.case.of(pod)

    def facts(self, kubectl: Kubectl, pod: str) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self.case.document["facts"][f"{kubectl.namespace}/{pod}/app"]
        return facts

    def everything(self) -> str:
        """All that it printed and wrote."""
        files = (path for path in self.case.folder.rglob("*") if path.is_file())
        return self.case.printed + "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


@pytest.fixture(scope="module")
def looked(pods: Kubectl, credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> Looked:
    environment = variables_of(credentials, rules_of("role.yml", "triage-role.yml"))
    names = ("healthy", "full", "limited", "holding", "chatty", "hostile", "secretive", "served")
    targets = [{"namespace": pods.namespace, "pod": name, "container": "app"} for name in names]
    # on a busy machine the app writes a tenth of what it could
    slow = {"growth_rate": "256", "full_within_seconds": 200_000}
    given = {"targets": targets, "deleted_size": "10Mi", **slow}
    case = triage(pods, tmp_path_factory.mktemp("looked"), "-vvv", environment=environment, **given)
    assert case.status == 0, case.printed
    return Looked(case, environment["K8S_AUTH_API_KEY"])


def assert_fails(case: Case, analyzer: str) -> str:
    """Only this one fails, with its evidence; returns what it says."""
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == [analyzer], case.said()
    case.assert_evidence(case.finding(analyzer))
    message: str = case.finding(analyzer)["message"]
    return message


def test_a_healthy_pod_passes(pods: Kubectl, looked: Looked) -> None:
    case = looked.of("healthy")
    assert case.verdict == "pass", case.said()
    assert "/data/blob.bin (4.0 MiB)" in case.finding("biggest_files")["message"]
    assert looked.facts(pods, "healthy")["missing"] == {}
    for finding in case.findings():
        case.assert_evidence(finding)


def assert_full(pods: Kubectl, case: Case) -> None:
    said = assert_fails(case, "volume_full")
    assert said == "/cache (tmpfs) is 100 % full: 0 Bytes of 8.0 MiB left."
    facts = case.document["facts"][f"{pods.namespace}/full/app"]
    assert facts["missing"] == {}
    (deleted,) = facts["deleted_files"]["files"]
    assert deleted["path"] == "/scratch/big.log"
    assert [holder["name"] for holder in deleted["holders"]] == ["app"]
    assert "/cache/blob (8.0 MiB)" in case.finding("biggest_files")["message"]
    assert "/cache (8.0 MiB)" in case.finding("biggest_folders")["message"]


def test_an_empty_dir_in_memory_that_is_full(pods: Kubectl, looked: Looked) -> None:
    assert_full(pods, looked.of("full"))


@pytest.mark.bulk
@pytest.mark.parametrize("image", ["incident.test/debug-dash:1", "incident.test/debug-bash:1"])
def test_an_empty_dir_in_memory_that_is_full_is_found_by_other_tools(pods: Kubectl, tmp_path: Path, image: str) -> None:
    assert_full(pods, triage(pods, tmp_path, pod="full", debug={"image": image, "image_pull_policy": "Never"}))


def test_an_empty_dir_on_disk_that_comes_to_its_size_limit(looked: Looked) -> None:
    said = assert_fails(looked.of("limited"), "size_limit")
    assert "/work (emptyDir volume-0) holds 20.0 MiB of the 21.0 MiB" in said


def test_a_log_that_was_deleted_while_it_is_open(looked: Looked) -> None:
    said = assert_fails(looked.of("holding"), "deleted_open")
    assert said.startswith("/scratch/big.log is deleted, and 19.1 MiB of it stay on the disk")
    assert "app (pid 1, descriptor" in said


def test_a_worker_of_another_user_is_unknown_and_what_it_holds_is_found_where_the_debugger_may_look(
    pods: Kubectl, looked: Looked, tmp_path: Path
) -> None:
    case = looked.of("served")
    assert case.verdict == "unknown", case.said()
    assert [entry["analyzer"] for entry in case.findings(verdict="unknown")] == ["unseen_open"], case.said()
    assert "(sleep)" in case.finding("unseen_open")["message"]
    case.assert_evidence(case.finding("unseen_open"))
    elevated = {"identity": "elevated", "allow_elevated": True, "name": "elevated"}
    case = triage(pods, tmp_path, pod="served", deleted_size="10Mi", debug=elevated)
    said = assert_fails(case, "deleted_open")
    assert said.startswith("/scratch/access.log is deleted, and 19.1 MiB of it stay")
    assert case.findings("unseen_open") == []


def test_a_log_that_fills_its_volume_soon(looked: Looked) -> None:
    case = looked.of("chatty")
    assert assert_fails(case, "fills_up_soon").startswith("/logs/app.log grows by ")
    assert case.finding("grows_fast")["verdict"] == "warn"


def test_a_hostile_name_is_shown_escaped_and_executed_by_nothing(pods: Kubectl, looked: Looked, call: Play) -> None:
    case = looked.of("hostile")
    assert case.verdict == "pass", case.said()
    facts = looked.facts(pods, "hostile")
    assert f"/scratch/{SHOWN}" in [row["path"] for row in facts["big_files"]]
    assert f"/scratch/dir {SHOWN}" in [row["path"] for row in facts["big_folders"]["folders"]]
    texts = [path.read_text(encoding="utf-8") for path in case.folder.rglob("*.json")]
    assert not [text for text in (case.printed, *texts) if "\x1b" in text or "\u202e" in text]
    assert "<script>" not in (case.folder / "summary.md").read_text(encoding="utf-8")
    look = 'find / "$TARGET_ROOT/" -xdev -name owned 2>/dev/null; true'
    seen = call("ephemeral_debug", pod="hostile", commands=[look])
    assert seen.target["commands"][0]["stdout"] == ""
    assert not list(case.folder.parent.rglob("owned"))


def test_the_role_of_the_documentation_is_enough_and_no_value_of_an_environment_variable_comes_home(
    pods: Kubectl, looked: Looked
) -> None:
    assert looked.facts(pods, "full")["missing"] == {}
    folder = looked.case.folder / pods.namespace / "secretive" / "app"
    object_ = json.loads((folder / "pod.json").read_text(encoding="utf-8"))
    assert object_["spec"]["containers"][0]["env"] == [{"name": "TOKEN", "value": "(left out)"}]
    everything = looked.everything()
    assert "very-secret-value" not in everything
    assert looked.token not in everything


def test_an_old_case_is_judged_again_without_the_pod_by_a_check_of_the_users_own(pods: Kubectl, tmp_path: Path) -> None:
    collectors, analyzers = tmp_path / "collectors", tmp_path / "analyzers"
    check = {
        "name": "hosts_local",
        "needs": ["hosts"],
        "for_each": "hosts",
        "when": "item.startswith('127.0.0.1')",
        "verdict": "warn",
        "message": "The hosts file says: {{ item }}",
    }
    command = {"name": "hosts", "command": 'cat "$TARGET_ROOT/etc/hosts"', "parser": "lines"}
    for path, content in ((collectors, {"collectors": [command]}), (analyzers, {"analyzers": [check]})):
        path.mkdir()
        (path / "mine.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    own = {"collectors": [str(collectors)], "analyzers": [str(analyzers)]}
    assert triage(pods, tmp_path, "--tags", "collect", pod="healthy", **own).status == 0
    assert not (tmp_path / "case" / "findings.json").exists()
    nowhere = {"K8S_AUTH_KUBECONFIG": "/dev/null", "KUBECONFIG": "/dev/null"}
    again = triage(pods, tmp_path, "--tags", "judge,report", full_percent=1, environment=nowhere, **own)
    assert again.status == 0, again.printed
    assert {entry["target"] for entry in again.findings("volume_full")} == {f"{pods.namespace}/healthy/app"}
    assert again.verdict == "fail", again.said()
    mine = again.finding("hosts_local", verdict="warn")
    assert mine["message"] == "The hosts file says: 127.0.0.1\\tlocalhost"
    again.assert_evidence(mine)


def test_several_pods_are_looked_into_at_once_and_one_that_cannot_be_is_a_finding(
    pods: Kubectl, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        apply(pods, name)
    # root with a capability that a debugger of the default profile has not
    apply(pods, "closed", securityContext={"runAsUser": 0, "capabilities": {"add": ["SYS_TIME"]}})
    pods.run("label", "pod", "one", "two", "closed", "team=shop")
    for name in ("one", "two", "closed"):
        pods.wait_until_running(name)
    case = triage(pods, tmp_path, label_selectors=["team=shop"])
    assert case.status == 0, case.printed
    assert case.targets == ["one", "two"]
    assert case.verdict == "unknown"
    assert case.finding("reached")["target"] == f"{pods.namespace}/closed/app"
    assert case.finding("reached")["next"]
    assert (tmp_path / "case" / pods.namespace / "two" / "app" / "mounts.txt").is_file()
    (_before, stats) = case.printed.split("CUSTOM STATS:")
    assert f'"{pods.namespace}/one/app"' in stats
    strict = triage(pods, tmp_path, label_selectors=["team=shop"], continue_on_error=False)
    assert strict.status == 2
    assert "PermissionDenied" in strict.printed


def test_a_pod_that_is_not_there_fails_the_play_with_a_reason(pods: Kubectl, tmp_path: Path) -> None:
    case = triage(pods, tmp_path, pod="nobody")
    assert case.status == 2
    assert "NoTarget" in case.printed
    assert case.verdict == "unknown"


def test_check_mode_injects_nothing_and_says_what_would_be_collected(pods: Kubectl, tmp_path: Path) -> None:
    apply(pods, "untouched")
    pods.wait_until_running("untouched")
    case = triage(pods, tmp_path, "--check", pod="untouched")
    assert case.status == 0, case.printed
    assert "How full the target's file systems are" in case.printed
    assert pods.debuggers("untouched") == []
    assert not case.folder.exists()


def test_a_verdict_fails_the_play_where_that_is_asked_for_and_a_debugger_that_is_not_kept_has_ended(
    pods: Kubectl, tmp_path: Path
) -> None:
    memory = {"medium": "Memory", "sizeLimit": "8Mi"}
    filling = ("--blob", "/cache/blob", "--blob-size", str(8 << 20))
    apply(pods, "brief", *filling, volumes={"/cache": memory})
    pods.wait_until_running("brief")
    case = triage(pods, tmp_path, pod="brief", keep_debugger=False, fail_on="fail")
    assert case.status == 2, case.printed
    assert case.verdict == "fail"
    (status,) = pods.pod("brief")["status"]["ephemeralContainerStatuses"]
    assert "terminated" in status["state"]
