# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is closed for want of a group is told from what is closed to the target as well."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch.denied_groups import ClosedGroups
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import NOBODY, SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry

OURS = os.getgid()
# as whoever runs this test owns the files, the target is somebody else
CLOSED = ClosedGroups(frozenset({OURS}), 2000)


@pytest.mark.parametrize(
    ("kind", "mode", "gid", "uid", "is_passed", "expected"),
    [
        ("file", 0o640, 5555, 0, False, True),
        ("file", 0o600, 5555, 0, False, False),
        ("file", 0o640, 4444, 0, False, False),
        # its owner is asked for the owner's bits, whatever its groups
        ("file", 0o040, 5555, 2000, False, False),
        ("directory", 0o750, 5555, 0, False, True),
        ("directory", 0o710, 5555, 0, False, False),
        ("directory", 0o710, 5555, 0, True, True),
    ],
)
def test_a_group_opens_what_its_bits_say(
    kind: str, mode: int, gid: int, uid: int, is_passed: bool, expected: bool
) -> None:
    closed = ClosedGroups(frozenset({5555}), 2000)
    assert closed.opens(entry(b"/x", kind, mode=mode, gid=gid, uid=uid), is_passed=is_passed) is expected


@pytest.fixture(params=sorted(SHELLS))
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    yield World(base, request.param)
    for path in base.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(base)


@pytest.fixture
def as_nobody(world: World) -> Callable[[], Session]:
    return lambda: open_session(world.shell, inside=NOBODY)


def test_files_and_directories_that_a_missing_group_would_open_say_so(
    world: World, as_nobody: Callable[[], Session]
) -> None:
    for path, mode in (("/shared", 0o040), ("/private", 0), ("/folder/inside", 0o644), ("/shut/inside", 0o644)):
        world.write(path).chmod(mode)
    (world.root / "folder").chmod(0o050)
    (world.root / "shut").chmod(0)
    done = world.fetch("/", "/folder/inside", "/shut/inside", opener=as_nobody, closed=CLOSED)
    assert statuses(done) == {
        "/shared": ("failed", "GroupNotMatched"),
        "/private": ("failed", "PermissionDenied"),
        "/folder": ("failed", "GroupNotMatched"),
        "/folder/inside": ("failed", "GroupNotMatched"),
        "/shut": ("failed", "PermissionDenied"),
        "/shut/inside": ("failed", "PermissionDenied"),
    }
    assert done.failure is not None
    assert done.failure.reason == "GroupNotMatched"


def test_a_debugger_that_has_all_groups_is_just_denied(world: World, as_nobody: Callable[[], Session]) -> None:
    world.write("/shared").chmod(0o040)
    assert statuses(world.fetch("/shared", opener=as_nobody)) == {"/shared": ("failed", "PermissionDenied")}
