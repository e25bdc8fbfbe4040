# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets that want to be left alone: files and processes that are made to stop or mislead whoever looks at them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, pod_manifest

# busybox under a name of two lines, which the kernel takes over when it is run
RENAMED = 'hidden="/tmp/busybox\nx"; cp /bin/busybox "$hidden"'
HIDER = f"""{RENAMED}
(echo loot > /tmp/loot; exec 5</tmp/loot; rm /tmp/loot; exec "$hidden" sleep 100000) &
(echo seen > /tmp/seen; exec 5</tmp/seen; rm /tmp/seen; exec sleep 100000) &
touch /tmp/ready
exec sleep 100000
"""
MIRRORS = """mkdir -p /logs/app.log /many
echo found > /logs/app.log/deep.log
i=0; while [ $i -lt 300 ]; do ln -s . /logs/l$i.log; i=$((i+1)); done
i=0; while [ $i -lt 1300 ]; do : > /many/$i; i=$((i+1)); done
echo key > /many/tls.pem
touch /tmp/ready
exec sleep 100000
"""


def applied(kubectl: Kubectl, name: str, script: str, **container: Any) -> Mapping[str, Any]:
    """A pod that is ready when its script has made everything."""
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    kubectl.apply(
        pod_manifest(
            name,
            "busybox:1.37",
            container={"command": ["sh", "-c", script], "readinessProbe": probe, **container},
        )
    )
    return kubectl.wait_until_running(name)


@pytest.fixture
def mirrors(kubectl: Kubectl) -> str:
    """A directory with 300 links to itself, and a large one."""
    applied(kubectl, "mirrors", MIRRORS)
    return "mirrors"


def test_a_main_process_with_a_newline_in_its_name_is_looked_into(kubectl: Kubectl, call: Play) -> None:
    applied(kubectl, "renamed", f'{RENAMED}; touch /tmp/ready; exec "$hidden" sleep 100000')
    played = call("ephemeral_debug", pod="renamed", commands=["cat $TARGET_ROOT/etc/hostname"])
    assert played["failed_targets"] == [], played["msg"]
    assert (played.target["pid"], played.target["root_readable"]) == (1, True)
    assert played.target["commands"][0]["stdout"] == "renamed\n"
    # it did have such a name
    assert kubectl.text("exec", "renamed", "--", "cat", "/proc/1/comm") == "busybox\nx\n"


def test_a_process_with_a_newline_in_its_name_does_not_hide_what_it_holds(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    applied(kubectl, "hider", HIDER)
    played = call("proc_fs_fetch", pod="hider", open_deleted=True, dest=str(tmp_path))
    assert played["failed_targets"] == [], played["msg"]
    held = {row["resolved"]: Path(row["dest"]).read_text() for row in played["files"]}
    assert held == {"/tmp/loot (deleted)": "loot\n", "/tmp/seen (deleted)": "seen\n"}


def test_a_directory_full_of_links_to_itself_ends_a_glob_and_nothing_else(
    call: Play, mirrors: str, tmp_path: Path
) -> None:
    played = call("proc_fs_fetch", pod=mirrors, src=["/logs/*/*.log", "/etc/passwd"], dest=str(tmp_path), max_files=100)
    assert played["failed_targets"] == [], played["msg"]
    assert {row["reason"] for row in played["skipped_files"] if row["src"] == "/logs"} == {"MaxFiles"}
    assert {"/etc/passwd", "/logs/app.log/deep.log"} <= {row["src"] for row in played["files"]}
    (manifest,) = played["manifests"]
    # the names that are looked at, once as matches and once in the directories among them
    assert len(json.loads(Path(manifest).read_bytes())["files"]) <= 2 * (2 * 100 + 1_000)


def test_a_directory_full_of_links_to_itself_does_not_outlast_the_deadline(
    call: Play, mirrors: str, tmp_path: Path
) -> None:
    # three levels of it: 27 million ways
    played = call(
        "proc_fs_fetch", pod=mirrors, src=["/logs/*/*/*/nothing"], dest=str(tmp_path), max_files=0, deadline=2
    )
    # whether it is between two listings that the time is over, or during one
    if failed := played["failed_targets"]:
        assert [row["reason"] for row in failed] == ["WaitTimeout"], played["msg"]
        assert "The deadline was reached before the files were known" in played["msg"]
    else:
        assert [(row["src"], row["reason"]) for row in played["skipped_files"]] == [("/logs", "Deadline")]


def test_one_file_of_a_large_directory_comes_whatever_max_files_is(call: Play, mirrors: str, tmp_path: Path) -> None:
    played = call("proc_fs_fetch", pod=mirrors, src=["/many/*.pem"], dest=str(tmp_path), max_files=10)
    assert played["failed_targets"] == [], played["msg"]
    assert [(row["src"], row["status"]) for row in played["files"]] == [("/many/tls.pem", "fetched")]
    assert played["skipped_files"] == []
