# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import (
    MAX_STDIN,
    Command,
    parse_commands,
    script_for,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.output_limit import (
    MAX_TASK_OUTPUT,
    limit_output,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult

NOBODY = Credentials(65532, 65532, (), ())
SIGHT = ProbeResult(pid=7, debugger=NOBODY, target=NOBODY, root_readable=True)
HOSTILE = ["a'b", '"', "$(touch x)", "`id`", "two\nlines", "-n", "", "\\", "ünï", "*", "a;b", "&"]


def output(command: Command, cwd: Path | None = None) -> str:
    """What the job prints in a real shell."""
    return subprocess.run(
        ["sh", "-c", script_for(command, SIGHT)], capture_output=True, check=False, cwd=cwd
    ).stdout.decode()


@pytest.mark.parametrize("word", HOSTILE)
def test_a_word_of_argv_arrives_as_it_is(word: str) -> None:
    assert output(Command(run=("printf", "<%s>", word))) == f"<{word}>"


@pytest.mark.parametrize("value", HOSTILE)
def test_an_environment_value_arrives_as_it_is(value: str) -> None:
    assert output(Command(run='printf "<%s>" "$X"', env={"X": value})) == f"<{value}>"


@pytest.mark.parametrize("name", ["a b", "-P", "$(touch x)", "it's"])
def test_chdir_takes_any_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert output(Command(run="pwd", chdir=name), tmp_path).strip() == str(tmp_path / name)


def test_a_directory_that_is_not_there_ends_the_command() -> None:
    assert output(Command(run="echo ran", chdir="/not/there")) == ""


def test_the_target_is_in_the_environment() -> None:
    assert output(Command(run="echo $TARGET_PID $TARGET_ROOT")) == "7 /proc/7/root\n"


def test_a_string_is_a_shell_line_and_a_dictionary_says_more() -> None:
    assert parse_commands(["ls", {"argv": ["ls", 5], "timeout": "9", "changed": "no"}]) == [
        Command(run="ls"),
        Command(run=("ls", "5"), timeout=9, changed=False),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        5,
        {},
        {"cmd": ""},
        {"cmd": "a", "argv": ["b"]},
        {"argv": "b"},
        {"cmd": "a\0b"},
        {"cmd": "a", "env": {"A B": 1}},
        {"cmd": "a", "timeout": 0},
        {"cmd": "a", "timeout": 10_000_000_000},
        {"cmd": "a", "unknown": 1},
        {"cmd": "a", "stdin": ["b"]},
        {"cmd": "a", "stdin": True},
        {"cmd": "a", "stdin": "x" * (MAX_STDIN + 1)},
        {"cmd": "a", "stdin": "\x01" * (MAX_STDIN // 2)},
        {"cmd": "a", "dest": ""},
        {"cmd": "a", "dest": "folder/"},
        {"cmd": "a", "dest": "folder/.."},
    ],
)
def test_what_is_no_command_is_refused_by_its_index(entry: object) -> None:
    with pytest.raises(Failure, match=r"commands\[1\]") as caught:
        parse_commands(["ls", entry])
    assert caught.value.reason == "InvalidRequest"


def test_a_refusal_shows_no_environment_value() -> None:
    with pytest.raises(Failure) as caught:
        parse_commands([{"cmd": "a", "env": {"not a name": "hunter2"}}])
    assert "hunter2" not in caught.value.message


def test_a_refusal_shows_no_stdin() -> None:
    with pytest.raises(Failure, match="1048576 bytes") as caught:
        parse_commands([{"cmd": "a", "stdin": "hunter2" * MAX_STDIN}])
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(parse_commands([{"cmd": "a", "stdin": "hunter2"}]))


def test_dest_is_a_path_as_ansibles_own_type_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    given = ["~/a", "$HOME/b", "c/./d"]
    wanted = ["/home/me/a", "/home/me/b", str(tmp_path / "c/d")]
    assert [command.dest for command in parse_commands([{"cmd": "x", "dest": path} for path in given])] == wanted


def test_two_commands_cannot_write_the_same_file() -> None:
    with pytest.raises(Failure, match=r"commands\[1\].*commands\[0\]"):
        parse_commands([{"cmd": "a", "dest": "/tmp/x"}, {"cmd": "b", "dest": "/tmp/./x"}])


def row(text: str) -> dict[str, list[dict[str, object]]]:
    """A target's row with one command that printed text."""
    streams: dict[str, object] = {"stdout": text, "stderr": "", "stdout_lines": text.splitlines(), "stderr_lines": []}
    return {"commands": [{"cmd": "x", **streams, "stdout_truncated": False}]}


def test_the_output_of_one_task_is_cut_together_and_says_so() -> None:
    """What is short stays whole, and what is long has as much as any other that is."""
    rows = [row("x" * (size << 10)) for size in (150, 150, 10, 0)]
    (warning,) = limit_output(rows)
    assert "dest" in warning
    sizes = [len(str(entry["commands"][0]["stdout"])) >> 10 for entry in rows]
    assert sizes == [90, 90, 10, 0]
    assert [entry["commands"][0]["stdout_truncated"] for entry in rows] == [True, True, False, False]
    assert limit_output([row("x")]) == []


@pytest.mark.parametrize("piece", ["x", "\n", "\0", "\ufffd", "\U0001f600", '"\\'])
def test_a_result_is_small_enough_whatever_was_printed(piece: str) -> None:
    rows = [row(piece * (64 << 10)) for _number in range(8)]
    limit_output(rows)
    assert MAX_TASK_OUTPUT - 20_000 < len(json.dumps(rows)) < MAX_TASK_OUTPUT + 10_000


def test_fifty_targets_with_many_long_commands_make_a_result_that_is_kept() -> None:
    script = "sleep 1\n" * 500
    one = {**row("y" * 1024)["commands"][0], "dest": "/home/me/" + "d" * 100, "dest_sha256": "0" * 64, "name": "n" * 20}
    rows = [
        {"pod": "p" * 60, "commands": [{**one, "cmd": cmd} for cmd in [script, ["sh", "-c", script]] * 7]}
        for _number in range(50)
    ]
    limit_output(rows)
    assert len(json.dumps(rows)) < 500_000
    # the first target's tell what was run
    assert [entry["cmd"] for entry in rows[0]["commands"]][:2] == [script, ["sh", "-c", script]]
    assert [entry["cmd"] for entry in rows[-1]["commands"]][:2] == [f"{script[:60]}...", ["sh", "..."]]
    short = [row("x"), row("y")]
    limit_output(short)
    assert [entry["commands"][0]["cmd"] for entry in short] == ["x", "x"]
