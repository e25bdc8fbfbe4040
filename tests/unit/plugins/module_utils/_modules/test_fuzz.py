# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What parses answers and options gives a result or a Failure, whatever it is given.

The listing's, the reader's and the session's own are fuzzed beside their other tests: test_listing, test_reading, test_session.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import REASONS, Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import exact, from_base64
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import parse_size
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import strategic_merge
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import parse_processes, parse_sight
from ansible_collections.incident.distroless.plugins.module_utils._fetch.manifest import find_earlier, manifest_place
from ansible_collections.incident.distroless.plugins.module_utils._k8s.answers import parse_event
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import exit_code
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_expand import is_glob
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_match import Matcher, any_of
from ansible_collections.incident.distroless.tests.unit.support.target_things import TARGET
from hypothesis import example, given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# more than Python's own parser takes
DEEP = b"[" * 100_000
MANY_DIGITS = "9" * 5000


@contextmanager
def may_fail(reason: str) -> Iterator[None]:
    """A Failure with that reason and a message that can be shown is fine; whatever else is raised fails the test."""
    try:
        yield
    except Failure as failure:
        if failure.reason != reason or len(failure.message) > 2000:
            raise


def status_like(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the keys of a Status, whose values are anything at all."""
    causes = st.lists(inner | st.fixed_dictionaries({"reason": st.just("ExitCode"), "message": inner}), max_size=3)
    details = inner | st.fixed_dictionaries({"causes": inner | causes})
    return st.fixed_dictionaries({}, optional={"status": inner, "message": inner, "details": details, "code": inner})


@given(status_like(JSON))
@example({"details": {"causes": [{"reason": "ExitCode", "message": "²"}]}})
@example({"details": {"causes": [{"reason": "ExitCode", "message": MANY_DIGITS}]}})
@example({"details": {"causes": [{"reason": "ExitCode", "message": "-1"}]}})
@example({"details": ["causes"]})
@example({"details": {"causes": "ExitCode"}})
def test_whatever_channel_3_says_it_is_an_exit_code_or_none(status: dict[str, Any]) -> None:
    code = exit_code(status)
    assert code is None or 0 <= code < 1 << 32


@given(st.integers(0, 255))
def test_an_exit_code_is_read_as_the_kubelet_writes_it(code: int) -> None:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    assert exit_code({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}) == code


@given(st.integers(300, 599), st.binary(max_size=200) | status_like(JSON).map(lambda found: json.dumps(found).encode()))
@example(500, DEEP)
@example(500, b'{"message": %s}' % (b"1" * 5000))
@example(403, b'{"message": null}')
@example(422, b"\xff\xfe")
def test_whatever_a_refusal_says_it_has_a_reason_of_the_list(code: int, body: bytes) -> None:
    failure = failure_from_status(code, parse_status(body), "asking")
    assert failure.reason in REASONS
    assert failure.message.startswith("asking")
    assert len(failure.message) < 2000 or len(body) > 1000


LINES = st.lists(
    st.text(max_size=30)
    | st.tuples(
        st.sampled_from(["process", "cgroup", "root", "Uid:", "Gid:", "Groups:", "CapPrm:"]), st.text(max_size=40)
    ).map(" ".join)
    | st.lists(st.integers() | st.text(max_size=3), min_size=20, max_size=24).map(
        lambda fields: "process 1 (a) S " + " ".join(map(str, fields))
    )
    | st.sampled_from(
        ["debugger", "target", "cgroup 0::/x", "Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0", "CapPrm:\t00", "CapPrm: -1"]
    ),
    max_size=12,
)
STAT = "S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 12345"


@given(LINES)
@example([f"process ² (app) {STAT}", "cgroup 0::/x"])
@example([f"process 1 (app) {STAT.replace('S 1', 'S x', 1)}", "cgroup 0::/x"])
@example([f"process 1 (app) {STAT.replace('12345', 'never')}", "cgroup 0::/x"])
@example([f"process {MANY_DIGITS} (app) {STAT}", "cgroup 0::/x"])
def test_whatever_a_listing_of_processes_says_it_is_processes(lines: list[str]) -> None:
    assert all(process.pid >= 0 for process in parse_processes(lines))


@given(st.text(max_size=16).filter(lambda name: "\n" not in name))
def test_a_process_is_read_whatever_its_name(name: str) -> None:
    (process,) = parse_processes([f"process 7 ({name}) {STAT}", "cgroup 0::/x"])
    assert (process.pid, process.command, process.parent, process.started) == (7, name, 1, 12345)


@given(LINES)
@example(["debugger", "Uid:\t0\t²", "Gid:\t0\t0", "CapPrm:\t00"])
@example(["debugger", "Uid:\t0\t0", "Gid:\t0\t0", "CapPrm:\t" + "f" * 5000])
def test_whatever_a_look_inside_says_it_is_a_sight_or_a_failure(lines: list[str]) -> None:
    with suppress(Failure):
        assert parse_sight(1, lines).debugger.uid >= 0


ROWS = st.lists(
    JSON
    | st.fixed_dictionaries({"src": st.text(max_size=8)}, optional={"src_b64": JSON, "sha256": JSON, "type": JSON}),
    max_size=4,
)
HEADS = st.fixed_dictionaries({}, optional={"schema": st.just(1) | JSON, "target": st.just(TARGET) | JSON})


@given(
    st.binary(max_size=200)
    | st.tuples(HEADS, ROWS).map(lambda both: json.dumps({**both[0], "files": both[1]}).encode())
)
@example(DEEP)
@example(b'{"schema": 1, "target": {}, "files": [\n' + DEEP)
@example(b'{"schema": 1, "target": {}, "files": [\n{"src": "/a"}')
@example(b'{"schema": 1, "target": {"pod_uid": ["x"]}, "files": [\n]}\n')
@example(b'{"schema": %s, "target": {}, "files": []}' % MANY_DIGITS.encode())
def test_whatever_lies_in_a_manifests_place_is_read_or_a_conflict(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    home = tmp_path_factory.mktemp("dest")
    place = manifest_place(TARGET, is_flat=True)
    Path(home, place[-1].decode()).write_bytes(content)
    with Dest(str(home)) as dest, may_fail("DestConflict"):
        earlier = find_earlier(dest, place, TARGET, overwrite=False)
        rows = list(earlier.rows()) if earlier is not None else []
        assert all(isinstance(row["src"], str) for row in rows)


@given(st.text(max_size=20) | st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
@example("\ud800")
def test_whatever_a_path_is_given_as_it_is_bytes_or_an_invalid_request(text: str) -> None:
    for read in (exact, from_base64):
        with may_fail("InvalidRequest"):
            path = read(text)
            assert path
            assert b"\0" not in path


@given(st.text(max_size=20) | JSON)
@example("9" * 2_000_000 + "E")
@example("9" * 5000)
@example("0." + "9" * 5000 + "K")
def test_whatever_a_size_is_given_as_it_is_a_count_or_an_invalid_request(value: Any) -> None:
    with may_fail("InvalidRequest"):
        assert parse_size(value, "max_size") >= 0


GLOB = st.lists(
    st.sampled_from([b"a", b"b", b".", b"*", b"?", b"[ab]", b"[!a]", b"[]a]", b"\\*", b"-"]), min_size=1, max_size=6
).map(b"".join)
NAME = st.lists(st.sampled_from([b"a", b"b", b".", b"*", b"-", b"]", b"\n", b"\xff"]), min_size=1, max_size=6).map(
    b"".join
)


def shell_matches(pattern: bytes, name: bytes) -> bool:
    """What POSIX (XCU 2.14) says of one name, character by character, the slow way."""
    if not pattern:
        return not name
    head, rest = re.match(rb"(\*|\?|\[[!^]?\]?[^\]]*\]|\\.|.)(.*)", pattern, re.DOTALL).groups()  # type: ignore[union-attr]
    if head == b"*":
        return any(shell_matches(rest, name[start:]) for start in range(len(name) + 1))
    if not name or not shell_matches(rest, name[1:]):
        return False
    if head == b"?":
        return True
    if head.startswith(b"[") and len(head) > 1:
        is_not = head[1:2] in (b"!", b"^")
        return (name[0] in head[2 if is_not else 1 : -1]) != is_not
    return head[-1] == name[0]


@given(GLOB, NAME)
def test_a_glob_matches_what_a_shell_would(pattern: bytes, name: bytes) -> None:
    is_shown = name.startswith(b".") <= pattern.startswith(b".")
    assert Matcher([pattern], takes_hidden=False).matches(b"/" + name) == (is_shown and shell_matches(pattern, name))
    # an exclusion has no hidden files
    assert any_of([b"/" + pattern])(b"/" + name) == shell_matches(pattern, name)


@given(st.lists(NAME.filter(lambda name: name != b"**"), min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4))
def test_two_stars_are_any_number_of_directories(names: list[bytes], start: int, end: int) -> None:
    kept = [*names[:start], b"**", *names[max(start, end) :]]
    path = b"/" + b"/".join(names)
    literal = [name if name == b"**" else re.sub(rb"([*?\[\\])", rb"\\\1", name) for name in kept]
    hidden = any(name.startswith(b".") for name in names[start : max(start, end)])
    # at the end it means all that is below, which is at least one name
    is_there = not hidden and (kept[-1] != b"**" or start < len(names))
    assert Matcher(literal, takes_hidden=False).matches(path) == is_there


@given(st.binary(max_size=30))
def test_whatever_a_glob_is_it_can_be_read_or_is_refused(pattern: bytes) -> None:
    with suppress(Failure):
        assert is_glob(pattern) in (True, False)
        names = [name for name in pattern.split(b"/") if name] or [b"a"]
        assert Matcher(names, takes_hidden=False).matches(b"/a") in (True, False)


MERGE_KEYS = {"env": "name", "volumeMounts": "mountPath"}
PLAIN = st.dictionaries(
    st.sampled_from(["image", "tty", "securityContext", "capabilities", "add"]),
    st.text(max_size=3)
    | st.lists(st.text(max_size=2), max_size=2)
    | st.dictionaries(st.sampled_from(["add", "runAsUser"]), st.integers(0, 3) | st.none(), max_size=2),
    max_size=4,
)
KEYED = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("ABC"), "value": st.text(max_size=2)}),
    max_size=3,
    unique_by=lambda entry: entry["name"],
)


def container(plain: dict[str, Any], env: list[dict[str, Any]]) -> dict[str, Any]:
    return {**plain, **({"env": env} if env else {})}


CONTAINERS = st.builds(container, PLAIN, KEYED)


@given(CONTAINERS, CONTAINERS)
def test_merging_changes_neither_side_and_repeats_itself(base: dict[str, Any], change: dict[str, Any]) -> None:
    before = copy.deepcopy((base, change))
    merged = strategic_merge(base, change)
    assert (base, change) == before
    assert strategic_merge(merged, change) == merged
    assert None not in merged.values()


@given(CONTAINERS, CONTAINERS)
def test_after_merging_what_was_asked_for_is_there(base: dict[str, Any], change: dict[str, Any]) -> None:
    merged = strategic_merge(base, change)
    for key, value in change.items():
        if not isinstance(value, (dict, list)):
            assert merged[key] == value
    for entry in change.get("env", ()):
        assert entry in merged["env"]
    names = [entry["name"] for entry in merged.get("env", ())]
    assert len(names) == len(set(names))
    assert set(names) == {entry["name"] for entry in (*base.get("env", ()), *change.get("env", ()))}


@given(st.binary(max_size=60) | JSON.map(lambda found: json.dumps(found).encode()))
@example(DEEP)
@example(b'{"type": "MODIFIED"}')
@example(b'{"type": "ERROR", "object": []}')
def test_whatever_a_watch_says_it_is_an_event_or_none(line: bytes) -> None:
    event = parse_event(line)
    assert event is None or isinstance(event["object"], dict)
