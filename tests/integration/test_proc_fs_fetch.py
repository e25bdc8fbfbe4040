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
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.support.schemas import differences, schema, undescribed

from .conftest import Kubectl, Play, Played, facts, pod_manifest
from .patience import PATIENCE

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
    assert played["stats"]["bytes"] == sum(row["size"] for row in played["files"]) > 4 << 20
    # on a line that is busy just then, what shrinks is compressed
    assert 4 << 20 < played["stats"]["transferred_bytes"] <= played["stats"]["bytes"]


def test_an_absolute_link_brings_the_apps_own_file(kubectl: Kubectl, call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/etc/app/release"], dest=str(home))
    row = rows(played)["/etc/app/release"]
    assert row["resolved"] == "/etc/os-release"
    assert digest(Path(row["dest"])) == kubectl.hashes(app, "/etc/os-release")["/etc/os-release"]
    debuggers_own = kubectl.text(
        "exec", app, "-c", played.target["debugger"], "--", "sha256sum", "/etc/os-release"
    ).split()[0]
    assert row["sha256"] != debuggers_own


def test_a_second_run_moves_nothing_and_a_damaged_copy_is_repaired(call: Play, app: str, home: Path) -> None:
    first = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    second = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
    assert (second["changed"], second["stats"]["transferred_bytes"]) == (False, 0)
    assert second["stats"]["unchanged"] == first["stats"]["files"]
    damaged = Path(rows(second)["/data/app.log"]["dest"])
    size = damaged.stat().st_size
    damaged.write_bytes(b"x" * size)
    third = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home), compress="none")
    assert (third["changed"], third["stats"]["transferred_bytes"]) == (True, size)
    assert digest(damaged) == rows(first)["/data/app.log"]["sha256"]


def test_what_the_times_tell_unchanged_is_not_read_again(call: Play, app: str, home: Path) -> None:
    def look() -> Played:
        return call("proc_fs_fetch", pod=app, src=["/etc/os-release", BLOB], dest=str(home), compare="stat")

    last = time.monotonic() + PATIENCE
    first = look()
    # until both were older than two seconds when they were read
    while not all(row.get("local") for row in json.loads(Path(first["manifests"][0]).read_text())["files"]):
        assert time.monotonic() < last, first["files"]
        first = look()
    second = look()
    assert (second["changed"], second["stats"]["transferred_bytes"], second["stats"]["unchanged"]) == (False, 0, 2)
    assert [row.get("verified") for row in second["files"]] == [False, False]
    # what it says of them is true
    assert all(digest(Path(row["dest"])) == row["sha256"] for row in second["files"])


def test_a_directory_is_taken_whole_whatever_its_names(kubectl: Kubectl, call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home))
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
    again = call("proc_fs_fetch", pod=app, src_b64=[odd["src_b64"]], dest=str(home))
    assert again["stats"]["unchanged"] == 1


@pytest.mark.parametrize(("image", "codec"), [("busybox:1.37", "gzip"), ("incident.test/debug-dash:1", "zstd")])
def test_what_is_compressed_on_its_way_is_the_same_here(
    kubectl: Kubectl, call: Play, app: str, home: Path, image: str, codec: str
) -> None:
    debug = {"image": image, "image_pull_policy": "Never"}
    played = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home), compress=codec, debug=debug)
    assert not played.result.get("failed"), played["msg"]
    assert played["stats"]["codec"] == codec
    # the log shrinks, the random bytes do not
    assert played["stats"]["transferred_bytes"] < played["stats"]["bytes"] - 50_000
    folder = home / kubectl.namespace / app / "app"
    for path, truth in kubectl.hashes(app, BLOB, "/data/app.log").items():
        assert digest(folder / path.lstrip("/")) == truth == rows(played)[path]["sha256"]


def test_a_codec_that_the_debug_image_has_not_is_said(call: Play, app: str, home: Path) -> None:
    debug = {"image": "busybox:1.37", "image_pull_policy": "Never"}
    played = call("proc_fs_fetch", pod=app, src=[BLOB], dest=str(home), compress="zstd", debug=debug)
    # which side is asked first depends on what this host has
    assert played["reason"] in ("ImageLacksTool", "InvalidRequest")
    assert "zstd" in played["msg"]
    assert not Path(home / BLOB).exists()


def test_globs_are_the_targets_own(call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/da*/[ab]*.log", "/**/notes.*", "/none/*"], dest=str(home))
    assert set(rows(played)) == {"/data/app.log", "/data/private/notes.txt"}
    assert "/none/* matches nothing" in played.printed


def test_a_plain_path_that_is_missing_fails_after_the_rest_was_fetched(call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/nothing/here", "/data/app.log"], dest=str(home))
    assert played["failed"]
    assert rows(played)["/nothing/here"]["reason"] == "Missing"
    assert Path(rows(played)["/data/app.log"]["dest"]).is_file()
    assert len(played["manifests"]) == 1


def test_secrets_stay_where_they_are_unless_asked_for(call: Play, app: str, home: Path) -> None:
    asked = ["/opt/keys", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/data/app.log"]
    played = call("proc_fs_fetch", pod=app, src=asked, dest=str(home))
    assert not played.result.get("failed"), played["msg"]
    assert {row["src"] for row in played["files"]} == {"/data/app.log"}
    assert {row["reason"] for row in played["skipped_files"]} == {"Secret"}
    assert not any(row["sha256"] for row in played["skipped_files"])
    assert b"hunter2" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    included = call("proc_fs_fetch", pod=app, src=["/opt/keys/key"], dest=str(home), include_secrets=True)
    assert Path(rows(included)["/opt/keys/key"]["dest"]).read_bytes() == b"hunter2"


def test_a_secret_stays_whatever_way_leads_to_it_and_a_pods_shared_memory_is_data(
    kubectl: Kubectl, call: Play, home: Path
) -> None:
    """What an injector keeps in memory, and a secret's own folder on the node, which the pod sees by a hostPath."""
    # where the embedded cluster's kubelet has what other nodes have in /var/lib/kubelet
    node = "/run/cluster/kubelet/pods" if facts().get("CLUSTER") == "embedded" else "/var/lib/kubelet/pods"
    write = "echo hunter2 >/vault/secrets/token; echo rows >/dev/shm/rows; trap : TERM; sleep 100000 & wait"
    volumes: dict[str, Any] = {
        "keys": {"secret": {"secretName": "injected"}},
        "home-secrets": {"emptyDir": {"medium": "Memory"}},
        "shared": {"emptyDir": {"medium": "Memory"}},
        "node": {"hostPath": {"path": node}},
    }
    places = {"keys": "/keys", "home-secrets": "/vault/secrets", "shared": "/dev/shm", "node": "/node"}
    kubectl.run("create", "secret", "generic", "injected", "--from-literal=key=hunter2")
    kubectl.apply(
        pod_manifest(
            "injected",
            "busybox:1.37",
            container={
                "command": ["sh", "-c", write],
                "volumeMounts": [{"name": name, "mountPath": path} for name, path in places.items()],
                "readinessProbe": {"exec": {"command": ["test", "-s", "/dev/shm/rows"]}, "periodSeconds": 1},
            },
            volumes=[{"name": name, **volume} for name, volume in volumes.items()],
        )
    )
    uid = kubectl.wait_until_running("injected")["metadata"]["uid"]
    other_way = f"/node/{uid}/volumes/kubernetes.io~secret/keys/key"
    assert kubectl.text("exec", "injected", "--", "cat", other_way) == "hunter2"
    asked = [other_way, "/keys/key", "/vault/secrets", "/dev/shm/rows"]
    played = call("proc_fs_fetch", pod="injected", src=asked, dest=str(home))
    assert not played.result.get("failed"), played["msg"]
    assert [row["src"] for row in played["files"] if row["type"] == "file"] == ["/dev/shm/rows"]
    assert {row["reason"] for row in played["skipped_files"]} == {"Secret"}
    assert b"hunter2" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_check_mode_lists_and_writes_nothing(kubectl: Kubectl, play: Play, app: str, home: Path) -> None:
    play("ephemeral_debug", pod=app)
    played = play("proc_fs_fetch", pod=app, src=["/data/app.log"], dest=str(home), check=True, diff=True)
    assert (played["changed"], rows(played)["/data/app.log"]["status"]) == (True, "fetched")
    assert "/data/app.log" in played["diff"][0]["after"]
    size = rows(played)["/data/app.log"]["size"]
    assert (played["stats"]["transferred_bytes"], size > 0) == (size, True)
    assert not home.exists()


def test_check_mode_without_a_debugger_says_that_listing_needs_it(kubectl: Kubectl, call: Play, home: Path) -> None:
    kubectl.apply(pod_manifest("untouched", "incident.test/app:nonroot"))
    kubectl.wait_until_running("untouched")
    played = call("proc_fs_fetch", pod="untouched", src=["/data/app.log"], dest=str(home), check=True)
    assert (played["changed"], played["files"]) == (True, [])
    assert "needs the debugger" in played["msg"]
    assert kubectl.debuggers("untouched") == []


def test_a_debugger_that_the_task_injected_can_end_with_it(kubectl: Kubectl, call: Play, home: Path) -> None:
    kubectl.apply(pod_manifest("brief", "incident.test/app:nonroot"))
    kubectl.wait_until_running("brief")
    call("proc_fs_fetch", pod="brief", src=["/data/app.log"], dest=str(home), keep_debugger=False)
    name = kubectl.debuggers("brief")[0]["name"]
    ended = f"jsonpath={{.status.ephemeralContainerStatuses[?(@.name=='{name}')].state.terminated}}"
    kubectl.run("wait", "pod/brief", f"--for={ended}", f"--timeout={PATIENCE}s")


def test_a_dest_of_another_pod_is_not_written_over(kubectl: Kubectl, call: Play, home: Path) -> None:
    def fetch(**options: Any) -> Played:
        kubectl.apply(pod_manifest("reborn", "incident.test/app:nonroot"))
        kubectl.wait_until_running("reborn")
        return call("proc_fs_fetch", pod="reborn", src=["/data/app.log"], dest=str(home), **options)

    assert not fetch().result.get("failed")
    kubectl.run("delete", "pod", "reborn")
    again = fetch()
    assert (again["failed"], again["reason"], again["files"]) == (True, "DestConflict", [])
    assert not fetch(overwrite=True).result.get("failed")


def test_the_manifest_names_everything_once_in_order(call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data", "/data/app.log", "/etc/app"], dest=str(home))
    manifest = json.loads(Path(played["manifests"][0]).read_text(encoding="utf-8"))
    assert (manifest["schema"], manifest["target"]["pod_uid"]) == (1, played.target["pod_uid"])
    names = [row["src"] for row in manifest["files"]]
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    assert list(differences(manifest, schema("manifest"))) == []
    assert list(undescribed(manifest, schema("manifest"))) == []
    log = next(row for row in manifest["files"] if row["src"] == "/data/app.log")
    assert log["mtime_ns"].isdigit()
    assert (log["mode"], log["uid"], log["gid"]) == ("0600", 65532, 65532)


def test_flat_drops_the_prefix_and_not_the_path(call: Play, app: str, home: Path) -> None:
    call("proc_fs_fetch", pod=app, src=["/data/app.log"], dest=str(home), flat=True)
    assert (home / "data/app.log").is_file()
    assert (home / ".manifest.json").is_file()


def test_limits_leave_out_and_say_so(call: Play, app: str, home: Path) -> None:
    played = call(
        "proc_fs_fetch", pod=app, src=["/data/app.log", BLOB], dest=str(home), max_size="1M", exclude=["*.yaml"]
    )
    assert (rows(played)[BLOB]["status"], rows(played)[BLOB]["reason"]) == ("skipped", "MaxSize")
    failing = call("proc_fs_fetch", pod=app, src=[BLOB], dest=str(home), max_size="1M", oversize="fail")
    assert failing["reason"] == "LimitExceeded"
    tail = call("proc_fs_fetch", pod=app, src=[BLOB], dest=str(home), max_size="1M", oversize="tail")
    assert Path(rows(tail)[BLOB]["dest"]).stat().st_size == 1 << 20


def test_modes_are_the_users_own_and_never_setuid(call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home), file_mode="0640", directory_mode="0750")
    assert not played.result.get("failed"), played["msg"]
    modes = {
        stat.S_IMODE(path.lstat().st_mode)
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink() and "manifest" not in path.name
    }
    assert modes == {0o640}
    assert stat.S_IMODE((home / played.target["namespace"] / app / "app" / "data").stat().st_mode) == 0o750
    refused = call("proc_fs_fetch", pod=app, src=["/data"], dest=str(home), file_mode="4755")
    assert refused["reason"] == "InvalidRequest", refused["msg"]


def test_a_sparse_file_stays_one_and_its_holes_do_not_travel(
    kubectl: Kubectl, call: Play, app: str, home: Path
) -> None:
    size = 256 << 20
    make = f'cd "$TARGET_ROOT/data" && truncate -s {size} sparse && echo end | dd of=sparse bs=1 seek={size - 5} conv=notrunc'
    made = call("ephemeral_debug", pod=app, commands=[make])
    assert not made.result.get("failed"), made["msg"]
    played = call("proc_fs_fetch", pod=app, src=["/data/sparse"], dest=str(home))
    (row,) = played["files"]
    copy = Path(row["dest"])
    assert (row["size"], copy.stat().st_size) == (size, size)
    assert digest(copy) == row["sha256"] == kubectl.hashes(app, "/data/sparse")["/data/sparse"]
    assert copy.stat().st_blocks * 512 < 4 << 20
    assert played["stats"]["transferred_bytes"] < 4 << 20


def test_many_pods_come_home_side_by_side(kubectl: Kubectl, call: Play, home: Path) -> None:
    names = [f"one-of-many-{number}" for number in range(4)]
    for name in names:
        manifest = pod_manifest(name, "incident.test/app:nonroot")
        manifest["metadata"]["labels"] = {"group": "many"}
        kubectl.apply(manifest)
    kubectl.run("wait", "pod", "-l", "group=many", "--for=condition=Ready", f"--timeout={PATIENCE}s")
    played = call("proc_fs_fetch", label_selectors=["group=many"], src=["/data/app.log"], dest=str(home))
    assert [target["pod"] for target in played["targets"]] == names
    assert {row["pod"] for row in played["files"]} == set(names)
    assert len({row["sha256"] for row in played["files"]}) == 1


def test_nothing_of_ours_is_left_in_the_targets_process_namespace(
    kubectl: Kubectl, call: Play, app: str, home: Path
) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data", "/etc"], dest=str(home))
    debugger = played.target["debugger"]
    listing = kubectl.text("exec", app, "-c", debugger, "--", "ps", "-o", "pid,stat,comm").splitlines()
    left = sorted(line.split()[-1] for line in listing[1:])
    sleeps = [name for name in left if name == "sleep"]
    assert [name for name in left if name not in ("sleep", "ps")] == ["app"]
    assert len(sleeps) == sum(
        "running" in status["state"] for status in kubectl.pod(app)["status"]["ephemeralContainerStatuses"]
    )


def test_links_inside_a_tree_can_be_followed(kubectl: Kubectl, call: Play, app: str, home: Path) -> None:
    played = call("proc_fs_fetch", pod=app, src=["/data", "/etc/app"], dest=str(home), follow=True)
    assert (played.status, played.result.get("failed", False)) == (0, False), played.printed
    found = rows(played)
    truth = kubectl.hashes(app, "/data/app.log", "/etc/os-release")
    for src, leads_to in (
        ("/data/current.log", "/data/app.log"),
        ("/data/latest.log", "/data/app.log"),
        ("/etc/app/release", "/etc/os-release"),
    ):
        assert (found[src]["type"], found[src]["resolved"]) == ("file", leads_to)
        assert digest(Path(found[src]["dest"])) == truth[leads_to] == found[src]["sha256"]
    assert (found["/data/dangling"]["status"], found["/data/dangling"]["reason"]) == ("failed", "Missing")
    again = call("proc_fs_fetch", pod=app, src=["/data", "/etc/app"], dest=str(home), follow=True)
    assert (again["changed"], again["stats"]["transferred_bytes"]) == (False, 0)


def test_a_file_that_is_held_open_though_deleted_comes_home(kubectl: Kubectl, call: Play, home: Path) -> None:
    leaky = {"args": ["run", "--open-deleted", "/data/gone.log", "--fork", "2"]}
    kubectl.apply(pod_manifest("leaky", "incident.test/app:nonroot", container=leaky))
    kubectl.wait_until_running("leaky")
    played = call("proc_fs_fetch", pod="leaky", open_deleted=True, dest=str(home))
    assert (played.status, played.result.get("failed", False)) == (0, False), played.printed
    (row,) = played["files"]
    assert (row["resolved"], row["type"], row["status"]) == ("/data/gone.log (deleted)", "file", "fetched")
    assert row["size"] > 60_000
    assert row["src"].startswith("/proc/1/fd/")
    assert Path(row["dest"]) == home / kubectl.namespace / "leaky" / "app" / row["src"].lstrip("/")
    # the app can hash its own descriptor, by the same link
    assert digest(Path(row["dest"])) == kubectl.hashes("leaky", row["src"])[row["src"]] == row["sha256"]
    again = call("proc_fs_fetch", pod="leaky", src=["/data/empty"], open_deleted=True, dest=str(home))
    assert (again["stats"]["files"], again["stats"]["unchanged"]) == (2, 1)
    # by its path alone it is left out, as all of /proc is
    asked = call("proc_fs_fetch", pod="leaky", src=[row["src"]], dest=str(home))
    assert [(left["src"], left["reason"]) for left in asked["skipped_files"]] == [(row["src"], "KernelFilesystem")]


def test_a_running_debugger_that_cannot_read_is_left_to_whom_it_serves(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    kubectl.apply(pod_manifest("visited", "incident.test/app:nonroot"))
    kubectl.wait_until_running("visited")
    theirs = {"name": "theirs", "identity": "image", "profile": "baseline"}
    call("ephemeral_debug", pod="visited", wait=False, **theirs)
    runs = "--for=jsonpath={.status.ephemeralContainerStatuses[?(@.name=='theirs')].state.running}"
    kubectl.run("wait", "pod/visited", runs, f"--timeout={PATIENCE}s")
    fetched = call("proc_fs_fetch", pod="visited", src=["/data/app.log"], dest=str(tmp_path / "home"))
    assert not fetched.result.get("failed"), fetched["msg"]
    assert fetched.target["debugger"] != "theirs"
    states = {
        status["name"]: status["state"] for status in kubectl.pod("visited")["status"]["ephemeralContainerStatuses"]
    }
    assert "running" in states["theirs"]
