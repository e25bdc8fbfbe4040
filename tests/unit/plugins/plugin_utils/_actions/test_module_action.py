# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pty
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import MAX_LINE, Progress
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.module_action import _has_terminal, listening


@pytest.fixture(autouse=True)
def local_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the controller keeps its temporary files."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def test_all_that_was_said_is_shown_when_the_work_is_done_and_nothing_is_left(local_tmp: Path) -> None:
    shown: list[str] = []
    with listening(shown.append) as path:
        progress = Progress(path)
        for number in range(10):
            progress.say("t", str(number))
    assert shown == [f"t: {number}" for number in range(10)]
    assert list(local_tmp.iterdir()) == []


def test_only_this_user_can_say_anything(local_tmp: Path) -> None:
    with listening(lambda _line: None) as path:
        assert path is not None
        assert Path(path).parent.stat().st_mode & 0o777 == 0o700


def test_what_is_shown_is_printable_whoever_said_it() -> None:
    shown: list[str] = []
    with listening(shown.append) as path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as liar:
        assert path is not None
        liar.sendto(b"\x1b]0;title\x07\xff" + b"x" * 5000, path)
    (line,) = shown
    assert line.isprintable()
    assert len(line) <= MAX_LINE


def test_where_no_socket_can_be_the_work_is_done_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(deep))
    with listening(lambda _line: None) as path:
        assert path is None
    assert list(deep.iterdir()) == []


def test_a_failure_of_the_work_is_its_own() -> None:
    with pytest.raises(OSError, match="of the task"), listening(lambda _line: None):
        raise OSError("of the task")


@pytest.fixture
def terminal() -> Iterator[int]:
    leader, follower = pty.openpty()
    yield follower
    os.close(leader)
    os.close(follower)


def test_a_terminal_is_known_from_another_process(terminal: int) -> None:
    for stdout, is_terminal in ((terminal, True), (subprocess.PIPE, False), (subprocess.DEVNULL, False)):
        with subprocess.Popen(["sleep", "30"], stdout=stdout) as process:
            assert _has_terminal(process.pid) is is_terminal
            process.kill()
    assert not _has_terminal(process.pid)
