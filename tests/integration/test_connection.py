# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks in the debugger of a pod's container, by `incident.distroless.debugger`: what a shell does, and what Python does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ACTIONS, STATE, Kubectl, pod_manifest
from .patience import PATIENCE
from .test_inventory import run

# the node's own Python stands for one of the debug image
FOLDERS = {"usr": "/usr", "lib": "/usr/lib", "lib64": "/usr/lib64"}
VOLUMES = [{"name": name, "hostPath": {"path": path}} for name, path in FOLDERS.items()]
MOUNTS = [{"name": name, "mountPath": f"/{name}", "readOnly": True} for name in FOLDERS]
CONFIG = "/etc/app/config.yaml"
SIZE = 700_001


@dataclass(frozen=True, slots=True)
class Seen:
    """What each host's tasks registered, and all that was printed."""

    results: dict[str, dict[str, Any]]
    printed: str
    random: bytes
    home: Path


SHELL = {
    "raw": {
        "raw": f'printf "%s %s" "$TARGET_PID" "$(head -c 5 $TARGET_ROOT{CONFIG} | wc -c)"; echo wrong >&2; exit 3',
        "failed_when": False,
    },
    "script": {"script": "hello.sh 'two words'"},
    "ping": {"ping": None, "ignore_errors": True},
}
PYTHON = {
    "setup": {"setup": {"gather_subset": ["!all", "!min", "distribution"]}},
    "command": {"command": f"sh -c 'cat $TARGET_ROOT{CONFIG}; exit 4'", "failed_when": False},
    "slurp": {"slurp": {"src": f"/proc/1/root{CONFIG}"}},
    "find": {"find": {"paths": "/proc/1/root/etc/app"}},
    "stat": {"stat": {"path": "/tmp"}},
    "copy": {"copy": {"src": "random", "dest": "/tmp/random"}},
    "again": {"copy": {"src": "random", "dest": "/tmp/random"}},
    "fetch": {"fetch": {"src": "/tmp/random", "dest": "home/"}},
    "late": {"command": "sleep 600", "timeout": 5, "ignore_errors": True},
    # it ends when what the task before left has ended, and tells of those that the target's first process would have to reap
    "left": {
        "raw": 'while grep -qs "sleep.6[0]0" /proc/[0-9]*/cmdline; do sleep 0.1; done; cat /proc/[0-9]*/status 2>/dev/null'
    },
}
LINE_LOST = {"lost": {"raw": "pkill -9 -x sleep; sleep 600", "ignore_unreachable": True}}


def play(place: Path, hosts: list[str], tasks: dict[str, Any], **play: Any) -> dict[str, Any]:
    """A play whose hosts write down what their tasks registered, in files that begin so."""
    saved = "{{ {" + ", ".join(f"'{name}': {name}" for name in tasks) + "} | to_json }}"
    save = {
        "save_result": {"content": saved, "dest": f"{place}-{{{{ inventory_hostname }}}}.json"},
        "check_mode": False,
    }
    steps = [{**task, "register": name} for name, task in tasks.items()]
    return {"hosts": ",".join(hosts), "gather_facts": False, "tasks": [*steps, save], **play}


@pytest.fixture(scope="module")
def seen(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One run of ansible-playbook over hosts with a shell and with Python, and over some that cannot be reached."""
    folder = tmp_path_factory.mktemp("plays")
    for name in ("api", "fresh"):
        kubectl.apply(pod_manifest(name, "incident.test/app:nonroot", volumes=VOLUMES))
    kubectl.apply(
        pod_manifest(
            "done", "incident.test/app:nonroot", container={"args": ["--exit-after", "1ms"]}, restartPolicy="Never"
        )
    )
    for name in ("api", "fresh"):
        kubectl.wait_until_running(name)
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    hosts: dict[str, dict[str, Any]] = {name: {"ansible_debugger_pod": name} for name in ("fresh", "done", "nobody")}
    hosts["shell"] = {"ansible_debugger_pod": "api", "ansible_debugger_container": "app"}
    hosts["python"] = {
        "ansible_debugger_pod": "api",
        "ansible_debugger_custom": json.dumps({"volumeMounts": MOUNTS}),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    common = {"ansible_connection": "incident.distroless.debugger", "ansible_debugger_namespace": kubectl.namespace}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}), encoding="utf-8")
    random = os.urandom(SIZE)
    (folder / "random").write_bytes(random)
    (folder / "hello.sh").write_text('#!/bin/sh\necho "hello $1 $#"\n', encoding="utf-8")
    unreachable = {"tried": {"ping": None, "ignore_unreachable": True, "ignore_errors": True}}
    plays = [
        play(folder / "0", ["shell"], SHELL),
        play(folder / "1", ["python"], PYTHON),
        play(folder / "2", ["nobody", "done"], unreachable),
        play(folder / "3", ["fresh", "python"], unreachable, check_mode=True),
        play(folder / "4", ["fresh", "shell", "done"], unreachable, vars={"ansible_debugger_max_pods": "2"}),
        play(folder / "5", ["shell"], {"become": {"raw": "id", "become": True, "ignore_errors": True}}),
        play(folder / "6", ["python"], LINE_LOST),
    ]
    (folder / "plays.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
    done = run(
        folder,
        *("ansible-playbook", "-i", "hosts.yml", "plays.yml"),
        ANSIBLE_ACTION_PLUGINS=ACTIONS,
        K8S_AUTH_KUBECONFIG=str(STATE / "kubeconfig"),
    )
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("?-*.json")}
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return Seen(results, printed, random, folder / "home")


def test_a_shell_is_enough_for_raw_and_script(seen: Seen) -> None:
    found = seen.results["0-shell"]
    assert (found["raw"]["rc"], found["raw"]["stdout"], found["raw"]["stderr"]) == (3, "1 5", "wrong\n")
    assert found["script"]["stdout"] == "hello two words 1\n"
    assert "has no Python, which every module but raw and script needs" in found["ping"]["msg"]


def test_modules_run_where_the_image_has_python(seen: Seen, kubectl: Kubectl) -> None:
    found = seen.results["1-python"]
    config = kubectl.hashes("api", CONFIG)[CONFIG]
    assert found["command"]["rc"] == 4
    slurped = base64.b64decode(found["slurp"]["content"])
    assert hashlib.sha256(slurped).hexdigest() == config
    assert found["command"]["stdout"].encode() == slurped.rstrip(b"\n")
    assert found["find"]["examined"]
    assert found["stat"]["stat"]["exists"]
    assert found["copy"]["changed"]
    assert not found["again"]["changed"]
    assert (seen.home / "python" / "tmp" / "random").read_bytes() == seen.random


def test_a_task_that_ran_out_of_time_leaves_no_process(seen: Seen) -> None:
    found = seen.results["1-python"]
    assert found["late"]["failed"]
    assert "rc" not in found["late"]
    listed = found["left"]["stdout"]
    rows = listed.split("Name:\t")[1:]
    assert rows
    assert [row for row in rows if "State:\tZ" in row and "PPid:\t1\n" in row] == []


def test_a_pod_that_cannot_be_looked_into_is_unreachable_with_its_reason(seen: Seen) -> None:
    reasons = {"nobody": "NoTarget: There is no pod nobody", "done": "TargetNotRunning: "}
    for host, reason in reasons.items():
        tried = seen.results[f"2-{host}"]["tried"]
        assert tried["unreachable"]
        assert reason in tried["msg"]


def test_check_mode_uses_what_runs_and_injects_nothing(seen: Seen, kubectl: Kubectl) -> None:
    assert seen.results["3-python"]["tried"]["ping"] == "pong"
    tried = seen.results["3-fresh"]["tried"]
    assert tried["unreachable"]
    assert "check mode injects none" in tried["msg"]
    assert kubectl.debuggers("fresh") == []
    assert len(kubectl.debuggers("api")) == 2


def test_more_pods_than_wanted_are_refused_before_anything_is_injected(seen: Seen, kubectl: Kubectl) -> None:
    for host in ("fresh", "shell", "done"):
        tried = seen.results[f"4-{host}"]["tried"]
        assert tried["failed"]
        assert "the hosts of this play are 3 pods, and ansible_debugger_max_pods is 2" in tried["msg"]
    assert kubectl.debuggers("fresh") == []


def test_become_is_refused(seen: Seen) -> None:
    assert "become: not in a debugger" in seen.results["5-shell"]["become"]["msg"]


def test_a_debugger_that_ends_meanwhile_makes_the_host_unreachable(seen: Seen) -> None:
    assert seen.results["6-python"]["lost"]["unreachable"]
