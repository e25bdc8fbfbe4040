# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row, in_results, split_rows
from ansible_collections.incident.distroless.plugins.module_utils._fetch.manifest import (
    Changes,
    files_place,
    find_earlier,
    manifest_place,
    merge,
    write_manifest,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest
from ansible_collections.incident.distroless.tests.unit.support.target_things import TARGET, entry, link
from hypothesis import given
from hypothesis import strategies as st

PLACE = manifest_place(TARGET, is_flat=False)
SHA = "ab" * 32


@pytest.fixture
def dest(tmp_path: Path) -> Iterator[Dest]:
    with Dest(str(tmp_path)) as opened:
        yield opened


def row(src: bytes, **changes: Any) -> Row:
    fields: dict[str, Any] = {
        "resolved": src,
        "dest": b"/home" + src,
        "entry": entry(src),
        "status": "fetched",
        "sha256": SHA,
    }
    return Row(src=src, **{**fields, **changes})


def written(
    dest: Dest,
    rows: Sequence[Row],
    is_covered: Callable[[bytes], bool] = lambda _path: True,
    target: dict[str, str] | None = None,
) -> tuple[dict[str, Any], Changes]:
    """The manifest after a run with these rows, and what it noted as changed."""
    changes, target = Changes(), target or TARGET
    ordered = sorted(rows, key=lambda row: row.order)
    with Dest(dest.path.decode()) as run:
        earlier = find_earlier(run, PLACE, target, overwrite=True)
        write_manifest(run, PLACE, target, merge(ordered, earlier.rows() if earlier else (), is_covered, changes))
    return json.loads(Path(dest.full(PLACE).decode()).read_text(encoding="ascii")), changes


def test_a_target_s_files_and_manifest_have_their_places() -> None:
    assert files_place(TARGET, is_flat=False) == (b"shop", b"app-0", b"app")
    assert manifest_place(TARGET, is_flat=False) == (b"shop", b"app-0", b"app.manifest.json")
    assert files_place(TARGET, is_flat=True) == ()
    assert manifest_place(TARGET, is_flat=True) == (b".manifest.json",)


def test_a_manifest_says_what_is_known_of_each_thing_sorted_by_src(dest: Dest) -> None:
    rows = [
        row(b"/b", atime_moved=True),
        row(b"/a", entry=link(b"/a", b"b"), sha256=None),
        row(b"/c", entry=None, resolved=None, dest=None, sha256=None, status="failed", reason="Missing"),
    ]
    manifest, _changes = written(dest, rows)
    assert manifest["schema"] == 1
    assert manifest["target"] == TARGET
    assert [found["src"] for found in manifest["files"]] == ["/a", "/b", "/c"]
    assert manifest["files"][0]["link"] == "b"
    assert manifest["files"][1] == {
        "src": "/b",
        "resolved": "/b",
        "dest": "/home/b",
        "type": "file",
        "size": 5,
        "sha256": SHA,
        "mode": "0644",
        "uid": 65532,
        "gid": 65532,
        "mtime_ns": "1700000000500000000",
        "atime_ns": "1700000001000000001",
        "ctime_ns": "1700000000500000002",
        "dev": 66,
        "ino": 1002,
        "nlink": 1,
        "blocks": 8,
        "atime_changed_by_us": True,
        "status": "fetched",
        "reason": None,
    }
    assert (manifest["files"][2]["status"], manifest["files"][2]["reason"]) == ("failed", "Missing")


def test_an_empty_manifest_is_one(dest: Dest) -> None:
    assert written(dest, [])[0]["files"] == []
    assert written(dest, [row(b"/a")])[0]["files"][0]["src"] == "/a"


def test_a_result_row_has_the_contract_s_keys() -> None:
    shown = row(b"/b").in_result(TARGET)
    assert (
        list(shown)
        == "namespace pod container src resolved dest type size sha256 mode uid gid mtime status reason".split()
    )
    assert shown["mtime"] == 1_700_000_000.5


def test_odd_names_are_shown_and_carried_exactly(dest: Dest) -> None:
    odd = b"/\xff\\\n"
    manifest, _changes = written(dest, [row(odd, resolved=b"/r\xfe"), row(b"/ok\\\n")])
    by_src = {found["src"]: found for found in manifest["files"]}
    assert by_src["/ok\\\n"].keys() & {"src_b64", "resolved_b64", "dest_b64"} == set()
    found = by_src["/\\xff\\\\\n"]
    assert {key: base64.b64decode(found[f"{key}_b64"]) for key in ("src", "resolved", "dest")} == {
        "src": odd,
        "resolved": b"/r\xfe",
        "dest": b"/home" + odd,
    }


@given(
    paths=st.lists(st.binary(min_size=1, max_size=8).filter(lambda name: b"\0" not in name), unique=True, max_size=12),
    kept=st.sets(st.integers(0, 11)),
)
def test_two_runs_account_for_every_path_once(
    tmp_path_factory: pytest.TempPathFactory, paths: list[bytes], kept: set[int]
) -> None:
    with Dest(str(tmp_path_factory.mktemp("dest"))) as dest:
        rows = [row(b"/" + path) for path in paths]
        written(dest, rows)
        again = [row for number, row in enumerate(rows) if number in kept]
        manifest, changes = written(dest, again)
        assert sorted((found["src"], found.get("src_b64") or "") for found in manifest["files"]) == sorted(
            row.order for row in rows
        )
        assert len(changes.gone) == len(rows) - len(again)
        assert written(dest, again)[1].gone == []


def test_a_diff_shows_new_changed_and_gone_files(dest: Dest) -> None:
    written(
        dest,
        [
            row(b"/same"),
            row(b"/changed"),
            row(b"/gone"),
            row(b"/unreadable"),
            row(b"/link", entry=link(b"/link", b"x"), sha256=None),
        ],
    )
    new = "cd" * 32
    _manifest, changes = written(
        dest,
        [
            row(b"/same", status="unchanged"),
            row(b"/changed", sha256=new),
            row(b"/new"),
            row(b"/unreadable", status="failed", sha256=None),
        ],
    )
    assert changes.as_diff("m") == {
        "before": f"{SHA}  /changed\n{SHA}  /gone\n",
        "after": f"{new}  /changed\n{SHA}  /new\n",
        "before_header": "m",
        "after_header": "m",
    }
    assert changes.gone == ["/gone"]


def test_what_this_run_did_not_ask_for_is_kept_and_not_gone(dest: Dest) -> None:
    written(dest, [row(b"/etc/app"), row(b"/var/log")])
    manifest, changes = written(dest, [row(b"/var/log", status="unchanged")], lambda path: path.startswith(b"/var"))
    assert [found["src"] for found in manifest["files"]] == ["/etc/app", "/var/log"]
    assert "gone" not in manifest["files"][0]
    assert changes == Changes()


def test_a_gone_file_stays_in_the_manifest_and_is_said_once(dest: Dest) -> None:
    written(dest, [row(b"/a")])
    manifest, changes = written(dest, [])
    assert (manifest["files"][0]["gone"], changes.gone) == (True, ["/a"])
    manifest, changes = written(dest, [])
    assert (manifest["files"][0]["gone"], changes) == (True, Changes())
    manifest, changes = written(dest, [row(b"/a")])
    assert "gone" not in manifest["files"][0]
    assert changes.after == [f"{SHA}  /a"]


def test_the_access_time_from_before_our_first_reading_is_kept(dest: Dest) -> None:
    written(dest, [row(b"/a", atime_moved=True)])
    later = entry(b"/a", atime_ns=1_800_000_000_000_000_000)
    manifest, _changes = written(dest, [row(b"/a", entry=later, status="unchanged")])
    assert manifest["files"][0]["atime_ns"] == "1700000001000000001"
    changed = entry(b"/a", atime_ns=1_800_000_000_000_000_000, ctime_ns=5)
    manifest, _changes = written(dest, [row(b"/a", entry=changed, status="unchanged")])
    assert manifest["files"][0]["atime_ns"] == "1800000000000000000"


@pytest.mark.parametrize("key", ["cluster", "pod_uid", "container_id"])
def test_a_manifest_of_another_target_is_a_conflict_unless_it_may_be_replaced(dest: Dest, key: str) -> None:
    written(dest, [row(b"/a")])
    other = {**TARGET, key: "another"}
    with pytest.raises(Failure, match=key) as caught:
        find_earlier(dest, PLACE, other, overwrite=False)
    assert caught.value.reason == "DestConflict"
    assert find_earlier(dest, PLACE, other, overwrite=True) is None
    manifest, _changes = written(dest, [row(b"/b")], target=other)
    assert [found["src"] for found in manifest["files"]] == ["/b"]


def test_a_cluster_whose_name_nobody_could_ask_for_is_no_conflict(dest: Dest) -> None:
    written(dest, [])
    assert find_earlier(dest, PLACE, {**TARGET, "cluster": None}, overwrite=False) is not None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b'{"schema": 1}',
        b'{"schema": 2, "target": {}, "files": []}',
        b'{"schema": 1, "target": [], "files": []}',
        b'{"schema": 1, "target": {}, "files": {"a": 1}}',
        b'{"schema": 1, "target": {}, "files": [1]}',
        b'{"schema": 1, "target": {}, "files": [\n{"src": "/a"}',
        b'{"schema": 1, "target": {}, "files": [\n{"src": 1}\n]}',
        b'{"schema": 1, "target": {}, "files": [\n{"src": "/a", "sha\n]}\n',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_or_foreign_manifest_is_a_conflict_unless_it_may_be_replaced(dest: Dest, text: bytes) -> None:
    written(dest, [row(b"/a")])
    Path(dest.full(PLACE).decode()).write_bytes(text)
    with pytest.raises(Failure) as caught:
        find_earlier(dest, PLACE, TARGET, overwrite=False)
    assert caught.value.reason == "DestConflict"
    assert written(dest, [row(b"/b")])[0]["files"][0]["src"] == "/b"


def test_a_manifest_that_was_laid_out_anew_is_read(dest: Dest) -> None:
    manifest, _changes = written(dest, [row(b"/a"), row(b"/b")])
    Path(dest.full(PLACE).decode()).write_text(json.dumps(manifest, indent=4))
    earlier = find_earlier(dest, PLACE, TARGET, overwrite=False)
    assert earlier is not None
    assert list(earlier.rows()) == manifest["files"]


def test_a_result_holds_at_most_200_rows_of_each_kind_failed_first() -> None:
    rows = [row(b"/%04d" % number) for number in range(500)]
    rows += [row(b"/x%04d" % number, status="skipped", reason="Excluded") for number in range(300)]
    rows += [row(b"/z", status="failed", reason="Missing"), row(b"/d", entry=entry(b"/d", "directory"), sha256=None)]
    files, skipped = split_rows(in_results(rows, TARGET))
    assert (files, skipped) == split_rows(row.in_result(TARGET) for row in rows)
    assert (len(files), len(skipped)) == (200, 200)
    assert files[0]["src"] == "/z"
    assert files[1]["src"] == "/0000"
    assert all(found["type"] != "directory" for found in files)


def test_a_result_of_the_longest_names_stays_small() -> None:
    files, skipped = split_rows(row(b"/" + b"\xff" * 4000 + b"%d" % number).in_result(TARGET) for number in range(300))
    assert len(json.dumps([files, skipped])) < 250_000
    assert files
