# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links inside a tree that are followed; see local_fetches. GNU find -L is the reference for where that leads."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch.discover import survey
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import policy_of
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.local_tree import LocalTree
from ansible_collections.incident.distroless.tests.unit.support.target_things import mount

MANY = 200


@pytest.fixture(params=sorted(SHELLS))
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    assert made.no_temporary_is_left()


def test_a_link_inside_a_tree_brings_what_it_leads_to_at_its_own_path(world: World) -> None:
    world.write("/var/real.log", b"real")
    world.write("/srv/conf/app.yaml", b"conf")
    world.link("/data/log", "/var/real.log")
    world.link("/data/conf", "../srv/conf")
    done = world.fetch("/data", follow=True)
    assert statuses(done) == {"/data/log": ("fetched", None), "/data/conf/app.yaml": ("fetched", None)}
    assert (world.copy / "data/log").read_bytes() == b"real"
    assert not (world.copy / "data/log").is_symlink()
    assert (world.copy / "data/conf/app.yaml").read_bytes() == b"conf"
    rows = world.manifest()
    assert set(rows) == {"/data", "/data/log", "/data/conf", "/data/conf/app.yaml"}
    assert [(rows[src]["type"], rows[src]["resolved"]) for src in ("/data/log", "/data/conf")] == [
        ("file", "/var/real.log"),
        ("directory", "/srv/conf"),
    ]
    again = world.fetch("/data", follow=True)
    assert (again.changed, again.stats["transferred_bytes"], again.stats["unchanged"]) == (False, 0, 2)


def test_links_that_a_glob_matches_are_followed_as_those_of_a_tree(world: World) -> None:
    world.write("/srv/conf/app.yaml")
    world.link("/data/conf", "/srv/conf")
    assert statuses(world.fetch("/data/*", follow=True)) == {"/data/conf/app.yaml": ("fetched", None)}
    assert "/data/conf/app.yaml" in statuses(world.fetch("/data/**", follow=True, overwrite=True))


def test_no_directory_is_brought_inside_itself(world: World) -> None:
    world.write("/data/in/one")
    world.link("/data/in/self", ".")
    world.link("/data/in/up", "/data")
    world.link("/data/out", "/other")
    world.write("/other/two")
    world.link("/other/back", "/data/in")
    done = world.fetch("/data", follow=True)
    assert statuses(done) == {
        "/data/in/one": ("fetched", None),
        "/data/in/self": ("failed", "Loop"),
        "/data/in/up": ("failed", "Loop"),
        "/data/out/two": ("fetched", None),
        "/data/out/back/one": ("fetched", None),
        "/data/out/back/self": ("failed", "Loop"),
        "/data/out/back/up": ("failed", "Loop"),
    }
    assert done.failure is None


def test_a_link_above_the_tree_brings_the_tree_once(world: World) -> None:
    world.write("/data/in/one")
    world.write("/data/two")
    world.link("/data/in/up", "..")
    done = world.fetch("/data/in", follow=True)
    assert statuses(done) == {
        "/data/in/one": ("fetched", None),
        "/data/in/up/two": ("fetched", None),
        "/data/in/up/in": ("failed", "Loop"),
    }


def test_links_that_lead_nowhere_are_listed_and_fail_nothing(world: World) -> None:
    world.link("/data/dangling", "/not-there")
    world.link("/data/loop", "loop")
    done = world.fetch("/data", follow=True)
    assert statuses(done) == {"/data/dangling": ("failed", "Missing"), "/data/loop": ("failed", "Loop")}
    assert done.failure is None
    row = world.manifest()["/data/dangling"]
    assert (row["type"], row["link"], row["resolved"]) == ("link", "/not-there", "/not-there")


def test_what_the_rules_keep_out_stays_out_behind_a_link(world: World) -> None:
    world.write("/run/secrets/token", b"hunter2")
    world.write("/srv/a.gz")
    world.write("/srv/b.txt")
    world.link("/data/token", "/run/secrets/token")
    world.link("/data/secrets", "/run/secrets")
    world.link("/data/srv", "/srv")
    world.link("/data/out.log", "/dev/stdout")
    world.link("/dev/stdout", "/proc/self/fd/1")
    world.link("/data/cpu", "/proc/cpuinfo")
    (world.root / "proc/self").mkdir(parents=True)
    (world.root / "proc/cpuinfo").write_bytes(b"none")
    done = world.fetch("/data", follow=True, exclude=(b"/srv/*.gz",))
    said = statuses(done)
    assert said == {
        "/data/token": ("skipped", "Secret"),
        "/data/secrets": ("skipped", "Secret"),
        "/data/secrets/token": ("skipped", "Secret"),
        "/data/srv/a.gz": ("skipped", "Excluded"),
        "/data/srv/b.txt": ("fetched", None),
        "/data/out.log": ("skipped", "KernelFilesystem"),
        "/data/cpu": ("skipped", "KernelFilesystem"),
    }
    assert b"hunter2" not in b"".join(path.read_bytes() for path in world.home.rglob("*") if path.is_file())


def test_a_tree_that_links_multiply_is_bounded(world: World) -> None:
    # each of these has the others inside it, in any order: without a bound that is a hundred thousand paths
    names = [f"d{number}" for number in range(8)]
    for name in names:
        for other in names:
            world.link(f"/data/{name}/{other}", f"/data/{other}")
        world.write(f"/data/{name}/file")
    done = world.fetch("/data", follow=True, max_files=20)
    assert done.stats["files"] == 20
    assert done.failure is None
    assert "MaxFiles" in {row["reason"] for row in done.skipped_files}


def test_a_run_that_does_not_follow_calls_nothing_gone_that_another_run_followed(world: World) -> None:
    world.write("/srv/app.yaml")
    world.link("/data/conf", "/srv")
    world.fetch("/data", follow=True)
    done = world.fetch("/data")
    assert not [warning for warning in done.warnings if "gone" in warning]
    assert "gone" not in world.manifest()["/data/conf/app.yaml"]


def _grow(base: Path, chance: random.Random) -> None:
    """Some directories and files, and links between them: up, down, to links, to nothing."""
    directories = [base]
    for number in range(chance.randrange(2, 9)):
        directory = chance.choice(directories) / f"d{number}"
        directory.mkdir()
        directories.append(directory)
    things = list(directories)
    for number in range(chance.randrange(1, 6)):
        file = chance.choice(directories) / f"f{number}"
        file.write_bytes(b"x")
        things.append(file)
    for number in range(chance.randrange(1, 6)):
        link = chance.choice(directories) / f"l{number}"
        leads_to = chance.choice([*things, base / "nothing"])
        link.symlink_to(os.path.relpath(leads_to, link.parent))
        things.append(link)


@pytest.mark.parametrize("seed", range(MANY))
def test_links_lead_where_find_says(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "root"
    base = root / "top"
    base.mkdir(parents=True)
    _grow(base, random.Random(seed))  # noqa: S311 - a seed is wanted
    policy = policy_of([mount(1, b"/")], [], include_secrets=False)
    view = survey(LocalTree(root), FetchOptions(src=(b"/top",), dest="/", follow=True), policy)
    ours = {item.src.decode(): item for item in view.items}
    # it says a loop on stderr and goes on; a link that leads nowhere it gives as a link
    said = subprocess.run(
        ["find", "-L", "top", "-printf", "/%p %y\n"], cwd=root, capture_output=True, text=True, check=False
    )
    theirs = dict(line.split(" ") for line in said.stdout.splitlines())
    assert {src: item.entry.type[0] for src, item in ours.items() if item.entry and item.reason is None} == {
        src: kind for src, kind in theirs.items() if kind in ("f", "d")
    }
    # nothing is lost: each that find does not list as a file or directory has a reason here
    assert {src for src, kind in theirs.items() if kind not in ("f", "d")} <= {
        src for src, item in ours.items() if item.reason in ("Missing", "Loop")
    }
