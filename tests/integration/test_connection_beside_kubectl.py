# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the table in many_pods.rst says of `incident.distroless.debugger` and of kubernetes.core's kubectl, seen with both.

The target has the shell and the Python that kubectl's needs there; the debugger brings the same ones, and a volume is in both.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ACTIONS, STATE, Kubectl, pod_manifest
from .cutting import cutting
from .test_connection import MOUNTS, VOLUMES, play
from .test_inventory import run

OURS, THEIRS = "ours", "theirs"
DATA = {"name": "data", "mountPath": "/data"}
BYTES = bytes(range(256)) * 4096
# what a shell would take for more than a name, in a file that a target's own user made
HOSTILE = "a 'b' $(touch pwned) ; c"
TASKS: dict[str, dict[str, Any]] = {
    "exit": {"raw": "echo out; echo err >&2; exit 3", "failed_when": False},
    "script": {"script": "hello.sh 'two words'"},
    "stdin": {"command": {"cmd": "cat", "stdin": "said\n"}},
    "put": {"copy": {"src": "bytes", "dest": "/data/put-{{ inventory_hostname }}"}},
    "digest": {"raw": "sha256sum </data/put-{{ inventory_hostname }}"},
    "fetch": {"fetch": {"src": "/data/bytes", "dest": "home/"}},
    "hostile": {"fetch": {"src": f"/data/{HOSTILE}", "dest": "home/"}, "ignore_errors": True},
}
WITHOUT_SHELL = {"bare": {"raw": "head -c 5 ${TARGET_ROOT}/etc/app/config.yaml", "ignore_errors": True}}
CUT = {"cut": {"raw": "head -c 3000000 /dev/zero | tr '\\0' x", "ignore_errors": True, "ignore_unreachable": True}}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tasks of each host registered, and the folder that files were fetched into."""

    results: dict[str, dict[str, Any]]
    home: Path


def both(name: str, kubectl: Kubectl, kubeconfig: str, **debugger: str) -> dict[str, dict[str, Any]]:
    """A container as a host of each connection."""
    common = {"ansible_python_interpreter": "/usr/bin/python3"}
    ours = {"pod": name, "namespace": kubectl.namespace, "kubeconfig": kubeconfig, **debugger}
    theirs = {"pod": name, "namespace": kubectl.namespace, "kubeconfig": kubeconfig, "container": "app"}
    return {
        OURS: {
            **common,
            "ansible_connection": "incident.distroless.debugger",
            **{f"ansible_debugger_{key}": value for key, value in ours.items()},
        },
        THEIRS: {
            **common,
            "ansible_connection": "kubernetes.core.kubectl",
            **{f"ansible_kubectl_{key}": value for key, value in theirs.items()},
        },
    }


@pytest.fixture(scope="module")
def seen(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("both")
    made = f"printf 'of the target' >\"/data/{HOSTILE.replace('$', chr(92) + '$')}\"; exec sleep 86400"
    container = {"command": ["sh", "-c", made], "volumeMounts": [*MOUNTS, DATA]}
    volumes = [*VOLUMES, {"name": "data", "emptyDir": {}}]
    kubectl.apply(pod_manifest("shell", "busybox:1.37", container=container, volumes=volumes))
    kubectl.apply(pod_manifest("bare", "incident.test/app:nonroot"))
    for name in ("shell", "bare"):
        kubectl.wait_until_running(name)
    (folder / "bytes").write_bytes(BYTES)
    kubectl.run("cp", str(folder / "bytes"), "shell:/data/bytes")
    (folder / "hello.sh").write_text('#!/bin/sh\necho "hello $1 $#"\n', encoding="utf-8")
    real = STATE / "kubeconfig"
    content = yaml.safe_load(real.read_text(encoding="utf-8"))
    custom = json.dumps({"volumeMounts": [*MOUNTS, DATA]})
    with cutting(content["clusters"][0]["cluster"]["server"], 1_000_000) as cutter:
        content["clusters"][0]["cluster"]["server"] = cutter.url
        cut = folder / "cut"
        cut.write_text(yaml.safe_dump(content), encoding="utf-8")
        plays = []
        for number, (pod, kubeconfig, tasks) in enumerate(
            [("shell", real, TASKS), ("bare", real, WITHOUT_SHELL), ("shell", cut, CUT)]
        ):
            hosts = {
                f"{name}-{number}": told
                for name, told in both(
                    pod, kubectl, str(kubeconfig), **({"custom": custom} if pod == "shell" else {})
                ).items()
            }
            (folder / f"hosts-{number}.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), encoding="utf-8")
            plays.append(play(folder / "said", [*hosts], tasks))
        (folder / "plays.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
        inventories = [word for number in range(3) for word in ("-i", f"hosts-{number}.yml")]
        path = f"{STATE}{os.pathsep}{os.environ['PATH']}"
        done = run(folder, "ansible-playbook", *inventories, "plays.yml", ANSIBLE_ACTION_PLUGINS=ACTIONS, PATH=path)
    found = {path.stem.removeprefix("said-"): json.loads(path.read_text()) for path in folder.glob("said-*.json")}
    assert done.returncode == 0, done.stdout + done.stderr
    return Seen(found, folder / "home")


@pytest.mark.bulk
def test_both_carry_exit_codes_output_stdin_and_bytes(seen: Seen) -> None:
    digest = hashlib.sha256(BYTES).hexdigest()
    for host in (f"{OURS}-0", f"{THEIRS}-0"):
        found = seen.results[host]
        assert (found["exit"]["rc"], found["exit"]["stdout"]) == (3, "out\n")
        assert found["script"]["stdout"] == "hello two words 1\n"
        assert found["stdin"]["stdout"] == "said"
        assert found["digest"]["stdout"].split()[0] == digest
        assert (seen.home / host / "data" / "bytes").read_bytes() == BYTES


@pytest.mark.bulk
def test_what_is_different_is_what_the_table_says(seen: Seen) -> None:
    """Where a later kubernetes.core does as ours does, its half fails, and the table is to be written anew."""
    ours, theirs = ([seen.results[f"{name}-{number}"] for number in range(3)] for name in (OURS, THEIRS))
    # kubectl adds a sentence of its own
    assert ours[0]["exit"]["stderr"] == "err\n"
    assert "command terminated with exit code 3" in theirs[0]["exit"]["stderr"]
    assert not ours[0]["hostile"]["failed"]
    assert (seen.home / "ours-0" / "data" / HOSTILE).read_text(encoding="utf-8") == "of the target"
    assert theirs[0]["hostile"]["failed"]
    # what the name says was run in the target
    assert "c: not found" in theirs[0]["hostile"]["msg"]
    assert ours[1]["bare"]["stdout"] == "# onl"
    assert "no such file or directory" in theirs[1]["bare"]["stdout"] + theirs[1]["bare"]["stderr"]
    assert ours[2]["cut"]["unreachable"]
    assert "ConnectionLost" in ours[2]["cut"]["msg"]
    # the exit code of kubectl is taken for that of the command
    assert (theirs[2]["cut"]["rc"], theirs[2]["cut"].get("unreachable", False)) == (1, False)
