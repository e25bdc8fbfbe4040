# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What fills a pod's disk: the fault is really there, and the verdict is the right one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cases import Case, run_playbook
from .conftest import Credentials, Kubectl, Play, bulk, pod_manifest
from .oncall import rules_of, variables_of

APP = "incident.test/app:nonroot"
TOOLBOXES = ("busybox:1.37", bulk("incident.test/debug-dash:1"), bulk("incident.test/debug-bash:1"))


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
def pods(kubectl: Kubectl) -> Kubectl:
    """A healthy pod, and one for each fault."""
    memory = {"medium": "Memory", "sizeLimit": "8Mi"}
    apply(kubectl, "healthy", volumes={"/scratch": {}})
    holding = ("--open-deleted", "/scratch/big.log")
    filling = ("--blob", "/cache/blob", "--blob-size", str(8 << 20))
    apply(kubectl, "full", *filling, *holding, volumes={"/cache": memory, "/scratch": {}})
    apply(
        kubectl,
        "limited",
        "--blob",
        "/work/blob",
        "--blob-size",
        str(20 << 20),
        volumes={"/work": {"sizeLimit": "21Mi"}},
    )
    apply(kubectl, "holding", *holding, volumes={"/scratch": {}})
    apply(
        kubectl,
        "chatty",
        "--log",
        "/logs/app.log",
        "--log-every",
        "1ms",
        volumes={"/logs": {**memory, "sizeLimit": "32Mi"}},
    )
    for name in ("healthy", "full", "limited", "holding", "chatty"):
        kubectl.wait_until_running(name)
    return kubectl


def triage(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, "growth_seconds": 2, **variables}
    return run_playbook("disk_triage", folder, given, *words, environment=environment)


def test_a_healthy_pod_passes(pods: Kubectl, tmp_path: Path) -> None:
    case = triage(pods, tmp_path, pod="healthy")
    assert case.status == 0, case.printed
    assert case.verdict == "pass", case.said()
    assert "/data/blob.bin (4.0 MiB)" in case.finding("biggest_files")["message"]
    assert case.document["facts"][f"{pods.namespace}/healthy/app"]["missing"] == {}
    for finding in case.findings():
        case.assert_evidence(finding)


@pytest.mark.parametrize("image", TOOLBOXES)
def test_an_empty_dir_in_memory_that_is_full(pods: Kubectl, tmp_path: Path, image: str) -> None:
    case = triage(pods, tmp_path, pod="full", debug={"image": image, "image_pull_policy": "Never"})
    assert case.verdict == "fail", case.said()
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == ["volume_full"], case.said()
    assert case.status == 0
    assert case.finding("volume_full")["message"] == "/cache (tmpfs) is 100 % full: 0 Bytes of 8.0 MiB left."
    case.assert_evidence(case.finding("volume_full"))
    facts = case.document["facts"][f"{pods.namespace}/full/app"]
    assert facts["missing"] == {}
    (deleted,) = facts["deleted_files"]["files"]
    assert deleted["path"] == "/scratch/big.log"
    assert [holder["name"] for holder in deleted["holders"]] == ["app"]
    assert "/cache/blob (8.0 MiB)" in case.finding("biggest_files")["message"]
    assert "/cache (8.0 MiB)" in case.finding("biggest_folders")["message"]


def test_an_empty_dir_on_disk_that_comes_to_its_size_limit(pods: Kubectl, tmp_path: Path) -> None:
    case = triage(pods, tmp_path, pod="limited")
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == ["size_limit"], case.said()
    assert "/work (emptyDir volume-0) holds 20.0 MiB of the 21.0 MiB" in case.finding("size_limit")["message"]


def test_a_log_that_was_deleted_while_it_is_open(pods: Kubectl, call: Play, tmp_path: Path) -> None:
    # the app's own file, through its own descriptor: it has no name any more
    grow = 'head -c 20000000 /dev/zero > "/proc/$TARGET_PID/fd/$(ls -l /proc/$TARGET_PID/fd | sed -n "s/.* \\([0-9]*\\) -> .*big.log (deleted)/\\1/p")"'
    assert call("ephemeral_debug", pod="holding", commands=[grow]).status == 0
    case = triage(pods, tmp_path, pod="holding", deleted_size="10Mi")
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == ["deleted_open"], case.said()
    message = case.finding("deleted_open")["message"]
    assert message.startswith("/scratch/big.log is deleted, and 19.1 MiB of it stay on the disk")
    assert "app (pid 1, descriptor" in message
    case.assert_evidence(case.finding("deleted_open"))


def test_a_worker_of_another_user_is_unknown_and_what_it_holds_is_found_where_the_debugger_may_look(
    pods: Kubectl, tmp_path: Path
) -> None:
    hold = "exec 3>/scratch/access.log; head -c 20000000 /dev/zero >&3; rm /scratch/access.log; exec sleep 3600"
    serve = f"echo worker:x:33:33::/:/bin/sh >>/etc/passwd; chmod 777 /scratch; su worker -c '{hold}' & exec sleep 3600"
    mounts = [{"name": "scratch", "mountPath": "/scratch"}]
    pods.apply(
        pod_manifest(
            "served",
            "busybox:1.37",
            container={"command": ["sh", "-c", serve], "volumeMounts": mounts},
            volumes=[{"name": "scratch", "emptyDir": {}}],
        )
    )
    pods.wait_until_running("served")
    case = triage(pods, tmp_path / "own", pod="served", deleted_size="10Mi")
    assert case.verdict == "unknown", case.said()
    assert [entry["analyzer"] for entry in case.findings(verdict="unknown")] == ["unseen_open"], case.said()
    assert "(sleep)" in case.finding("unseen_open")["message"]
    case.assert_evidence(case.finding("unseen_open"))
    elevated = {"identity": "elevated", "allow_elevated": True, "name": "elevated"}
    case = triage(pods, tmp_path / "elevated", pod="served", deleted_size="10Mi", debug=elevated)
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == ["deleted_open"], case.said()
    assert case.finding("deleted_open")["message"].startswith("/scratch/access.log is deleted, and 19.1 MiB of it stay")
    assert case.findings("unseen_open") == []


def test_a_log_that_fills_its_volume_soon(pods: Kubectl, tmp_path: Path) -> None:
    case = triage(pods, tmp_path, pod="chatty", growth_rate="1Ki")
    assert [entry["analyzer"] for entry in case.findings(verdict="fail")] == ["fills_up_soon"], case.said()
    assert case.finding("fills_up_soon")["message"].startswith("/logs/app.log grows by ")
    assert case.finding("grows_fast")["verdict"] == "warn"


def test_a_hostile_name_is_shown_escaped_and_executed_by_nothing(pods: Kubectl, call: Play, tmp_path: Path) -> None:
    apply(pods, "hostile", volumes={"/scratch": {}})
    pods.wait_until_running("hostile")
    # Ansible itself would make 49 of braces in the task that plants the name
    name = "$(id >owned)`id >owned`\n@@ 7 * 7 ++<script>alert(1)<\x1b[31m\u202e'\"; id >owned #"
    plant = 'name=$(sed "s/@/{/g; s/+/}/g") && head -c 3000000 /dev/zero > "$TARGET_ROOT/scratch/$name" && mkdir "$TARGET_ROOT/scratch/dir $name"'
    planted = call("ephemeral_debug", pod="hostile", commands=[{"cmd": plant, "stdin": name}])
    assert not planted.result.get("failed"), planted["msg"]
    case = triage(pods, tmp_path, pod="hostile")
    assert case.verdict == "pass", case.said()
    facts = case.document["facts"][f"{pods.namespace}/hostile/app"]
    shown = "$(id >owned)`id >owned`\\n{{ 7 * 7 }}<script>alert(1)<\\x1b[31m\\u202e'\"; id >owned #"
    assert f"/scratch/{shown}" in [row["path"] for row in facts["big_files"]]
    assert f"/scratch/dir {shown}" in [row["path"] for row in facts["big_folders"]["folders"]]
    texts = [path.read_text(encoding="utf-8") for path in case.folder.rglob("*.json")]
    assert not [text for text in (case.printed, *texts) if "\x1b" in text or "\u202e" in text]
    assert "<script>" not in (case.folder / "summary.md").read_text(encoding="utf-8")
    look = 'find / "$TARGET_ROOT/" -xdev -name owned 2>/dev/null; true'
    seen = call("ephemeral_debug", pod="hostile", commands=[look])
    assert seen.target["commands"][0]["stdout"] == ""
    assert not list(tmp_path.rglob("owned"))


def test_a_check_of_the_users_own_is_a_file_in_a_folder(pods: Kubectl, tmp_path: Path) -> None:
    collectors, analyzers = tmp_path / "collectors", tmp_path / "analyzers"
    for path, content in (
        (collectors, {"collectors": [{"name": "hosts", "command": 'cat "$TARGET_ROOT/etc/hosts"', "parser": "lines"}]}),
        (
            analyzers,
            {
                "analyzers": [
                    {
                        "name": "hosts_local",
                        "needs": ["hosts"],
                        "for_each": "hosts",
                        "when": "item.startswith('127.0.0.1')",
                        "verdict": "warn",
                        "message": "The hosts file says: {{ item }}",
                    }
                ]
            },
        ),
    ):
        path.mkdir()
        (path / "mine.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    case = triage(pods, tmp_path, pod="healthy", collectors=[str(collectors)], analyzers=[str(analyzers)])
    assert case.verdict == "warn", case.said()
    assert case.finding("hosts_local")["message"] == "The hosts file says: 127.0.0.1\\tlocalhost"
    case.assert_evidence(case.finding("hosts_local"))


def test_an_old_case_is_judged_again_without_the_pod(pods: Kubectl, tmp_path: Path) -> None:
    assert triage(pods, tmp_path, "--tags", "collect", pod="healthy").status == 0
    assert not (tmp_path / "case" / "findings.json").exists()
    nowhere = {"K8S_AUTH_KUBECONFIG": "/dev/null", "KUBECONFIG": "/dev/null"}
    again = triage(pods, tmp_path, "--tags", "judge,report", full_percent=1, environment=nowhere)
    assert again.status == 0, again.printed
    assert {entry["target"] for entry in again.findings("volume_full")} == {f"{pods.namespace}/healthy/app"}
    assert again.verdict == "fail", again.said()


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


def test_a_verdict_fails_the_play_where_that_is_asked_for(pods: Kubectl, tmp_path: Path) -> None:
    case = triage(pods, tmp_path, pod="full", fail_on="fail")
    assert case.status == 2, case.printed
    assert case.verdict == "fail"


def test_check_mode_injects_nothing_and_says_what_would_be_collected(pods: Kubectl, tmp_path: Path) -> None:
    apply(pods, "untouched")
    pods.wait_until_running("untouched")
    case = triage(pods, tmp_path, "--check", pod="untouched")
    assert case.status == 0, case.printed
    assert "How full the target's file systems are" in case.printed
    assert pods.debuggers("untouched") == []
    assert not case.folder.exists()


def test_a_debugger_that_is_not_kept_has_ended(pods: Kubectl, tmp_path: Path) -> None:
    apply(pods, "brief")
    pods.wait_until_running("brief")
    assert triage(pods, tmp_path, pod="brief", keep_debugger=False).status == 0
    (status,) = pods.pod("brief")["status"]["ephemeralContainerStatuses"]
    assert "terminated" in status["state"]


def test_the_role_of_the_documentation_is_enough(pods: Kubectl, tmp_path: Path, credentials: Credentials) -> None:
    environment = variables_of(credentials, rules_of("role.yml", "triage-role.yml"))
    case = triage(pods, tmp_path, pod="full", environment=environment)
    assert case.verdict == "fail", case.printed
    assert case.document["facts"][f"{pods.namespace}/full/app"]["missing"] == {}
    everything = case.printed + "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in case.folder.rglob("*") if path.is_file()
    )
    assert environment["K8S_AUTH_API_KEY"] not in everything


def test_no_value_of_an_environment_variable_comes_home(pods: Kubectl, tmp_path: Path) -> None:
    apply(pods, "secretive", env=[{"name": "TOKEN", "value": "very-secret-value"}])
    pods.wait_until_running("secretive")
    case = triage(pods, tmp_path, "-vvv", pod="secretive")
    assert case.status == 0
    object_ = json.loads((case.folder / pods.namespace / "secretive" / "app" / "pod.json").read_text(encoding="utf-8"))
    assert object_["spec"]["containers"][0]["env"] == [{"name": "TOKEN", "value": "(left out)"}]
    everything = case.printed + "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in case.folder.rglob("*") if path.is_file()
    )
    assert "very-secret-value" not in everything
