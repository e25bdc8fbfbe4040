# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import (
    Collector,
    api_requests,
    as_rows,
    debug_commands,
    file_of,
    log_requests,
    parse_collectors,
)
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, for_anybody, limited_to

ROLES = Path(__file__).parents[5] / "roles"
END = "kill $TARGET_PID; while [ -d /proc/$TARGET_PID ]; do sleep 0.01; done"


def collectors(*entries: dict[str, Any], prelude: str = "") -> list[Collector]:
    return parse_collectors({"checks.yml": {"prelude": prelude, "collectors": list(entries)}})


def test_what_goes_first_is_looked_at_first() -> None:
    found = collectors(
        {"name": "late", "command": "true", "volatility": 90}, {"name": "early", "command": "true", "volatility": 10}
    )
    assert [collector.name for collector in found] == ["early", "late"]


def test_a_later_file_replaces_a_collector() -> None:
    files = {name: {"collectors": [{"name": "mounts", "command": name}]} for name in ("a.yml", "b.yml")}
    (only,) = parse_collectors(files)
    assert only.command
    assert only.command.strip() == "b.yml"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("mounts", "not a dictionary"),
        ({"name": "Mounts", "command": "true"}, "small letters"),
        ({"name": "../x", "command": "true"}, "small letters"),
        ({"name": "mounts"}, "exactly one"),
        ({"name": "mounts", "command": "true", "argv": ["true"]}, "exactly one"),
        ({"name": "mounts", "command": "true", "parser": "xml"}, "parser"),
        ({"name": "mounts", "command": "true", "timeout": 0}, "timeout"),
        ({"name": "mounts", "command": "true", "Timeout": 5}, "Timeout"),
        ({"name": "pods", "api": "pod"}, "own name"),
        ({"name": "pod", "command": "true"}, "own name"),
        ({"name": "missing", "command": "true"}, "own name"),
        ({"name": "secret", "api": "secret"}, "none of"),
    ],
)
def test_a_collector_that_is_none_is_refused_with_its_place(entry: Any, said: str) -> None:
    with pytest.raises(ValueError, match=rf"checks.yml: collectors\[0\]: .*{said}"):
        collectors(entry)


@pytest.mark.parametrize("content", [None, [], {}, {"collectors": {}}, {"collectors": [], "analyzers": []}])
def test_a_file_without_collectors_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match=r"checks.yml: "):
        parse_collectors({"checks.yml": content})


def test_a_command_runs_niced_with_its_prelude_and_its_settings_and_keeps_all_that_it_prints() -> None:
    rows = as_rows(
        collectors({"name": "greeting", "command": "greet $SETTING_NAME"}, prelude='greet() { echo "hello $1"; }')
    )
    (command,) = debug_commands(rows, "cases/1/", {"name": "you"})
    assert command["dest"] == "cases/1/greeting.txt"
    assert command["changed"] is False
    ran = subprocess.run(
        command["argv"], env={"PATH": "/usr/bin:/bin", **command["env"]}, capture_output=True, check=True
    )
    assert ran.stdout == b"hello you\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("true", 0, b""),
        ("exit 7", 7, b""),
        (END, 1, b"the target's main process has ended\n"),
        (f"{END}; exit 7", 1, b"the target's main process has ended\n"),
    ],
)
def test_what_is_found_of_a_target_that_ends_meanwhile_is_no_fact(
    shell: str, command: str, code: int, said: bytes
) -> None:
    (made,) = debug_commands(as_rows(collectors({"name": "x", "command": command})), "x", {})
    kind = SHELLS[shell]
    with subprocess.Popen(["sleep", "3600"]) as process:
        around = {**kind.env, "TARGET_PID": str(process.pid)}
        with subprocess.Popen([*kind.argv, *made["argv"][1:]], env=around, stderr=subprocess.PIPE) as looking:
            # what has ended is there until its parent asks how
            if command.startswith(END):
                process.wait()
            _nothing, stderr = looking.communicate()
        process.kill()
    assert (looking.returncode, stderr) == (code, said)


@pytest.mark.parametrize("shell", SHELLS)
def test_of_a_target_that_is_gone_nothing_is_asked(shell: str) -> None:
    (made,) = debug_commands(as_rows(collectors({"name": "x", "command": "echo something"})), "x", {})
    kind = SHELLS[shell]
    ran = subprocess.run(
        [*kind.argv, *made["argv"][1:]], env={**kind.env, "TARGET_PID": "none"}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, b"")


@pytest.mark.parametrize(
    ("command", "tools"),
    [
        ("cat /proc/1/limits", ["cat"]),
        ("processes | sort -n", ["sed", "sort"]),
        ("echo cut\n  # find / | wc", []),
        ("find / -exec stat {} + 2>/dev/null | xargs -0 -r du", ["du", "find", "stat", "xargs"]),
        ("LC_ALL=C sed p; [ $(wc -l) = 0 ] || ! grep x", ["grep", "sed", "wc"]),
        ("if command -v find >/dev/null; then find /; fi", []),
        ("find=1 datelike /a/cat cat-like 'head'", []),
    ],
)
def test_the_tools_that_a_collector_stands_on_are_those_it_calls(command: str, tools: list[str]) -> None:
    prelude = "processes() { # not cat\n  below | at_most\n}\nat_most() { sed q; }\nbelow() { :; }\nother() {\n  tar\n}"
    (row,) = as_rows(collectors({"name": "x", "command": command}, prelude=prelude))
    assert row["tools"] == tools


@pytest.mark.parametrize("shell", SHELLS)
def test_what_an_image_lacks_is_named_and_nothing_is_said_without_it(shell: str, tmp_path: Path) -> None:
    command = "find / 2>/dev/null | sort; echo nothing; true"
    (made,) = debug_commands(as_rows(collectors({"name": "x", "command": command})), "x", {})
    around = {"PATH": str(tmp_path), "TARGET_PID": str(os.getpid())}
    path = shutil.which("sort") or ""
    (tmp_path / "sort").symlink_to(path)
    if shell != "ash":  # which has all of its tools in itself
        ran = subprocess.run([*SHELLS[shell].argv, *made["argv"][1:]], env=around, capture_output=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (127, b"", b"the debug image lacks find\n")


@pytest.mark.parametrize("shell", ["dash", "ash"])
def test_where_no_process_can_be_started_nothing_is_a_fact(shell: str) -> None:
    """Of a pipeline that could not be made in part the rest would look whole."""
    command = "echo 1 2 3 | while read -r number; do echo $(echo $number | cat); done; true"
    (made,) = debug_commands(as_rows(collectors({"name": "x", "command": command})), "x", {})
    codes = []
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        base.chmod(0o755)
        argv, tools = for_anybody(shell, base)
        for room in range(1, 24):
            limit = limited_to(room, 20_000 + (os.getpid() * 32 + room) % 40_000)
            around = {"PATH": tools, "TARGET_PID": "1"}
            words = [*argv, *made["argv"][1:]]
            ran = subprocess.run(words, env=around, capture_output=True, check=False, preexec_fn=limit)
            codes.append(ran.returncode)
            assert (ran.returncode == 0) == (ran.stdout == b"1 2 3\n"), (room, ran)
    assert codes[0] != 0
    assert codes[-1] == 0


def test_a_list_of_words_is_run_as_it_is() -> None:
    rows = as_rows(collectors({"name": "words", "argv": ["printf", "%s.", "a b", "$HOME"]}))
    (command,) = debug_commands(rows, "x", {})
    ran = subprocess.run(command["argv"], capture_output=True, check=True)
    assert ran.stdout == b"a b.$HOME."


def target(pod: str, namespace: str = "shop", node: str = "node-1") -> dict[str, str]:
    return {"namespace": namespace, "pod": pod, "container": "app", "node": node}


def test_one_pod_is_asked_for_by_name_and_several_by_one_list() -> None:
    rows = as_rows(collectors({"name": "pod", "api": "pod"}, {"name": "events", "api": "events"}))
    requests = api_requests(rows, [target("api-0"), target("api-1"), target("db-0", "data")])
    assert [(entry["kind"], entry["namespace"], entry["name"]) for entry in requests] == [
        ("Pod", "data", "db-0"),
        ("Event", "data", None),
        ("Pod", "shop", None),
        ("Event", "shop", None),
    ]
    assert requests[1]["field_selectors"] == ["involvedObject.kind=Pod", "involvedObject.name=db-0"]


def test_each_node_is_asked_for_once() -> None:
    rows = as_rows(collectors({"name": "node", "api": "node"}))
    requests = api_requests(rows, [target("api-0"), target("api-1"), target("api-2", node="node-2")])
    assert [entry["name"] for entry in requests] == ["node-1", "node-2"]


def test_nothing_is_asked_for_that_no_collector_wants() -> None:
    rows = as_rows(collectors({"name": "mounts", "command": "true"}))
    assert api_requests(rows, [target("api-0")]) == []
    assert log_requests(rows, [target("api-0")]) == []


def test_logs_are_read_for_each_container() -> None:
    rows = as_rows(collectors({"name": "previous_log", "api": "previous_log"}))
    assert log_requests(rows, [target("api-0")]) == [
        {"namespace": "shop", "pod": "api-0", "container": "app", "previous": True}
    ]


@pytest.mark.parametrize("folder", sorted(ROLES.glob("*/collectors")), ids=lambda folder: folder.parent.name)
def test_the_collectors_of_each_role_are_some_and_their_shell_is_shell(folder: Path) -> None:
    rows = as_rows(parse_collectors(read_checks([str(folder)])))
    assert rows
    for row in rows:
        if row["command"]:
            checked = subprocess.run(["sh", "-n", "-c", row["command"]], capture_output=True, check=False)
            assert checked.returncode == 0, (row["name"], checked.stderr)


def test_a_file_that_something_else_puts_there_is_found_for_each_target() -> None:
    (row,) = as_rows(
        parse_collectors({"a.yml": {"collectors": [{"name": "x", "file": "kept/{namespace}/{pod}/x.json"}]}})
    )
    assert file_of(row, {"namespace": "shop", "pod": "api-0", "container": "app"}) == "kept/shop/api-0/x.json"
    assert debug_commands([row], "case", {}) == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "{node}/x", "{}/x"])
def test_no_file_lies_outside_the_case(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path in the case folder"):
        parse_collectors({"a.yml": {"collectors": [{"name": "x", "file": path}]}})


def test_what_is_secret_stands_in_its_file_only() -> None:
    entry = {"name": "values", "command": "env", "secret": True, "suffix": "bin"}
    (row,) = as_rows(parse_collectors({"a.yml": {"collectors": [entry]}}))
    (command,) = debug_commands([row], "case", {})
    assert (command["max_stdout"], command["max_output"], command["dest"]) == (0, 1, "case/values.bin")
