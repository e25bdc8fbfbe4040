# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that is written while it is read: what is called fetched or unchanged was there at one moment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.restless import BLOCK, KINDS, was_there, writer

# in each place by each shell, of each kind some files that come alone and one that comes in a group each time
READS = 2
LARGE, SMALL = 2 << 20, 16 << 10
ALONE = 2
PLACES = [Path(tempfile.gettempdir()), Path("/dev/shm")]


@pytest.fixture(params=PLACES, ids=str)
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="torn-", dir=request.param))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("shell", SHELLS)
def test_no_torn_read_is_called_fetched(shell: str, place: Path) -> None:
    world = World(place, shell)
    world.write("/data/quiet", os.urandom(LARGE // 4))
    world.write("/data/quiet-and-small", b"quiet")
    sizes = {"small": SMALL // BLOCK, **{f"large-{number}": LARGE // BLOCK for number in range(ALONE)}}
    came: Counter[str] = Counter()
    with ExitStack() as writers:
        for kind in KINDS:
            (world.root / "data" / kind).mkdir()
            paths = {world.root / "data" / kind / name: blocks for name, blocks in sizes.items()}
            writers.enter_context(writer(kind, paths))
        for number in range(READS):
            done = world.fetch("/data", retries=number % 2)
            rows = {row["src"]: row for row in done.files if row["type"] == "file"}
            for name in ("quiet", "quiet-and-small"):
                assert rows[f"/data/{name}"]["status"] == ("unchanged" if number else "fetched")
            for kind, (name, blocks) in product(KINDS, sizes.items()):
                row = rows.get(f"/data/{kind}/{name}")
                came[row["status"] if row else "failed"] += 1
                if row is None or row["status"] not in ("fetched", "unchanged"):
                    continue
                assert was_there(kind, Path(row["dest"]).read_bytes(), blocks), (name, row)
                # what is not the whole of it says so
                assert not row.get("grew") or kind in ("appended", "truncated", "replaced")
    print(shell, place, dict(came))
    assert came.total() == READS * len(KINDS) * len(sizes)
    # else the writers were too slow to show anything
    assert came["changed_while_reading"] + came["failed"] > came.total() // 10


@pytest.mark.parametrize("shell", SHELLS)
def test_what_only_grew_is_fetched_and_says_so(shell: str, tmp_path: Path) -> None:
    """As a log: it is longer at the end of the reading than it was when it was found."""
    world = World(tmp_path, shell)
    world.write("/data/.keep")
    seen = set()
    with writer("appended", {world.root / "data" / "log": LARGE // BLOCK}):
        for _number in range(READS):
            done = world.fetch("/data/log", retries=3)
            (row,) = done.files
            assert row["status"] in ("fetched", "unchanged"), row
            seen.add(row.get("grew"))
            assert Path(row["dest"]).stat().st_size == row["size"]
    assert True in seen


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_quiet_file_with_a_time_of_this_very_moment_is_fetched(shell: str, size: int, tmp_path: Path) -> None:
    """It was written a moment ago, and a clock ticks a hundred times a second."""
    world = World(tmp_path, shell)
    content = os.urandom(size)
    for _number in range(READS):
        world.write("/data/file", content)
        (row,) = world.fetch("/data/file", retries=0).files
        assert row["status"] in ("fetched", "unchanged")
