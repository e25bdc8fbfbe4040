# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_expand import (
    Expansion,
    expand,
    is_glob,
)
from ansible_collections.incident.distroless.tests.unit.support.local_tree import LocalTree


@pytest.fixture
def tree(tmp_path: Path) -> LocalTree:
    """var/log with files, a hidden one, a link to a directory, an absolute link and names that look like globs."""
    logs = tmp_path / "var/log"
    (logs / "app/old").mkdir(parents=True)
    (logs / ".hidden").mkdir()
    for name in (
        "a.log",
        "b.log",
        ".c.log",
        "d[1].log",
        "star*.txt",
        "app/app.log",
        "app/old/app.1.log",
        ".hidden/x.log",
    ):
        (logs / name).touch()
    (tmp_path / "logs").symlink_to("/var/log")
    (logs / "current").symlink_to("/var/log/app/app.log")
    (logs / "dangling.log").symlink_to("nowhere")
    (logs / "up").symlink_to("..")
    return LocalTree(tmp_path)


def asked(expansion: Expansion) -> list[str]:
    return sorted(match.asked.decode() for match in expansion.matches)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"/var/log/*.log", ["/var/log/a.log", "/var/log/b.log", "/var/log/d[1].log"]),
        (b"/var/log/?.log", ["/var/log/a.log", "/var/log/b.log"]),
        (b"/var/log/[!a].log", ["/var/log/b.log"]),
        (b"/var/log/[a-b].log", ["/var/log/a.log", "/var/log/b.log"]),
        (b"/var/log/.*.log", ["/var/log/.c.log"]),
        (b"/var/*/app/*.log", ["/var/log/app/app.log"]),
        (b"/logs/app/*.log", ["/logs/app/app.log"]),
        (b"/var/*/up/log/a.*", ["/var/log/up/log/a.log"]),
        (b"/var/**/app*.log", ["/var/log/app/app.log", "/var/log/app/old/app.1.log"]),
        (b"/var/log/**/old/*", ["/var/log/app/old/app.1.log"]),
        (b"/*/*/a.log", ["/var/log/a.log"]),
        (b"/var/log/cur*", ["/var/log/current"]),
        (b"/var/log/nothing*", []),
        (b"/var/log/a.log/*", []),
    ],
)
def test_a_glob_matches_as_in_a_shell(tree: LocalTree, pattern: bytes, expected: list[str]) -> None:
    (expansion,) = expand(tree, [pattern])
    assert not expansion.literal
    assert asked(expansion) == expected


def test_a_matching_link_brings_what_it_leads_to(tree: LocalTree) -> None:
    (expansion,) = expand(tree, [b"/var/log/cur*"])
    assert expansion.matches[0].path == b"/var/log/app/app.log"


def test_a_matching_link_that_leads_nowhere_is_a_problem_and_not_a_match(tree: LocalTree) -> None:
    (expansion,) = expand(tree, [b"/var/log/dang*"])
    assert expansion.matches == ()
    assert [problem.reason for problem in expansion.problems] == ["Missing"]


@pytest.mark.parametrize("pattern", [b"/var/log/d[1].log", b"/var/log/star*.txt", rb"/var/log/star\*.txt"])
def test_what_exists_literally_is_taken_literally(tree: LocalTree, pattern: bytes) -> None:
    (expansion,) = expand(tree, [pattern])
    assert expansion.literal
    assert len(expansion.matches) == 1


def test_a_plain_path_that_is_missing_is_one_problem(tree: LocalTree) -> None:
    (expansion,) = expand(tree, [b"/var/log/none.log"])
    assert (expansion.literal, expansion.matches, len(expansion.problems)) == (True, (), 1)


def test_two_stars_do_not_walk_through_links(tree: LocalTree) -> None:
    (expansion,) = expand(tree, [b"/var/log/**/a.log"])
    assert asked(expansion) == ["/var/log/a.log"]


def test_a_pattern_that_cannot_be_read_is_refused(tree: LocalTree) -> None:
    with pytest.raises(Failure, match="is not a valid glob") as caught:
        expand(tree, [b"/var/[z-a]*"])
    assert caught.value.reason == "InvalidRequest"


def test_a_backslash_escapes_a_wildcard() -> None:
    assert is_glob(b"/a*")
    assert is_glob(rb"/a\\*")
    assert not is_glob(rb"/a\*")


NAMES = ["a", "b", "ab", ".a", ".b.c", "a.c", "b.c", "[a]", "a*", "-", "a b", "]", "\\\\", "A", "1", "\u00e9", "a\nb"]
PIECES = [
    "*", "**", "?", "a*", "*.c", "*b", "[ab]", "[!a]", "[^a]*", "[a-c]?", "[]a]", "[a-]", "[!]]", "[-a]*", "[0-9]", ".*", ".?", "a", "ab",
    "[[]a]", "\\*", "a\\*", "*[*]", "[.]a", "??", "*?", "[A-Z]", "[\\]]", "[a\\]b]", "\\.a", "[b",
]  # fmt: skip


def _grow(base: Path, chance: random.Random) -> None:
    """Directories, files and links to directories, under names that patterns find hard."""
    directories = [base]
    for _number in range(14):
        place = chance.choice(directories) / chance.choice(NAMES)
        if os.path.lexists(place):
            continue
        match chance.randrange(5):
            case 0 | 1:
                place.mkdir()
                directories.append(place)
            case 2:
                place.symlink_to(os.path.relpath(chance.choice(directories), place.parent))
            case _:
                place.touch()


@pytest.mark.parametrize("seed", range(60))
def test_globs_match_what_bash_says(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same trees in each run
    _grow(tmp_path, chance)
    patterns = {"/".join(chance.choices(PIECES, k=chance.randrange(1, 4))) for _number in range(12)}
    for pattern in sorted(patterns):
        expansion = expand(LocalTree(tmp_path), [b"/" + pattern.encode()])[0]
        # without a wildcard, or there as it is written, it is no glob
        if expansion.literal:
            continue
        # a pattern that ends in `**` matches the directory that it begins in as well: that has no name of its own
        script = f"shopt -s globstar nullglob; printf '%s\\0' {pattern.replace(chr(10), '')}"
        said = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env={"LC_ALL": "C"}, capture_output=True, check=True
        ).stdout
        theirs = {b"/" + path for path in said.split(b"\0") if path and not path.endswith(b"/")}
        ours = {match.asked for match in expansion.matches}
        assert ours == theirs, pattern
