# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resolver against the kernel's own: openat2 with RESOLVE_IN_ROOT says where a path in a foreign root leads."""

from __future__ import annotations

import ctypes
import errno
import os
import random
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    Found,
    Unresolved,
    normal,
    resolve,
)
from ansible_collections.incident.distroless.tests.unit.support.local_tree import REASONS, LocalTree

_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    """struct open_how of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def by_the_kernel(root: Path, path: bytes) -> int | tuple[int, int]:
    """Device and inode of what a path leads to inside of root, or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    at = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        how = _OpenHow(os.O_PATH, 0, _RESOLVE_IN_ROOT)
        # EAGAIN: something was renamed or mounted somewhere meanwhile, so that it could not be sure about a `..`
        while (opened := libc.syscall(_OPENAT2, at, path, ctypes.byref(how), ctypes.sizeof(how))) < 0:
            if ctypes.get_errno() != errno.EAGAIN:
                return ctypes.get_errno()
        found = os.fstat(opened)
        os.close(opened)
        return found.st_dev, found.st_ino
    finally:
        os.close(at)


def by_us(tree: LocalTree, path: bytes) -> int | tuple[int, int]:
    (answer,) = resolve(tree, [path])
    if isinstance(answer, Found):
        return answer.entry.dev, answer.entry.ino
    return next(number for number, reason in REASONS.items() if reason == answer.reason)


def grow(root: Path, chance: random.Random) -> list[bytes]:
    """A random tree full of links; returns paths to ask for."""
    names = [b"a", b"b", b"c", b"d d", b"-e", b"n\nl", b"\xff"]
    directories = [b""]
    for _number in range(chance.randrange(1, 7)):
        path = chance.choice(directories) + b"/" + chance.choice(names)
        if not os.path.lexists(os.fsencode(root) + path):
            Path(os.fsdecode(os.fsencode(root) + path)).mkdir()
            directories.append(path)
    paths = list(directories)
    for _number in range(chance.randrange(3, 14)):
        path = chance.choice(directories) + b"/" + chance.choice(names)
        if os.path.lexists(os.fsencode(root) + path):
            continue
        if chance.random() < 0.3:
            Path(os.fsdecode(os.fsencode(root) + path)).touch()
        else:
            os.symlink(any_text(chance, names), os.fsencode(root) + path)  # noqa: PTH211 - pathlib would tidy the text
        paths.append(path)
    return [wander(chance, paths, names) for _number in range(20)]


def any_text(chance: random.Random, names: list[bytes]) -> bytes:
    parts = [chance.choice([*names, b"..", b"..", b"."]) for _number in range(chance.randrange(1, 5))]
    return chance.choice([b"", b"/", b"//"]) + b"/".join(parts) + chance.choice([b"", b"", b"/", b"/."])


def wander(chance: random.Random, paths: list[bytes], names: list[bytes]) -> bytes:
    path = chance.choice(paths)
    for _number in range(chance.randrange(0, 4)):
        path += b"/" + chance.choice([*names, b"..", b".", b""])
    return path if path.startswith(b"/") else b"/" + path


@pytest.mark.parametrize("seed", range(300))
def test_a_path_leads_where_the_kernel_says_in_that_root(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same trees in each run
    asked = grow(tmp_path, chance)
    tree = LocalTree(tmp_path)
    for path in asked:
        assert by_us(tree, path) == by_the_kernel(tmp_path, path), (seed, path)


def test_an_absolute_symlink_stays_in_the_target_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("the app's own")
    (tmp_path / "release").symlink_to("/etc/os-release")
    (answer,) = resolve(LocalTree(tmp_path), [b"/release"])
    assert isinstance(answer, Found)
    assert (answer.path, answer.links) == (b"/etc/os-release", (b"/release",))


def test_a_last_link_can_be_left_alone(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (answer,) = resolve(LocalTree(tmp_path), [b"/link"], follow=False)
    assert isinstance(answer, Found)
    assert answer.entry.link == b"nowhere"


def test_many_paths_take_no_more_round_trips_than_one(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"file{number}").touch()
        (tmp_path / f"link{number}").symlink_to(f"/file{number}")
    tree = LocalTree(tmp_path)
    assert all(isinstance(answer, Found) for answer in resolve(tree, [b"/link%d" % number for number in range(50)]))
    assert tree.questions == 2


def test_forty_links_are_followed_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "0").touch()
    for number in range(1, 42):
        (tmp_path / str(number)).symlink_to(str(number - 1))
    forty, too_many = resolve(LocalTree(tmp_path), [b"/40", b"/41"])
    assert isinstance(forty, Found)
    assert isinstance(too_many, Unresolved)
    assert too_many.reason == "Loop"
    assert by_the_kernel(tmp_path, b"/41") == errno.ELOOP


@pytest.mark.parametrize("path", [b"/proc/self/root", b"/dev/stdout", b"/proc/1/cwd/etc"])
def test_links_of_proc_mean_the_debugger_and_are_refused(tmp_path: Path, path: bytes) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/self").symlink_to("1")
    (tmp_path / "proc/1/root").symlink_to("/")
    (tmp_path / "proc/1/cwd").symlink_to("/")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/stdout").symlink_to("/proc/self/fd/1")
    (answer,) = resolve(LocalTree(tmp_path), [path])
    assert isinstance(answer, Unresolved)
    assert answer.reason == "MagicLink"


def test_a_path_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(Failure, match="not an absolute path"):
        normal(b"etc/passwd")
    assert normal(b"//a/./b/../c/") == b"/a/b/../c"
