# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""proc_fs_fetch on the real cluster: what came home is compared with what the app itself says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, Played, pod_manifest

BLOB = "/data/blob.bin"


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 with a service account token, a secret and a file of 4 MiB."""
    kubectl.run("create", "secret", "generic", "keys", "--from-literal=key=hunter2")
    manifest = pod_manifest(
        "api",
        "incident.test/app:nonroot",
        container={"volumeMounts": [{"name": "keys", "mountPath": "/opt/keys"}]},
        volumes=[{"name": "keys", "secret": {"secretName": "keys"}}],
    )
    kubectl.apply(manifest)
    kubectl.wait_until_running("api")
    return "api"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def rows(played: Played) -> dict[str, dict[str, Any]]:
    return {row["src"]: row for row in (*played["files"], *played["skipped_files"])}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_one_task_injects_fetches_and_proves(kubectl: Kubectl, play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=[BLOB, "/data/app.log"], dest=str(home))
    assert (played.status, played["changed"]) == (0, True), played.printed
    folder = home / kubectl.namespace / app / "app"
    for path, truth in kubectl.hashes(app, BLOB, "/data/app.log").items():
        assert digest(folder / path.lstrip("/")) == truth == rows(played)[path]["sha256"]
        assert stat.S_IMODE((folder / path.lstrip("/")).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert played["stats"]["transferred_bytes"] == played["stats"]["bytes"] > 4 << 20


def test_an_absolute_link_brings_the_apps_own_file(kubectl: Kubectl, play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/etc/app/release"], dest=str(home))
    row = rows(played)["/etc/app/release"]
    assert row["resolved"] == "/etc/os-release"
    assert digest(Path(row["dest"])) == kubectl.hashes(app, "/etc/os-release")["/etc/os-release"]
    debuggers_own = kubectl.text(
        "exec", app, "-c", played.target["debugger"], "--", "sha256sum", "/etc/os-release"
    ).split()[0]
    assert row["sha256"] != debuggers_own


def test_a_second_run_moves_nothing_and_a_damaged_copy_is_repaired(play: Play, app: str, home: Path) -> None:
    first = play("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    second = play("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    assert (second["changed"], second["stats"]["transferred_bytes"]) == (False, 0)
    assert second["stats"]["unchanged"] == first["stats"]["files"]
    damaged = Path(rows(second)["/data/app.log"]["dest"])
    size = damaged.stat().st_size
    damaged.write_bytes(b"x" * size)
    third = play("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    assert (third["changed"], third["stats"]["transferred_bytes"]) == (True, size)
    assert digest(damaged) == rows(first)["/data/app.log"]["sha256"]


def test_a_directory_is_taken_whole_whatever_its_names(kubectl: Kubectl, play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    assert played.status == 0, played.printed
    assert not played.result.get("failed"), played["msg"]
    found = rows(played)
    assert found["/data/odd 'name'\nwith \"quotes\".txt"]["status"] == "fetched"
    odd = found["/data/latin-\\xe9.txt"]
    assert base64.b64decode(odd["src_b64"]) == b"/data/latin-\xe9.txt"
    assert Path(os.fsdecode(base64.b64decode(odd["dest_b64"]))).is_file()
    folder = home / kubectl.namespace / app / "app/data"
    assert (folder / "latest.log").readlink() == Path("app.log")
    assert not (folder / "pipe").exists()
    assert (found["/data/pipe"]["type"], found["/data/pipe"]["status"]) == ("fifo", "skipped")
    again = play("proc_fs_fetch", pod=app, src_b64=[odd["src_b64"]], dest=str(home))
    assert again["stats"]["unchanged"] == 1


def test_globs_are_the_targets_own(play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/da*/[ab]*.log", "/**/notes.*", "/none/*"], dest=str(home))
    assert set(rows(played)) == {"/data/app.log", "/data/private/notes.txt"}
    assert "/none/* matches nothing" in played.printed


def test_a_plain_path_that_is_missing_fails_after_the_rest_was_fetched(play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/nothing/here", "/data/app.log"], dest=str(home))
    assert played["failed"]
    assert rows(played)["/nothing/here"]["reason"] == "Missing"
    assert Path(rows(played)["/data/app.log"]["dest"]).is_file()
    assert len(played["manifests"]) == 1


def test_secrets_stay_where_they_are_unless_asked_for(play: Play, app: str, home: Path) -> None:
    asked = ["/opt/keys", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/data/app.log"]
    played = play("proc_fs_fetch", pod=app, src=asked, dest=str(home))
    assert not played.result.get("failed"), played["msg"]
    assert {row["src"] for row in played["files"]} == {"/data/app.log"}
    assert {row["reason"] for row in played["skipped_files"]} == {"Secret"}
    assert not any(row["sha256"] for row in played["skipped_files"])
    assert b"hunter2" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    included = play("proc_fs_fetch", pod=app, src=["/opt/keys/key"], dest=str(home), include_secrets=True)
    assert Path(rows(included)["/opt/keys/key"]["dest"]).read_bytes() == b"hunter2"


def test_check_mode_lists_and_writes_nothing(kubectl: Kubectl, play: Play, app: str, home: Path) -> None:
    play("ephemeral_debug", pod=app)
    played = play("proc_fs_fetch", pod=app, src=["/data/app.log"], dest=str(home), check=True, diff=True)
    assert (played["changed"], rows(played)["/data/app.log"]["status"]) == (True, "fetched")
    assert "/data/app.log" in played["diff"][0]["after"]
    assert not home.exists()


def test_check_mode_without_a_debugger_says_that_listing_needs_it(kubectl: Kubectl, play: Play, home: Path) -> None:
    kubectl.apply(pod_manifest("untouched", "incident.test/app:nonroot"))
    kubectl.wait_until_running("untouched")
    played = play("proc_fs_fetch", pod="untouched", src=["/data/app.log"], dest=str(home), check=True)
    assert (played["changed"], played["files"]) == (True, [])
    assert "needs the debugger" in played["msg"]
    assert kubectl.debuggers("untouched") == []


def test_a_debugger_that_the_task_injected_can_end_with_it(kubectl: Kubectl, play: Play, home: Path) -> None:
    kubectl.apply(pod_manifest("brief", "incident.test/app:nonroot"))
    kubectl.wait_until_running("brief")
    play("proc_fs_fetch", pod="brief", src=["/data/app.log"], dest=str(home), keep_debugger=False)
    name = kubectl.debuggers("brief")[0]["name"]
    ended = f"jsonpath={{.status.ephemeralContainerStatuses[?(@.name=='{name}')].state.terminated}}"
    kubectl.run("wait", "pod/brief", f"--for={ended}", "--timeout=30s")


def test_a_dest_of_another_pod_is_not_written_over(kubectl: Kubectl, play: Play, home: Path) -> None:
    def fetch(**options: Any) -> Played:
        kubectl.apply(pod_manifest("reborn", "incident.test/app:nonroot"))
        kubectl.wait_until_running("reborn")
        return play("proc_fs_fetch", pod="reborn", src=["/data/app.log"], dest=str(home), **options)

    assert not fetch().result.get("failed")
    kubectl.run("delete", "pod", "reborn")
    again = fetch()
    assert (again["failed"], again["reason"], again["files"]) == (True, "DestConflict", [])
    assert not fetch(overwrite=True).result.get("failed")


def test_the_manifest_names_everything_once_in_order(play: Play, app: str, home: Path) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/data", "/data/app.log", "/etc/app"], dest=str(home))
    manifest = json.loads(Path(played["manifests"][0]).read_text(encoding="utf-8"))
    assert (manifest["schema"], manifest["target"]["pod_uid"]) == (1, played.target["pod_uid"])
    names = [row["src"] for row in manifest["files"]]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    log = next(row for row in manifest["files"] if row["src"] == "/data/app.log")
    assert log["mtime_ns"].isdigit()
    assert (log["mode"], log["uid"], log["gid"]) == ("0600", 65532, 65532)


def test_flat_drops_the_prefix_and_not_the_path(play: Play, app: str, home: Path) -> None:
    play("proc_fs_fetch", pod=app, src=["/data/app.log"], dest=str(home), flat=True)
    assert (home / "data/app.log").is_file()
    assert (home / ".manifest.json").is_file()


def test_limits_leave_out_and_say_so(play: Play, app: str, home: Path) -> None:
    played = play(
        "proc_fs_fetch", pod=app, src=["/data/app.log", BLOB], dest=str(home), max_size="1M", exclude=["*.yaml"]
    )
    assert (rows(played)[BLOB]["status"], rows(played)[BLOB]["reason"]) == ("skipped", "MaxSize")
    failing = play("proc_fs_fetch", pod=app, src=[BLOB], dest=str(home), max_size="1M", oversize="fail")
    assert failing["reason"] == "LimitExceeded"
    tail = play("proc_fs_fetch", pod=app, src=[BLOB], dest=str(home), max_size="1M", oversize="tail")
    assert Path(rows(tail)[BLOB]["dest"]).stat().st_size == 1 << 20


def test_many_pods_come_home_side_by_side(kubectl: Kubectl, play: Play, home: Path) -> None:
    names = [f"one-of-many-{number}" for number in range(4)]
    for name in names:
        manifest = pod_manifest(name, "incident.test/app:nonroot")
        manifest["metadata"]["labels"] = {"group": "many"}
        kubectl.apply(manifest)
    kubectl.run("wait", "pod", "-l", "group=many", "--for=condition=Ready", "--timeout=90s")
    played = play("proc_fs_fetch", label_selectors=["group=many"], src=["/data/app.log"], dest=str(home))
    assert [target["pod"] for target in played["targets"]] == names
    assert {row["pod"] for row in played["files"]} == set(names)
    assert len({row["sha256"] for row in played["files"]}) == 1


def test_nothing_of_ours_is_left_in_the_targets_process_namespace(
    kubectl: Kubectl, play: Play, app: str, home: Path
) -> None:
    played = play("proc_fs_fetch", pod=app, src=["/data", "/etc"], dest=str(home))
    debugger = played.target["debugger"]
    listing = kubectl.text("exec", app, "-c", debugger, "--", "ps", "-o", "pid,stat,comm").splitlines()
    left = sorted(line.split()[-1] for line in listing[1:])
    sleeps = [name for name in left if name == "sleep"]
    assert [name for name in left if name not in ("sleep", "ps")] == ["app"]
    assert len(sleeps) == sum(
        "running" in status["state"] for status in kubectl.pod(app)["status"]["ephemeralContainerStatuses"]
    )
