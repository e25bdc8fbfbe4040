# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is fetched, what is left out, and how both are told; see local_fetches."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch import pipeline
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.target_things import TARGET


@pytest.fixture(params=sorted(SHELLS))
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    assert made.no_temporary_is_left()


def test_a_file_comes_home_with_its_proof(world: World) -> None:
    content = os.urandom(300_000)
    os.utime(world.write("/var/log/app.log", content), ns=(1_700_000_000_000_000_001, 1_700_000_000_000_000_002))
    done = world.fetch("/var/log/app.log")
    copy = world.copy / "var/log/app.log"
    assert copy.read_bytes() == content
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert copy.stat().st_mtime_ns == 1_700_000_000_000_000_002
    (row,) = done.files
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert (row["status"], row["dest"], row["resolved"], row["size"], row["type"]) == (
        "fetched",
        str(copy),
        "/var/log/app.log",
        300_000,
        "file",
    )
    assert {key: done.stats[key] for key in done.stats if key != "elapsed"} == {
        "files": 1,
        "bytes": 300_000,
        "transferred_bytes": 300_000,
        "unchanged": 0,
        "changed_while_reading": 0,
        "failed": 0,
        "skipped": 0,
        "codec": "none",
    }
    assert (done.changed, done.failure, done.warnings) == (True, None, [])
    assert done.manifest == str(world.home / "shop/app-0/app.manifest.json")
    kept = world.manifest()["/var/log/app.log"]
    assert (kept["mtime_ns"], kept["atime_ns"]) == ("1700000000000000002", "1700000000000000001")


def test_the_second_run_moves_nothing_and_repairs_what_was_damaged(world: World) -> None:
    world.write("/a/one", b"1" * 1000)
    world.write("/a/two", b"2" * 1000)
    world.link("/a/link", "one")
    (world.root / "a/empty").mkdir()
    assert world.fetch("/a").changed
    again = world.fetch("/a")
    assert (again.changed, again.stats["transferred_bytes"], again.stats["unchanged"], again.stats["files"]) == (
        False,
        0,
        2,
        2,
    )
    assert set(statuses(again).values()) == {("unchanged", None)}
    assert again.diff["before"] == again.diff["after"] == ""
    (world.copy / "a/two").write_bytes(b"3" * 1000)
    repaired = world.fetch("/a")
    assert (repaired.changed, repaired.stats["transferred_bytes"], repaired.stats["unchanged"]) == (True, 1000, 1)
    assert (world.copy / "a/two").read_bytes() == b"2" * 1000
    digest = hashlib.sha256(b"2" * 1000).hexdigest()
    assert (repaired.diff["before"], repaired.diff["after"]) == ("no such copy  /a/two\n", f"{digest}  /a/two\n")


@pytest.mark.parametrize("other", ["/a/c", "/a/d/../c", "/a"])
def test_one_thing_by_two_spellings_comes_once(world: World, other: str) -> None:
    for folder in ("b", "d", "c"):
        (world.root / "a" / folder).mkdir(parents=True)
    world.write("/a/c/file")
    done = world.fetch("/a/b/../c", other)
    assert done.failure is None
    assert [(row["dest"], row["status"]) for row in done.files] == [(str(world.copy / "a/c/file"), "fetched")]
    assert (done.stats["files"], done.stats["transferred_bytes"]) == (1, 5)


def test_without_checksums_size_and_time_decide(world: World) -> None:
    world.write("/a", b"before")
    first = world.fetch("/a", checksum=False)
    # what was read is hashed here in any case
    assert first.files[0]["sha256"] == hashlib.sha256(b"before").hexdigest()
    again = world.fetch("/a", checksum=False)
    assert (again.changed, again.stats["transferred_bytes"]) == (False, 0)
    assert (again.diff["before"], again.diff["after"]) == ("", "")
    assert world.manifest()["/a"]["sha256"] == first.files[0]["sha256"]
    world.write("/a", b"behind")
    assert world.fetch("/a", checksum=False).stats["transferred_bytes"] == 6


def test_a_directory_is_taken_whole_links_kept_special_files_recorded(world: World) -> None:
    world.write("/app/conf/app.yaml")
    world.write("/app/.hidden", b"")
    (world.root / "app/empty").mkdir()
    world.link("/app/inside", "conf/app.yaml")
    world.link("/app/outside", "../../../../etc/passwd")
    world.link("/app/absolute", "/app/conf")
    os.mkfifo(world.root / "app/fifo")
    done = world.fetch("/app")
    assert statuses(done) == {
        "/app/.hidden": ("fetched", None),
        "/app/conf/app.yaml": ("fetched", None),
        "/app/inside": ("fetched", None),
        "/app/absolute": ("skipped", "LinkLeadsOutOfDest"),
        "/app/outside": ("skipped", "LinkLeadsOutOfDest"),
        "/app/fifo": ("skipped", "SpecialFile"),
    }
    assert done.failure is None
    assert (world.copy / "app/inside").readlink() == Path("conf/app.yaml")
    assert (world.copy / "app/empty").is_dir()
    manifest = world.manifest()
    assert set(manifest) == {*statuses(done), "/app", "/app/conf", "/app/empty"}
    assert manifest["/app/outside"]["link"] == "../../../../etc/passwd"
    assert {path.name for path in (world.copy / "app").iterdir()} == {".hidden", "conf", "empty", "inside"}


def test_an_absolute_link_leads_within_the_target_and_lands_as_asked(world: World) -> None:
    world.write("/data/secretly/passwd", b"the target's own")
    world.link("/etc/passwd", "/data/secretly/passwd")
    done = world.fetch("/etc/passwd")
    assert (world.copy / "etc/passwd").read_bytes() == b"the target's own"
    assert not (world.copy / "etc/passwd").is_symlink()
    assert (done.files[0]["src"], done.files[0]["resolved"], done.files[0]["type"]) == (
        "/etc/passwd",
        "/data/secretly/passwd",
        "file",
    )


def test_a_link_to_a_directory_is_brought_whole_under_the_asked_path(world: World) -> None:
    world.write("/data/logs/2024/app.log")
    world.link("/logs", "/data/logs")
    done = world.fetch("/logs")
    assert (world.copy / "logs/2024/app.log").read_bytes() == b"hello"
    assert done.files[0]["src"] == "/logs/2024/app.log"
    assert done.files[0]["resolved"] == "/data/logs/2024/app.log"
    assert set(world.manifest()) == {"/logs", "/logs/2024", "/logs/2024/app.log"}


def test_globs_bring_what_they_match_and_one_that_matches_nothing_is_a_warning(world: World) -> None:
    for name in ("a.log", "b.log", "c.txt", "deep/er/d.log"):
        world.write(f"/var/{name}")
    done = world.fetch("/var/**/*.log", "/var/*.conf")
    assert set(statuses(done)) == {"/var/a.log", "/var/b.log", "/var/deep/er/d.log"}
    assert len(done.warnings) == 1
    assert "/var/*.conf" in done.warnings[0]
    assert done.failure is None


def test_a_plain_path_that_is_missing_fails_the_task_after_the_rest(world: World) -> None:
    world.write("/here")
    world.link("/dangling", "nowhere")
    world.link("/loop", "loop")
    done = world.fetch("/missing", "/here", "/dangling", "/loop", "/here/below")
    assert done.failure is not None
    assert done.failure.reason == "InvalidRequest"
    assert statuses(done) == {
        "/missing": ("failed", "Missing"),
        "/dangling": ("failed", "Missing"),
        "/loop": ("failed", "Loop"),
        "/here/below": ("failed", "NotADirectory"),
        "/here": ("fetched", None),
    }
    assert [row["status"] for row in done.files[:4]] == ["failed"] * 4
    assert (world.copy / "here").read_bytes() == b"hello"
    assert world.manifest()["/missing"]["type"] is None


def test_rules_keep_out_without_a_failure(world: World) -> None:
    world.write("/run/secrets/token")
    world.write("/mnt/tls/key")
    world.write("/proc/1/environ")
    world.write("/data/big", b"x" * 100)
    world.write("/data/x.gz")
    world.link("/data/way", "/mnt/tls/key")
    plain = world.fetch(
        "/run/secrets/token",
        "/data/way",
        "/proc/1/environ",
        "/data/big",
        "/data/x.gz",
        secrets=(b"/mnt/tls",),
        exclude=(b"*.gz",),
        max_size=50,
    )
    assert plain.failure is None
    assert statuses(plain) == {
        "/run/secrets/token": ("skipped", "Secret"),
        "/data/way": ("skipped", "Secret"),
        "/proc/1/environ": ("skipped", "KernelFilesystem"),
        "/data/big": ("skipped", "MaxSize"),
        "/data/x.gz": ("skipped", "Excluded"),
    }
    assert all(row["sha256"] is None for row in plain.skipped_files)
    whole = world.fetch("/", secrets=(b"/mnt/tls",))
    assert statuses(whole)["/mnt/tls/key"] == ("skipped", "Secret")
    assert statuses(whole)["/proc"] == ("skipped", "KernelFilesystem")
    assert not [src for src in statuses(whole) if src.startswith("/proc/")]
    assert not (world.copy / "mnt/tls/key").exists()
    assert not (world.copy / "proc").exists()
    asked = world.fetch("/mnt/tls/key", secrets=(b"/mnt/tls",), include_secrets=True)
    assert statuses(asked) == {"/mnt/tls/key": ("fetched", None)}


def test_oversize_decides_what_becomes_of_a_file_over_the_limit(world: World) -> None:
    world.write("/log", b"0123456789")
    failed = world.fetch("/log", max_size=4, oversize="fail")
    assert failed.failure is not None
    assert failed.failure.reason == "LimitExceeded"
    world.fetch("/log", max_size=4, oversize="tail")
    assert (world.copy / "log").read_bytes() == b"6789"
    again = world.fetch("/log", max_size=4, oversize="tail")
    assert (again.changed, again.files[0]["offset"], again.files[0]["length"], again.files[0]["size"]) == (
        False,
        6,
        4,
        10,
    )
    world.fetch("/log", max_size=4, oversize="head")
    assert (world.copy / "log").read_bytes() == b"0123"


def test_limits_in_number_leave_out_the_rest(world: World) -> None:
    for number in range(5):
        world.write(f"/many/{number}")
    done = world.fetch("/many", max_files=3)
    assert (done.stats["files"], done.stats["skipped"]) == (3, 2)
    assert {row["reason"] for row in done.skipped_files} == {"MaxFiles"}


def test_a_deadline_that_has_passed_brings_nothing_and_says_so(world: World) -> None:
    world.write("/a")
    done = world.fetch("/a", until=time.monotonic())
    assert statuses(done) == {"/a": ("skipped", "Deadline")}
    assert done.failure is None


@pytest.mark.parametrize(
    "name",
    [b"new\nline", b"\n", b"-n", b" a b ", b"quo'te\"s", b"back\\slash", b"\xff\xfe", b"$HOME `id`", b"*", b"x" * 255],
)
def test_odd_names_round_trip(world: World, name: bytes) -> None:
    world.write(b"/dir/" + name, b"content of " + name)
    done = world.fetch("/dir")
    assert done.failure is None
    copies = {os.fsencode(path.name): path.read_bytes() for path in (world.copy / "dir").iterdir()}
    assert copies == {name: b"content of " + name}
    assert world.fetch("/dir").changed is False
    assert world.fetch(exact=(b"/dir/" + name,)).stats["unchanged"] == 1


def test_check_mode_lists_and_writes_nothing(world: World) -> None:
    world.write("/a/one")
    world.link("/a/link", "one")
    done = world.fetch("/a", is_check=True)
    assert done.changed
    assert statuses(done) == {"/a/one": ("fetched", None), "/a/link": ("fetched", None)}
    assert done.diff["after"] == "not read yet  /a/one\n"
    assert done.stats["transferred_bytes"] == len(b"hello")
    # of a file over the limit only its end would come
    cut = world.fetch("/a/one", is_check=True, max_size=2, oversize="tail")
    assert cut.stats["transferred_bytes"] == cut.stats["bytes"] == 2
    assert not world.home.exists()
    world.fetch("/a")
    before = (world.home / "shop/app-0/app.manifest.json").read_bytes()
    assert world.fetch("/a", is_check=True).changed is False
    world.write("/a/two")
    assert world.fetch("/a", is_check=True).changed
    assert (world.home / "shop/app-0/app.manifest.json").read_bytes() == before


def test_gone_files_are_reported_and_their_copies_stay(world: World) -> None:
    gone = world.write("/a/gone")
    world.write("/a/stays")
    world.write("/b/other")
    world.fetch("/a", "/b")
    gone.unlink()
    done = world.fetch("/a")
    assert "/a/gone" in done.diff["before"]
    assert done.diff["after"] == ""
    assert any("/a/gone" in warning for warning in done.warnings)
    assert not any("/b/other" in warning for warning in done.warnings)
    assert (world.copy / "a/gone").read_bytes() == b"hello"
    assert world.manifest()["/a/gone"]["gone"] is True
    assert done.changed is False


def test_a_flat_dest_drops_the_prefix_and_keeps_the_path(world: World) -> None:
    world.write("/etc/app.conf")
    world.write("/.manifest.json", b"not ours")
    done = world.fetch("/etc/app.conf", "/.manifest.json", flat=True)
    assert (world.home / "etc/app.conf").read_bytes() == b"hello"
    assert json.loads((world.home / ".manifest.json").read_bytes())["schema"] == 1
    assert statuses(done)["/.manifest.json"] == ("failed", "DestConflict")
    assert done.failure is not None
    assert done.failure.reason == "DestConflict"


def test_a_dest_of_another_pod_is_a_conflict_and_nothing_is_written(world: World) -> None:
    world.write("/a")
    world.fetch("/a")
    world.write("/b")
    other = {**TARGET, "pod_uid": "another"}
    with pytest.raises(Failure, match="pod_uid") as caught:
        world.fetch("/b", target=other)
    assert caught.value.reason == "DestConflict"
    assert not (world.copy / "b").exists()
    assert world.fetch("/b", target=other, overwrite=True).failure is None


def test_what_stands_in_the_way_at_home_is_listed_and_the_rest_comes(world: World) -> None:
    world.write("/a/file")
    world.write("/a/other")
    (world.copy / "a/file/inner").mkdir(parents=True)
    done = world.fetch("/a")
    assert statuses(done) == {"/a/file": ("failed", "DestConflict"), "/a/other": ("fetched", None)}
    assert done.failure is None


def test_a_planted_link_at_home_is_not_followed(world: World, tmp_path: Path) -> None:
    world.write("/a/b/file")
    (tmp_path / "outside").mkdir()
    (world.copy / "a").mkdir(parents=True)
    (world.copy / "a/b").symlink_to(tmp_path / "outside")
    done = world.fetch("/a")
    assert statuses(done)["/a/b/file"] == ("failed", "DestConflict")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("src", ["relative", "", "~/x"])
def test_a_path_that_is_not_absolute_is_refused_before_anything(world: World, src: str) -> None:
    with pytest.raises(Failure) as caught:
        world.fetch(src)
    assert caught.value.reason == "InvalidRequest"
    assert not world.home.exists()


def test_many_files_come_in_one_session(world: World) -> None:
    for number in range(1000):
        world.write(f"/many/{number % 10}/{number}", b"%d" % number * 20)
    done = world.fetch("/many")
    assert done.stats["files"] == 1000
    assert len(done.files) == 200
    assert len(world.sessions) == 1
    assert all(
        (world.copy / f"many/{number % 10}/{number}").read_bytes() == b"%d" % number * 20 for number in range(1000)
    )
    assert world.fetch("/many").stats["transferred_bytes"] == 0


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_compression_changes_what_comes_on_the_wire_and_nothing_here(world: World, compress: str) -> None:
    log = b"a line of a log\n" * 20_000
    world.write("/log", log)
    world.write("/noise", os.urandom(100_000))
    for number in range(100):
        world.write(f"/conf/{number}", b"key: value\n" * 100)
    done = world.fetch("/log", "/noise", "/conf", compress=compress)
    if compress == "zstd" and not shutil.which("zstd", path=SHELLS[world.shell].env["PATH"]):
        assert done.failure is not None
        assert done.failure.reason == "ImageLacksTool"
        assert set(statuses(done).values()) == {("failed", "ImageLacksTool")}
        return
    assert done.failure is None
    assert (done.stats["codec"], done.stats["files"]) == (compress, 102)
    assert (world.copy / "log").read_bytes() == log
    assert done.stats["bytes"] == 530_000
    assert done.stats["transferred_bytes"] < 130_000
    assert world.fetch("/log", "/noise", "/conf", compress=compress).stats["unchanged"] == 102


@pytest.mark.parametrize("compress", ["gzip", "none"])
def test_how_far_it_is_counts_the_files_bytes_and_not_the_wires(
    world: World, compress: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int, int, int]] = []
    monkeypatch.setattr(pipeline.PROGRESS, "moved", lambda _label, *counts: told.append(counts))
    world.write("/a.log", b"the same line again\n" * 50_000)
    world.write("/b.log", b"and another one\n" * 50_000)
    world.fetch("/a.log", "/b.log", compress=compress)
    assert told == sorted(told)
    assert {(total, files) for _done, total, _files_done, files in told} == {(1_800_000, 2)}
    assert told[-1] == (1_800_000, 1_800_000, 1, 2)


@pytest.mark.parametrize("compress", ["none", "gzip", "auto"])
def test_a_file_with_holes_has_them_here_too(world: World, compress: str) -> None:
    size = 12_345_678
    file = world.write("/db", b"")
    with file.open("r+b") as target:
        target.write(b"head")
        target.seek(5_000_001)
        target.write(b"middle" + bytes(20_000) + b"not a hole of its own")
        target.truncate(size)
    assert file.stat().st_blocks * 512 < size // 10
    done = world.fetch("/db", compress=compress)
    copy = world.copy / "db"
    assert (done.failure, copy.read_bytes()) == (None, file.read_bytes())
    assert copy.stat().st_blocks * 512 < size // 10
    # zeros are hardly anything on the wire where a tool takes them out
    assert (done.stats["transferred_bytes"] < size // 10) is (compress != "none")
    assert world.fetch("/db", compress=compress).stats["unchanged"] == 1


def test_a_file_that_ends_in_a_hole_or_is_nothing_else_has_its_length(world: World) -> None:
    for name, size in (("nothing", 1_000_000), ("odd", 999_999)):
        os.truncate(world.write(f"/{name}", b""), size)
    done = world.fetch("/nothing", "/odd")
    assert done.failure is None
    assert ((world.copy / "nothing").read_bytes(), (world.copy / "odd").read_bytes()) == (
        bytes(1_000_000),
        bytes(999_999),
    )
    assert (world.copy / "nothing").stat().st_blocks == 0


def test_zeros_of_a_file_without_holes_take_their_room(world: World) -> None:
    world.write("/zeros", bytes(1_000_000))
    world.fetch("/zeros")
    assert (world.copy / "zeros").stat().st_blocks * 512 >= 1_000_000


def test_a_directory_in_the_manifests_place_is_left_out_with_all_that_is_in_it(world: World) -> None:
    world.write("/.manifest.json/deep/x")
    world.write("/etc/app.conf")
    done = world.fetch("/", flat=True)
    assert json.loads((world.home / ".manifest.json").read_bytes())["schema"] == 1
    assert (world.home / "etc/app.conf").read_bytes() == b"hello"
    for src in ("/.manifest.json", "/.manifest.json/deep", "/.manifest.json/deep/x"):
        assert statuses(done)[src] == ("failed", "DestConflict")
    assert done.failure is None
