# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trees that are small, and endless by their links: what a target can set up against whoever looks at it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch import discover as _tree
from ansible_collections.incident.distroless.plugins.module_utils._fetch.discover import Survey, _directories, survey
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import FetchOptions, Item
from ansible_collections.incident.distroless.plugins.module_utils._target_fs import glob_expand
from ansible_collections.incident.distroless.plugins.module_utils._target_fs import resolve as _resolving
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    Hop,
    Unlisted,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_expand import expand
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import policy_of
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import look_up
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.local_tree import LocalTree
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry, mount

POLICY = policy_of([mount(1, b"/")], [], include_secrets=False)


@pytest.fixture
def mirrors(tmp_path: Path) -> LocalTree:
    """logs with 100 links to itself, two files, and a directory with another one."""
    (tmp_path / "logs/app.log").mkdir(parents=True)
    for name in ("logs/a.log", "logs/b.txt", "logs/app.log/deep.log"):
        (tmp_path / name).write_bytes(b"x")
    for number in range(100):
        (tmp_path / f"logs/l{number}.log").symlink_to(".")
    return LocalTree(tmp_path)


@pytest.fixture
def clock(mirrors: LocalTree, monkeypatch: pytest.MonkeyPatch) -> LocalTree:
    """The same, and a clock that goes on by one with each name and path that is looked at."""
    ticking = SimpleNamespace(monotonic=lambda: mirrors.names + mirrors.paths)
    for module in (glob_expand, _resolving, _tree):
        monkeypatch.setattr(module, "time", ticking)
    return mirrors


def test_ways_that_multiply_are_no_more_than_the_limit(mirrors: LocalTree) -> None:
    (expansion,) = expand(mirrors, [b"/logs/*/*/*.log"], max_entries=500)
    assert (len(expansion.matches), expansion.cut, expansion.base) == (500, "number", b"/logs")


def test_what_has_one_way_is_not_crowded_out_by_what_has_many(mirrors: LocalTree) -> None:
    (expansion,) = expand(mirrors, [b"/logs/*/*.log"], max_entries=150)
    assert b"/logs/app.log/deep.log" in {match.asked for match in expansion.matches}
    everything = {b"/logs/a.log", b"/logs/app.log", *(b"/logs/l%d.log" % number for number in range(100))}
    assert everything <= {match.path for match in expansion.matches}


def test_the_way_with_the_fewest_links_is_kept(tmp_path: Path) -> None:
    (tmp_path / "d/real").mkdir(parents=True)
    (tmp_path / "d/real/x").touch()
    for name in ("a", "z"):
        (tmp_path / f"d/{name}").symlink_to("real")
    for pattern in (b"/d/*/x", b"/d/*/?"):
        (expansion,) = expand(LocalTree(tmp_path), [pattern], max_entries=1)
        assert ([match.asked for match in expansion.matches], expansion.cut) == ([b"/d/real/x"], "number")


def test_all_ways_are_taken_where_there_is_room(mirrors: LocalTree) -> None:
    (expansion,) = expand(mirrors, [b"/logs/*/*.log"])
    assert expansion.cut is None
    # each of 100 links leads to 102 names, the directory to one
    assert len({match.asked for match in expansion.matches}) == 100 * 102 + 1


def test_what_lies_at_the_end_of_many_ways_is_looked_at_once(mirrors: LocalTree) -> None:
    expand(mirrors, [b"/logs/*/*/*.log"])
    # twice a round: the link, and where it leads to
    assert mirrors.paths < 1_000
    assert mirrors.names < 1_000


def test_one_file_of_a_large_directory_is_within_any_limit(tmp_path: Path) -> None:
    for number in range(2_000):
        (tmp_path / str(number)).touch()
    (tmp_path / "tls.pem").touch()
    (expansion,) = expand(LocalTree(tmp_path), [b"/*.pem"], max_entries=10)
    assert ([match.path for match in expansion.matches], expansion.cut) == ([b"/tls.pem"], None)


def test_a_directory_without_end_is_cut_and_what_was_seen_is_kept(
    mirrors: LocalTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glob_expand, "_MANY", 50)
    expansion, other = expand(mirrors, [b"/logs/*.*", b"/logs/app.log/*.log"], max_entries=20)
    assert (len(expansion.matches), expansion.cut) == (20, "number")
    assert ([match.path for match in other.matches], other.cut) == ([b"/logs/app.log/deep.log"], None)


@pytest.mark.parametrize("until", [0, 1, 50, 120, 220, 330])
def test_after_its_time_a_glob_asks_for_nothing(clock: LocalTree, until: int) -> None:
    options = FetchOptions(src=(b"/logs/*/*.log", b"/logs/*/b.txt", b"/logs/a.log"), exact=(b"/logs/b.txt",), dest="/")
    view = survey(clock, options, POLICY, until)
    # a round of lookups that has begun is ended
    assert clock.names + clock.paths < until + 2 * 128 + 10
    assert view.is_cut
    assert [(item.reason, item.origin) for item in view.items if item.src == b"/logs"] == [("Deadline", "inside")]
    # what needs no listing is known all the same
    assert {item.src for item in view.items if item.origin == "plain"} == {b"/logs/a.log", b"/logs/b.txt"}
    assert [warning for warning in view.warnings if "/logs/*/b.txt" in warning and "Deadline" in warning]
    assert b"/logs" in view.blind


def test_one_listing_ends_with_the_time(clock: LocalTree) -> None:
    (expansion,) = expand(clock, [b"/**/b.txt"], until=50)
    assert expansion.cut == "time"
    assert clock.names + clock.paths == 51


def test_lookups_end_with_the_time(clock: LocalTree) -> None:
    answers = look_up(clock, [b"/logs/%d" % number for number in range(1_000)], until=200)
    # twice as many as are looked up between two looks at the clock
    assert len(answers) == clock.paths == 256


class Wide:
    """A looker on d, with 20,000 directories that hold an x each."""

    names = tuple(b"/d/%d" % number for number in range(20_000))

    def walk(self, paths: Sequence[bytes]) -> list[Entry | Hop | Absent]:
        return [entry(path, "directory") if b"*" not in path else Absent(path, "Missing") for path in paths]

    def scan(self, dirs: Sequence[bytes], **_limits: Any) -> Iterator[Entry | Unlisted]:
        for top in dirs:
            yield from (
                entry(name, "directory") for name in (self.names if top == b"/d" else (top, top + b"/x", top + b"/y"))
            )


@pytest.mark.parametrize("pattern", [b"/d/*/x", b"/d/*/?", b"/d/*/**/x"])
def test_many_directories_are_not_compared_each_with_all_others(pattern: bytes) -> None:
    # that would take many minutes
    (expansion,) = expand(Wide(), [pattern], max_entries=200_000)
    assert len(expansion.matches) == (40_000 if pattern.endswith(b"?") else 20_000)


def test_many_directories_are_told_from_those_inside_others_one_by_one() -> None:
    sources = (b"/d", b"/d-1", b"/link", *Wide.names, *(b"/e/%d" % number for number in range(60_000)))
    items = [Item(src, src if src != b"/link" else b"/d/1", entry(src, "directory"), "match") for src in sources]
    kept = [item.src for item in _directories(items)]
    assert kept[:2] == [b"/d", b"/d-1"]
    assert (b"/link" in kept, len(kept)) == (True, 60_003)


def followed(tree: LocalTree, max_files: int) -> Survey:
    return survey(tree, FetchOptions(src=(b"/data",), dest="/", follow=True, max_files=max_files), POLICY)


def test_links_that_wait_to_be_followed_count(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"data/{number}").mkdir(parents=True)
        for other in range(30):
            (tmp_path / f"data/{number}/{other}").symlink_to(f"../{other}")
    tree = LocalTree(tmp_path)
    view = followed(tree, max_files=500)
    assert tree.names <= 2 * 500 + 1000
    assert len(view.items) <= tree.names
    assert "MaxFiles" in {item.reason for item in view.items}


def test_no_path_has_more_links_in_it_than_the_kernel_follows(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"data/{number}").mkdir(parents=True)
        (tmp_path / f"data/{number}/next").symlink_to(f"../{number + 1}")
    (tmp_path / "data/60").mkdir()
    view = followed(LocalTree(tmp_path), max_files=0)
    chain = {item.src: item.reason for item in view.items if item.src.startswith(b"/data/0/")}
    assert len(chain) == 41
    for src, reason in chain.items():
        try:
            (tmp_path / os.fsdecode(src).lstrip("/")).stat()
        except OSError:
            assert reason == "Loop"
        else:
            assert reason is None


@pytest.fixture(params=sorted(SHELLS))
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    assert made.no_temporary_is_left()


def crowd(world: World) -> None:
    """More ways than a run of one file may have."""
    world.write("/logs/a.log")
    for number in range(35):
        world.link(f"/logs/l{number}.log", ".")
    world.write("/etc/app.conf")
    world.write("/etc/plain")


def test_a_glob_that_is_cut_is_listed_and_the_rest_is_brought(world: World) -> None:
    crowd(world)
    done = world.fetch("/etc/plain", "/logs/*/*.log", "/etc/*.conf", max_files=2)
    said = statuses(done)
    assert done.failure is None
    assert said["/logs"] == ("skipped", "MaxFiles")
    assert said["/etc/plain"] == said["/etc/app.conf"] == ("fetched", None)
    assert [warning for warning in done.warnings if "/logs/*/*.log" in warning and "MaxFiles" in warning]
    assert world.manifest()["/logs"]["reason"] == "MaxFiles"


def test_a_glob_that_is_cut_fails_where_the_user_says_so(world: World) -> None:
    crowd(world)
    done = world.fetch("/logs/*/*.log", max_files=2, oversize="fail")
    assert done.failure is not None
    assert done.failure.reason == "LimitExceeded"


def test_what_a_cut_glob_did_not_see_is_not_called_gone(world: World) -> None:
    world.write("/logs/one/a.log")
    world.fetch("/logs/*/*.log")
    done = world.fetch("/logs/*/*.log", until=time.monotonic())
    assert statuses(done) == {"/logs": ("skipped", "Deadline")}
    assert not [warning for warning in done.warnings if "gone" in warning]


def test_one_file_of_many_is_brought_however_few_may_be(world: World) -> None:
    for number in range(1_300):
        world.write(f"/d/{number}")
    world.write("/d/tls.pem")
    done = world.fetch("/d/*.pem", max_files=10)
    assert (done.failure, statuses(done)) == (None, {"/d/tls.pem": ("fetched", None)})
