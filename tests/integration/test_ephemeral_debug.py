# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ephemeral_debug on the real cluster, looked at from outside by kubectl."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, pod_manifest
from .patience import PATIENCE


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 with the runtime's capabilities."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def test_the_debugger_sees_the_app_and_not_itself(kubectl: Kubectl, play: Play, app: str) -> None:
    played = play(
        "ephemeral_debug", pod=app, name="seer", commands=["tr '\\0' ' ' </proc/1/cmdline", 'ls "$TARGET_ROOT/data"']
    )
    assert played.status == 0, played.printed
    first, second = played.target["commands"]
    assert first["stdout"].startswith("/app")
    assert "app.log" in second["stdout_lines"]
    # where the API does not tell who the app runs as, the first one learned it, and is not the one that looked
    (added,) = (entry for entry in kubectl.debuggers(app) if entry["name"] == played.target["debugger"])
    assert added["name"].startswith("seer")
    assert added["targetContainerName"] == "app"
    assert (added["securityContext"]["runAsUser"], added["securityContext"]["runAsGroup"]) == (65532, 65532)


def test_asking_again_finds_the_one_that_runs(kubectl: Kubectl, call: Play, app: str) -> None:
    first = call("ephemeral_debug", pod=app)
    count = len(kubectl.debuggers(app))
    second = call("ephemeral_debug", pod=app, ttl=7200)
    assert (first["changed"], second["changed"]) == (True, False)
    assert second.target["reused"]
    assert second.target["debugger"] == first.target["debugger"]
    assert len(kubectl.debuggers(app)) == count


def test_what_says_nothing_makes_no_other_debugger(call: Play, app: str) -> None:
    custom = {"tty": False, "env": [{"name": "EMPTY", "value": ""}]}
    first = call("ephemeral_debug", pod=app, custom=custom)
    assert first.target["mutated_by_admission"] == [], first["msg"]
    assert not call("ephemeral_debug", pod=app, custom=custom)["changed"]


def test_another_request_is_another_debugger(call: Play, app: str) -> None:
    plain, with_env = call("ephemeral_debug", pod=app), call("ephemeral_debug", pod=app, env={"X": "1"})
    assert with_env["changed"]
    assert with_env.target["debugger"] != plain.target["debugger"]


def test_a_name_alone_gives_nobody_a_debugger_of_another_identity(kubectl: Kubectl, call: Play, app: str) -> None:
    strong = call("ephemeral_debug", pod=app, name="dbg", identity="elevated")
    equal = call("ephemeral_debug", pod=app, name="dbg", identity="match")
    assert (strong.target["debugger"], strong.target["identity"]["uid"]) == ("dbg", 0)
    assert (equal["changed"], equal.target["debugger"], equal.target["reused"]) == (True, "dbg-2", False)
    assert (equal.target["identity"]["uid"], equal.target["identity"]["gid"]) == (65532, 65532)
    for identity, name in (("elevated", "dbg"), ("match", "dbg-2")):
        again = call("ephemeral_debug", pod=app, name="dbg", identity=identity)
        assert (again["changed"], again.target["debugger"]) == (False, name)
    (weak,) = (entry for entry in kubectl.debuggers(app) if entry["name"] == "dbg-2")
    assert weak["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_debugger_ends_by_itself_after_its_ttl_and_is_replaced_under_the_next_name(
    kubectl: Kubectl, call: Play, app: str
) -> None:
    short = call("ephemeral_debug", pod=app, name="brief", ttl=2, wait=False)
    kubectl.run(
        "wait",
        f"pod/{app}",
        "--for=jsonpath={.status.ephemeralContainerStatuses[?(@.name=='brief')].state.terminated.exitCode}=0",
        f"--timeout={PATIENCE}s",
    )
    again = call("ephemeral_debug", pod=app, name="brief", ttl=60)
    assert (short.target["debugger"], again.target["debugger"]) == ("brief", "brief-2")


def test_check_mode_asks_and_does_not_inject(kubectl: Kubectl, play: Play, app: str) -> None:
    before = kubectl.debuggers(app)
    played = play("ephemeral_debug", pod=app, name="never", commands=["touch /tmp/x"], check=True, diff=True)
    assert played["changed"]
    assert kubectl.debuggers(app) == before
    assert played.target["commands"][0]["rc"] is None
    assert "name: never" in played["diff"][0]["after"]
    assert "name: never" not in played["diff"][0]["before"]


def test_absent_ends_the_debugger_and_not_the_app(kubectl: Kubectl, call: Play, app: str) -> None:
    def app_state() -> tuple[object, object]:
        status = kubectl.pod(app)["status"]["containerStatuses"][0]
        return status["containerID"], status["restartCount"]

    before = app_state()
    played = call("ephemeral_debug", pod=app, name="doomed")
    # before Kubernetes 1.33 the first one learns who the target is, and the second has the name with a number
    name = played.target["debugger"]
    ended = call("ephemeral_debug", pod=app, name="doomed", state="absent")
    assert (ended["changed"], ended.target["ended"]) == (True, [name])
    assert app_state() == before
    states = {status["name"]: status["state"] for status in kubectl.pod(app)["status"]["ephemeralContainerStatuses"]}
    assert "terminated" in states[name]
    assert not call("ephemeral_debug", pod=app, name="doomed", state="absent")["changed"]


def test_absent_by_name_ends_the_one_that_took_the_names_place(kubectl: Kubectl, call: Play, app: str) -> None:
    call("ephemeral_debug", pod=app, name="twice")
    call("ephemeral_debug", pod=app, name="twice", state="absent")
    assert call("ephemeral_debug", pod=app, name="twice").target["debugger"] == "twice-2"
    assert call("ephemeral_debug", pod=app, name="twice", state="absent").target["ended"] == ["twice-2"]


def test_absent_is_content_where_the_target_is_gone(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("passing", "incident.test/app:nonroot"))
    kubectl.wait_until_running("passing")
    earlier = call("ephemeral_debug", pod="passing", name="witness")
    kubectl.run("delete", "pod", "passing", "--grace-period=0", "--force")
    kubectl.run("wait", "pod/passing", "--for=delete", f"--timeout={PATIENCE}s")
    ended = call("ephemeral_debug", targets=earlier["targets"], state="absent")
    assert not ended["failed_targets"], ended["msg"]
    assert not ended["changed"]
    assert ended.target["ended"] == []
    assert "no pod passing" in ended.target["warnings"][0]
    assert earlier.target.keys() <= ended.target.keys()


def test_absent_never_ends_someone_elses_debugger(kubectl: Kubectl, call: Play, app: str) -> None:
    kubectl.run(
        "debug",
        app,
        "--image=busybox:1.37",
        "--image-pull-policy=Never",
        "--container=theirs",
        "--target=app",
        "--attach=false",
        "--profile=baseline",
        "--",
        "sleep",
        "600",
    )
    kubectl.run(
        "wait",
        f"pod/{app}",
        "--for=jsonpath={.status.ephemeralContainerStatuses[?(@.name=='theirs')].state.running}",
        f"--timeout={PATIENCE}s",
    )
    call("ephemeral_debug", pod=app, state="absent")
    states = {status["name"]: status["state"] for status in kubectl.pod(app)["status"]["ephemeralContainerStatuses"]}
    assert "running" in states["theirs"]


def test_commands_have_streams_codes_and_limits(call: Play, app: str) -> None:
    commands = [
        {"argv": ["printf", "%s", "a'b\"c $HOME \\"], "name": "as it is"},
        {"cmd": "echo out; echo err >&2; exit 7"},
        {"cmd": "head -c 100000 /dev/zero | tr '\\0' x", "max_output": 10},
        {"cmd": "pwd; echo $COLOUR", "chdir": "/bin", "env": {"COLOUR": "o'range"}},
        {"cmd": "sleep 60", "timeout": 1},
    ]
    played = call("ephemeral_debug", pod=app, commands=commands)
    as_it_is, both, much, placed, slow = played["targets"][0]["commands"]
    assert as_it_is["stdout"] == "a'b\"c $HOME \\"
    assert (both["rc"], both["stdout"], both["stderr"]) == (7, "out\n", "err\n")
    assert (much["stdout"], much["stdout_truncated"]) == ("x" * 10, True)
    assert placed["stdout_lines"] == ["/bin", "o'range"]
    assert (slow["rc"], slow["timed_out"]) == (None, True)
    assert played["failed"]
    assert played["reason"] == "CommandFailed"


def test_a_time_out_ends_the_remote_command_too(call: Play, app: str) -> None:
    slow = call("ephemeral_debug", pod=app, commands=[{"cmd": "sleep 4321", "timeout": 1}])
    assert slow["reason"] == "CommandTimeout"
    looked = call(
        "ephemeral_debug", pod=app, commands=["for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done"]
    )
    assert "sleep 4321" not in looked.target["commands"][0]["stdout_lines"]


@pytest.mark.parametrize(
    "entry", [{"cmd": "x", "shell": "y"}, {"name": "nothing"}, {"argv": [], "name": "x"}, {"cmd": "x", "timeout": 0}]
)
def test_a_command_that_cannot_be_is_refused_by_its_index(
    kubectl: Kubectl, call: Play, app: str, entry: dict[str, object]
) -> None:
    before = kubectl.debuggers(app)
    played = call("ephemeral_debug", pod=app, commands=["true", entry])
    assert played["reason"] == "InvalidRequest"
    assert "commands[1]" in played["msg"]
    assert kubectl.debuggers(app) == before


def test_environment_values_are_nowhere_and_nothing_else_is_touched(play: Play, app: str) -> None:
    secret = "hunter2-correct-horse"
    played = play(
        "ephemeral_debug",
        pod=app,
        env={"PASSWORD": secret, "ONE": "1", "LETTER": "a"},
        commands=[{"cmd": "true", "env": {"TOKEN": secret}}],
        verbosity=4,
        diff=True,
    )
    assert secret not in played.printed
    assert secret not in str(played.result)
    assert "*" not in str(played["targets"])
    assert played.target["pid"] == 1


@pytest.fixture
def deployment(kubectl: Kubectl) -> Iterator[str]:
    """Three replicas of the app."""
    pod = pod_manifest("many", "incident.test/app:65532")
    labels = {"app": "many"}
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
    }
    spec["template"]["spec"].pop("restartPolicy", None)
    kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "many"}, "spec": spec})
    kubectl.run("rollout", "status", "deployment/many", f"--timeout={PATIENCE}s")
    yield "many"
    kubectl.run("delete", "deployment", "many", "--wait=false")


def test_every_way_of_selecting_finds_the_same_pods(call: Play, deployment: str) -> None:
    by_workload = call("ephemeral_debug", workload=f"deploy/{deployment}")
    by_labels = call("ephemeral_debug", label_selectors=[f"app={deployment}"], field_selectors=["status.phase=Running"])
    by_targets = call("ephemeral_debug", targets=by_workload["targets"])
    names = {target["pod"] for target in by_workload["targets"]}
    assert len(names) == 3
    assert {target["pod"] for target in by_labels["targets"]} == names
    assert {target["debugger"] for target in by_targets["targets"]} == {
        target["debugger"] for target in by_workload["targets"]
    }
    assert (by_workload["changed"], by_labels["changed"], by_targets["changed"]) == (True, False, False)


def test_more_pods_than_allowed_fail_before_anything_is_changed(kubectl: Kubectl, call: Play, deployment: str) -> None:
    def debuggers() -> dict[str, Any]:
        pods = kubectl.json("get", "pods", "-l", f"app={deployment}")["items"]
        return {pod["metadata"]["name"]: pod["spec"].get("ephemeralContainers") for pod in pods}

    # another test may have looked into them before
    before = debuggers()
    played = call("ephemeral_debug", workload=f"deployment/{deployment}", max_pods=2, name="one-too-many")
    assert (played["reason"], played["changed"]) == ("TooManyPods", False)
    assert "3 pods" in played["msg"]
    assert debuggers() == before


def test_the_defaults_of_a_whole_site_come_from_the_environment(play: Play, app: str) -> None:
    site = {"INCIDENT_DISTROLESS_IMAGE": "incident.test/nowhere:1", "INCIDENT_DISTROLESS_IMAGE_PULL_POLICY": "Never"}
    assert play("ephemeral_debug", pod=app, environment=site).failure["reason"] == "ImagePullFailed"
    assert (
        play("proc_fs_fetch", pod=app, src=["/x"], dest="/nonexistent", debug={}, environment=site).failure["reason"]
        == "ImagePullFailed"
    )


def test_module_defaults_of_the_action_group_reach_the_module(
    kubectl: Kubectl, tmp_path: Path, make_namespace: Callable[..., Kubectl]
) -> None:
    import subprocess

    import yaml

    task = {
        "incident.distroless.ephemeral_debug": {"pod": "nobody"},
        "register": "outcome",
        "failed_when": "outcome.reason != 'NoTarget'",
    }
    defaults = {"group/incident.distroless.k8s": {"namespace": kubectl.namespace}}
    book = tmp_path / "play.yml"
    book.write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": [task]}])
    )
    done = subprocess.run(
        ["ansible-playbook", str(book)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout
