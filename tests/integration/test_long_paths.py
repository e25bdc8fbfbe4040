# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths as long as the kernel takes them, on the real cluster: there and back, and never in a request line."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from .conftest import Kubectl, Play, facts, pod_manifest

MAKER = """
cd /deep
name=$(printf '%0255d' 0)
for level in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mkdir $name && cd -P $name || exit 1; done
# /deep is 5 bytes, 15 names with their slashes are 3,840: 250 are left, one of them a slash
echo deepest >$(printf '%0249d' 1)
mkdir $name && echo 'too deep' >$name/beyond
"""
LONGEST = "/deep" + ("/" + "0" * 255) * 15 + "/" + "0" * 248 + "1"


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app that shares a volume with a container that has a shell, which made a very deep tree there."""
    mounts = {"volumeMounts": [{"name": "deep", "mountPath": "/deep"}]}
    manifest = pod_manifest(
        "api", "incident.test/app:nonroot", container=mounts, volumes=[{"name": "deep", "emptyDir": {}}]
    )
    maker = {"name": "maker", "image": "busybox:1.37", "imagePullPolicy": "Never", "command": ["sleep", "3600"]}
    manifest["spec"]["containers"].append({**maker, **mounts})
    kubectl.apply(manifest)
    kubectl.wait_until_running("api")
    kubectl.run("exec", "api", "-c", "maker", "--", "sh", "-c", MAKER)
    return "api"


@pytest.mark.parametrize("image", ["busybox:1.37", "incident.test/debug-dash:1", "incident.test/debug-bash:1"])
def test_a_path_of_4095_bytes_comes_home_and_is_unchanged_the_next_time(
    kubectl: Kubectl, call: Play, app: str, tmp_path: Path, image: str
) -> None:
    assert len(LONGEST) == 4095
    before = Path(facts()["AUDIT_LOG"]).stat().st_size
    options = {
        "pod": app,
        "container": "app",
        "src": ["/deep"],
        "dest": str(tmp_path / "home"),
        "debug": {"image": image},
    }
    played = call("proc_fs_fetch", **options)
    assert (played.status, played.result.get("failed", False)) == (0, False), played.printed
    document = json.loads(Path(played["manifests"][0]).read_text())
    rows = {row["src"]: row for row in document["files"]}
    truth = hashlib.sha256(b"deepest\n").hexdigest()
    assert (rows[LONGEST]["status"], rows[LONGEST]["sha256"]) == ("fetched", truth)
    # longer than this host's own paths can be, so it is looked at step by step
    here = os.open(tmp_path / "home" / kubectl.namespace / "api" / "app", os.O_PATH)
    *directories, name = LONGEST.strip("/").split("/")
    for directory in directories:
        here = os.open(directory, os.O_PATH, dir_fd=here)
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=here)) as copy:
        assert copy.read() == "deepest\n"
    # what no process can name is said, at the first name that is too much
    (beyond,) = (row for row in document["files"] if row["reason"] == "NameTooLong")
    assert beyond["src"] == LONGEST.rpartition("/")[0] + "/" + "0" * 255
    assert beyond["status"] == "failed"
    again = call("proc_fs_fetch", **options)
    assert (again["changed"], again["stats"]["unchanged"]) == (False, 1)
    alone = call("proc_fs_fetch", **{**options, "src": [LONGEST]})
    assert (alone["changed"], alone["stats"]["unchanged"]) == (False, 1)
    # proxies cut request lines at 8 KiB
    with Path(facts()["AUDIT_LOG"]).open(encoding="utf-8") as log:
        log.seek(before)
        lines = [json.loads(line)["requestURI"] for line in log if kubectl.namespace in line and line.endswith("\n")]
    assert [line for line in lines if "/exec?" in line]
    assert max(map(len, lines)) < 4096
