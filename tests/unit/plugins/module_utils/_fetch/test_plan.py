# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    Budget,
    FetchOptions,
    Item,
    Origin,
    Step,
    place_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import again, covering, decide, failure_of
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import policy_of
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry, link, mount

POLICY = policy_of(
    [mount(1, b"/"), mount(2, b"/proc", "proc"), mount(3, b"/etc/tls", "tmpfs")], [b"/etc/tls"], include_secrets=False
)


def item(src: bytes, origin: Origin = "inside", size: int = 5, **changes: Any) -> Item:
    fields: dict[str, Any] = {"resolved": src, "entry": entry(src, size=size)}
    return Item(src=src, origin=origin, **{**fields, **changes})


def options(*src: bytes, **changes: Any) -> FetchOptions:
    return FetchOptions(src=src or (b"/",), dest="home", **changes)


def decided(*items: Item, **changes: Any) -> dict[str, tuple[str, str | None]]:
    wanted = options(**changes)
    steps = decide(items, wanted, POLICY, Budget(wanted.max_total_size, wanted.max_files))
    return {step.item.src.decode(): (step.action, step.reason) for step in steps}


def test_each_kind_of_thing_gets_its_step() -> None:
    found = [
        item(b"/file"),
        item(b"/dir", entry=entry(b"/dir", "directory")),
        item(b"/link", entry=link(b"/link", b"file")),
        item(b"/fifo", entry=entry(b"/fifo", "fifo")),
        item(b"/disk", entry=entry(b"/disk", "block")),
        item(b"/none", entry=None, reason="Missing"),
        item(b"/shut", entry=entry(b"/shut", "directory"), reason="PermissionDenied"),
    ]
    assert decided(*found) == {
        "/dir": ("directory", None),
        "/disk": ("skip", "SpecialFile"),
        "/fifo": ("skip", "SpecialFile"),
        "/file": ("file", None),
        "/link": ("link", None),
        "/none": ("fail", "Missing"),
        "/shut": ("fail", "PermissionDenied"),
    }


def test_a_directory_whose_listing_a_limit_stopped_is_left_out_and_fails_if_asked() -> None:
    many = item(b"/many", "plain", entry=entry(b"/many", "directory"), reason="MaxFiles")
    assert decided(many) == {"/many": ("skip", "MaxFiles")}
    assert decided(many, oversize="fail") == {"/many": ("fail", "MaxFiles")}


def test_secrets_are_left_out_whatever_path_leads_to_them() -> None:
    found = [
        item(b"/etc/tls/key", "plain"),
        item(b"/app/link", "plain", resolved=b"/etc/tls/key"),
        item(b"/var/run/secrets/x", resolved=b"/data/x"),
    ]
    assert set(decided(*found).values()) == {("skip", "Secret")}


def test_kernel_paths_are_left_out_even_when_nothing_was_looked_at() -> None:
    found = [
        item(b"/proc/1/environ", "plain", resolved=None, entry=None),
        item(b"/etc/mtab", "plain", resolved=b"/proc/self", entry=None, reason="MagicLink"),
    ]
    assert set(decided(*found).values()) == {("skip", "KernelFilesystem")}


def test_excluded_by_its_path_or_by_where_it_leads() -> None:
    found = [item(b"/a/x.gz"), item(b"/b", resolved=b"/a/y.gz"), item(b"/cache/z"), item(b"/kept")]
    assert decided(*found, exclude=(b"*.gz", b"/cache")) == {
        "/a/x.gz": ("skip", "Excluded"),
        "/b": ("skip", "Excluded"),
        "/cache/z": ("skip", "Excluded"),
        "/kept": ("file", None),
    }


def test_a_path_found_twice_is_taken_once_as_it_was_asked_for() -> None:
    as_link = item(b"/etc/app", entry=link(b"/etc/app", b"real"))
    as_file = item(b"/etc/app", "plain", resolved=b"/etc/real")
    assert decided(as_link, as_file, as_link) == {"/etc/app": ("file", None)}


@pytest.mark.parametrize(
    ("oversize", "action", "offset", "length"),
    [("skip", "skip", 0, 0), ("fail", "fail", 0, 0), ("head", "file", 0, 4), ("tail", "file", 6, 4)],
)
def test_a_file_over_max_size(oversize: Any, action: str, offset: int, length: int) -> None:
    (step,) = decide([item(b"/big", size=10)], options(max_size=4, oversize=oversize), POLICY, Budget(0, 0))
    assert (step.action, step.reason, step.offset, step.length) == (action, "MaxSize", offset, length)
    assert step.is_part == (action == "file")


def test_limits_leave_out_the_rest_and_say_which_limit_it_was() -> None:
    found = [item(b"/%d" % number) for number in range(4)]
    assert [reason for _action, reason in decided(*found, max_files=2).values()] == [None, None, "MaxFiles", "MaxFiles"]
    assert [reason for _action, reason in decided(*found, max_total_size=11).values()] == [
        None,
        None,
        "MaxTotalSize",
        "MaxTotalSize",
    ]
    assert [reason for _action, reason in decided(*found, max_total_size=0, max_files=0).values()] == [None] * 4


def test_what_was_asked_for_by_name_comes_before_what_is_inside_where_a_limit_is_near() -> None:
    assert decided(item(b"/a"), item(b"/z", "plain"), max_files=1) == {"/a": ("skip", "MaxFiles"), "/z": ("file", None)}


def test_a_budget_is_shared_by_threads() -> None:
    budget = Budget(1000, 0)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(budget.take, [1] * 4000))
    assert taken.count(None) == 1000


def test_a_file_that_was_looked_at_again_counts_for_its_growth_only() -> None:
    budget = Budget(10, 1)
    (step,) = decide([item(b"/log")], options(), POLICY, budget)
    grown = again(step, entry(b"/log", size=9), options(), budget)
    assert (grown.action, grown.length) == ("file", 9)
    assert again(grown, entry(b"/log", size=3), options(), budget).length == 3
    assert again(grown, entry(b"/log", size=20), options(), budget).reason == "MaxTotalSize"


@pytest.mark.parametrize(
    ("src", "resolved", "place"),
    [
        (b"/var/log/x", b"/data/x", (b"var", b"log", b"x")),
        (b"/a/../b", b"/c/b", (b"c", b"b")),
        (b"/", b"/", ()),
        (b"/\xff", None, (b"\xff",)),
    ],
)
def test_a_file_lies_at_its_path_as_asked(src: bytes, resolved: bytes | None, place: tuple[bytes, ...]) -> None:
    assert place_of(Item(src, resolved, None, "plain")) == place


def test_what_fails_inside_a_directory_or_a_glob_is_no_failure_of_the_task() -> None:
    assert failure_of([(item(b"/a"), "PermissionDenied"), (item(b"/b", "match"), "Missing")]) is None


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Missing", "InvalidRequest"),
        ("Loop", "InvalidRequest"),
        ("PermissionDenied", "PermissionDenied"),
        ("DestConflict", "DestConflict"),
        ("Replaced", "Conflict"),
        ("MaxSize", "LimitExceeded"),
    ],
)
def test_a_path_of_src_itself_that_fails_fails_the_task(reason: str, expected: str) -> None:
    failure = failure_of([(item(b"/in"), "Replaced"), (item(b"/asked", "plain"), reason)])
    assert failure is not None
    assert failure.reason == expected
    assert f"/asked ({reason})" in failure.message
    assert "/in" not in failure.message


def test_what_a_run_would_have_found() -> None:
    is_covered = covering(options(b"/etc", b"/var/*.log", b"/a[1]", exact=(b"/x*",)), [b"/etc/shut"])
    assert all(map(is_covered, [b"/etc", b"/etc/app/x", b"/var/a.log", b"/var/a.log/in", b"/a1", b"/a[1]", b"/x*"]))
    assert not any(map(is_covered, [b"/etc/shut/x", b"/var/log/a", b"/xy", b"/etcetera"]))
    assert covering(options(b"/"), [])(b"/anything")


def test_no_part_is_said_of_what_is_not_brought() -> None:
    assert not Step(item(b"/a"), "skip").is_part
