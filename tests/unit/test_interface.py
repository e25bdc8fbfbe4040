# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that other people's playbooks are written against goes without a word in the changelog.

What it is compared with was written by the last release. There is none yet: until the first, it is what that one is going to promise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from .test_docs import tool

CHECKOUT = Path(__file__).parents[2]
SECTIONS = ("breaking_changes", "removed_features")


def told() -> list[str]:
    """What the fragments say of what breaks, or is removed."""
    fragments = [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((CHECKOUT / "changelogs" / "fragments").glob("*.yml"))
    ]
    return [sentence for fragment in fragments for section in SECTIONS for sentence in fragment.get(section, [])]


def untold(before: Iterable[str], now: Iterable[str], sentences: list[str]) -> list[str]:
    """The lines that are gone, but for those of which a sentence names the owner and the thing."""
    gone = sorted(set(before) - set(now))
    return [line for line in gone if not any(_names(line, sentence) for sentence in sentences)]


def _names(line: str, sentence: str) -> bool:
    words = line.partition(":")[0].split()
    return all(word in sentence for word in (words[1], words[-1]))


def test_what_was_promised_is_there_or_the_changelog_says_that_it_is_not() -> None:
    before = json.loads((CHECKOUT / "tests" / "interface.json").read_text(encoding="utf-8"))["promised"]
    now = tool("interface").promised()
    assert len(before) > 700
    assert untold(before, now, told()) == []


@pytest.mark.parametrize(
    ("now", "sentences", "gone"),
    [
        (["module m option a: str"], [], ["module m option b: int"]),
        # another type breaks as well
        (["module m option a: str", "module m option b: str"], [], ["module m option b: int"]),
        (["module m option a: str"], ["m - the option ``b`` is gone."], []),
        (["module m option a: str"], ["n - the option ``b`` is gone."], ["module m option b: int"]),
        (["module m option a: str", "module m option b: int", "module m option c: str"], [], []),
    ],
)
def test_what_goes_is_missed(now: list[str], sentences: list[str], gone: list[str]) -> None:
    assert untold(["module m option a: str", "module m option b: int"], now, sentences) == gone
