# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of /etc beside those of a healthy pod: what the shell of pod_triage lists, run here, and what is said of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import gather_facts
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import analyze, parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.file_hashes import (
    MAX_TOLD,
    compared_files,
    file_hashes,
)
from ansible_collections.incident.distroless.tests.unit.plugins.plugin_utils._collect.test_siblings import pod
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import ROLES, SHELLS, printed

Listing = Callable[..., dict[str, Any]]


@pytest.fixture(params=SHELLS)
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> Listing:
    """Lists the files of a root below tmp_path, with points of it that something is mounted at; paths as the target has them."""

    def run(*points: str) -> dict[str, Any]:
        (tmp_path / "mountinfo").write_text(
            "".join(f"1 0 0:1 / {point} rw - tmpfs x rw\n" for point in points), encoding="utf-8"
        )
        changes = {"/proc/$TARGET_PID/mountinfo": str(tmp_path / "mountinfo")}
        said = printed("pod_triage", "etc_files", request.param, os.getpid(), tmp_path / "root", changes)
        return file_hashes(said.replace(os.fsencode(tmp_path / "root"), b""))

    (tmp_path / "root" / "etc" / "app").mkdir(parents=True)
    return run


def test_files_are_known_by_size_and_hash_and_what_is_mounted_is_never_read(listed: Listing, tmp_path: Path) -> None:
    etc = tmp_path / "root" / "etc"
    for name, content in {"motd": b"hello", "app/key": b"secret", "app/a [b]*c": b"x", "app/a [b]xc": b"y"}.items():
        (etc / name).write_bytes(content)
    (etc / "link").symlink_to("/etc/passwd")
    (etc / "large").write_bytes(b"")
    os.truncate(etc / "large", 2 << 20)
    found = listed("/etc/app/key", "/etc/app/a\\040[b]*c", "/data")
    assert found["mounts"] == ["/etc/app/a [b]*c", "/etc/app/key"]
    assert {row["path"]: (row["size"], row["sha256"]) for row in found["files"]} == {
        "/etc/motd": (5, hashlib.sha256(b"hello").hexdigest()),
        "/etc/app/a [b]xc": (1, hashlib.sha256(b"y").hexdigest()),
        "/etc/large": (2 << 20, None),
    }
    assert found["is_complete"]
    assert [row["path"] for row in listed("/etc/app")["files"]] == ["/etc/large", "/etc/motd"]


def test_names_that_a_tool_would_print_otherwise_are_said_to_be_left_out(listed: Listing, tmp_path: Path) -> None:
    (tmp_path / "root" / "etc" / "motd").write_bytes(b"hello")
    (tmp_path / "root" / "etc" / "s 1 \n").write_bytes(b"")
    (tmp_path / "root" / "etc" / "back\\slash").write_bytes(b"")
    found = listed()
    assert [row["path"] for row in found["files"]] == ["/etc/motd"]
    assert not found["is_complete"]


@pytest.mark.parametrize("mounted", [True, False])
def test_a_folder_that_is_mounted_or_a_link_is_not_looked_into(listed: Listing, tmp_path: Path, mounted: bool) -> None:
    if not mounted:
        (tmp_path / "root" / "etc" / "app").rmdir()
        (tmp_path / "root" / "etc").rmdir()
        (tmp_path / "root" / "etc").symlink_to("/etc")
    found = listed(*(["/etc"] if mounted else []))
    assert found == {"files": [], "mounts": ["/etc"] if mounted else [], "is_complete": mounted}


def listing(*files: tuple[str, int, str | None], mounts: tuple[str, ...] = (), whole: bool = True) -> dict[str, Any]:
    rows = [{"path": path, "size": size, "sha256": digest} for path, size, digest in files]
    return {"files": rows, "mounts": list(mounts), "is_complete": whole}


def test_what_differs_is_told_by_names_sizes_and_hashes() -> None:
    same = ("/etc/passwd", 9, "c" * 64)
    here = listing(same, ("/etc/motd", 5, "a" * 64), ("/etc/hosts", 1, "a" * 64), ("/etc/own", 1, None))
    there = listing(same, ("/etc/motd", 5, "b" * 64), ("/etc/hosts", 2, "b" * 64))
    rows, said = compared_files(here, there)
    assert rows == [
        {"what": "/etc/motd", "here": f"5 bytes, sha256 {'a' * 12}", "there": f"5 bytes, sha256 {'b' * 12}"},
        {"what": "/etc/own", "here": "1 bytes", "there": "none"},
    ]
    assert said == "2 files of /etc are in both, 2 of /etc differ"


def test_what_was_not_seen_there_is_not_said_to_be_missing_there() -> None:
    here = listing(("/etc/app/a", 5, "a" * 64), ("/etc/b", 1, None), ("/etc/c", 1, "a" * 64))
    assert compared_files(here, listing(("/etc/b", 1, None), mounts=("/etc/app",), whole=False)) == (
        [],
        "1 files of /etc are in both, 0 of /etc differ, 1 of the same size could not be read, not all could be seen",
    )


def test_of_very_many_differences_the_first_are_told() -> None:
    rows, said = compared_files(listing(*((f"/etc/{'x' * 4000}{n}", 1, None) for n in range(500))), listing())
    assert len(rows) == MAX_TOLD
    assert "500 of /etc differ, the first 20 are told" in said
    assert len(str(rows)) < 5000


def looked(name: str, rc: int | None = 0) -> dict[str, Any]:
    row = {"name": "etc_files", "rc": rc, "timed_out": False, "stderr": "the debug image lacks find", "dest_sha256": ""}
    place = {"namespace": "shop", "pod": name, "pod_uid": f"uid-{name}", "node": "node-1", "container": "app"}
    return {**place, "container_id": None, "commands": [] if rc is None else [row]}


@pytest.mark.parametrize(
    ("bad", "good", "said"),
    [
        (looked("bad"), looked("good"), "2 files of /etc are in both, 1 of /etc differ"),
        (looked("bad"), None, "files of /etc were not compared: good was not to be looked into"),
        (looked("bad", None), looked("good"), "files of /etc were not compared: here the command did not run"),
        (looked("bad"), looked("good", 127), "files of /etc were not compared: the command ended with 127: the debug"),
    ],
)
def test_only_pods_that_were_to_be_looked_into_are_compared(
    bad: dict[str, Any], good: dict[str, Any] | None, said: str
) -> None:
    api = {"api": "", "file": None, "timeout": 60, "parser": "text"}
    collectors = [
        {**api, "name": "etc_files", "api": None, "parser": "file_hashes"},
        {**api, "name": "pod", "api": "pod"},
        {**api, "name": "siblings", "api": "siblings"},
    ]
    # the one that has stood longest was not looked into
    pods = [{**row, "metadata": {**row["metadata"], "namespace": "shop"}} for row in (pod("bad"), pod("good"))]
    pods[0]["status"]["conditions"][0]["status"] = "False"
    if good is not None and bad["commands"]:
        older = pod("older")
        older["metadata"]["creationTimestamp"] = "2026-11-20T10:00:00Z"
        pods.append(older)
    collected = {
        "collectors": collectors,
        "targets": [row for row in (bad, good) if row],
        "failed_targets": [],
        "api": [{"api": "pod", "namespace": "shop", "name": None, "objects": pods, "error": None}],
        "looked": "2026-11-24T11:00:00Z",
        "ended": "2026-11-24T11:00:00Z",
    }
    files = {
        "bad": b"s 5 /proc/7/root/etc/motd\ns 1 /proc/7/root/etc/a\n",
        "good": b"s 6 /proc/9/root/etc/motd\ns 1 /proc/9/root/etc/a\n",
    }
    known = gather_facts(collected, bad, lambda path: files[path.split("/")[1]] + b"h " + b"a" * 64 + b"  /etc/a\n")
    assert known.facts["comparison"]["pod"] == "good"
    assert known.facts["comparison"]["files"].startswith(said)
    content = yaml.safe_load((ROLES / "pod_triage" / "analyzers" / "pod.yml").read_text(encoding="utf-8"))
    (alone,) = parse_analyzers({"pod.yml": {"analyzers": content["analyzers"]}})
    (finding,) = analyze({**known.facts, "role": "pod_triage"}, [alone], {})
    assert said in finding.message
    assert ("/etc/motd 5 bytes and 6 bytes" in finding.message) is said.startswith("2 files")
