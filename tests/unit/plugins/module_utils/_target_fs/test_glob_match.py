# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from contextlib import suppress

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_match import any_of
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"*.gz", b"/var/log/app.gz"),
        (b"*.gz", b"/app.gz"),
        (b"*.gz", b"/logs.gz/inner"),
        (b"cache", b"/var/cache/a/b"),
        (b"cache/*.tmp", b"/a/cache/x.tmp"),
        (b"/var/log", b"/var/log"),
        (b"/var/log/", b"/var/log/x"),
        (b"/var/**/x", b"/var/x"),
        (b"/var/**/x", b"/var/a/b/x"),
        (b"/var/**", b"/var/a/b"),
        (b"**/x", b"/a/b/x"),
        (b"/a?c", b"/abc"),
        (b"/[a-c]", b"/b"),
        (b"/[!a-c]", b"/d"),
        (b"/[]]", b"/]"),
        (b"/[[&&]", b"/&"),
        (rb"/a\*", b"/a*"),
        (b"/a[", b"/a["),
        (b"/new\nline*", b"/new\nline\n"),
        (b"/\xff*", b"/\xff\xfe"),
        (b"/.*", b"/.hidden"),
    ],
)
def test_a_pattern_matches_the_path_and_what_is_in_it(pattern: bytes, path: bytes) -> None:
    assert any_of([b"/never", pattern])(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"*.gz", b"/var/app.gzip"),
        (b"/var/log", b"/var/logs"),
        (b"/*.log", b"/a/b.log"),
        (b"/var*x", b"/var/x"),
        (b"/a?b", b"/a/b"),
        (b"/a[!x]b", b"/a/b"),
        (b"/var/**/x", b"/varx"),
        (rb"/a\*", b"/ab"),
        (b"/a.c", b"/abc"),
        (b"cache", b"/mycache"),
    ],
)
def test_a_pattern_does_not_match_more_than_it_says(pattern: bytes, path: bytes) -> None:
    assert not any_of([pattern])(path)


# what any pod can make: as many directories in each other as a path can have, and a name as long as a name can be
CHAIN, LONG_NAME = b"/a" * 2000, b"/" + b"a" * 255


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        (b"**/a/**/b", CHAIN),
        (b"**/a/**/a/**/a/**/a/**/b", CHAIN),
        (b"/" + b"**/a/" * 20 + b"b", CHAIN),
        (b"*a*a*a*a*a*a*a*a*a*a*a*a*b", LONG_NAME),
    ],
)
def test_names_of_the_target_s_choice_do_not_make_a_pattern_try_every_way(pattern: bytes, path: bytes) -> None:
    """One that did would not end here."""
    assert not any_of([pattern])(path)
    assert any_of([pattern])(path + b"/b" if path == CHAIN else path + b"b")


def test_no_pattern_matches_nothing() -> None:
    assert not any_of([])(b"/etc")


@pytest.mark.parametrize("pattern", [b"", b"/", b"///", b"/[z-a]"])
def test_a_pattern_that_says_nothing_is_refused(pattern: bytes) -> None:
    with pytest.raises(Failure):
        any_of([pattern])


@given(st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name and name.strip(b"/")))
def test_an_escaped_name_matches_itself(name: bytes) -> None:
    name = name.strip(b"/")
    escaped = b"".join(b"/" if byte == 47 else b"\\" + bytes([byte]) for byte in name)
    assert any_of([b"/" + escaped])(b"/" + name)


@given(st.binary(min_size=1, max_size=12).filter(lambda pattern: pattern.strip(b"/")))
def test_any_pattern_can_be_read_or_is_refused(pattern: bytes) -> None:
    # whatever else it would raise fails this test
    with suppress(Failure):
        assert any_of([pattern])(b"/a/b/c") in (True, False)
