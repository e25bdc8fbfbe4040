# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a connection puts and fetches are those that they were, or they are not there; a real shell plays the debugger's."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import Command
from ansible_collections.incident.distroless.plugins.module_utils._hosts import container
from ansible_collections.incident.distroless.plugins.module_utils._hosts.container import (
    Container,
    Ended,
    Place,
    pods_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import Source


class Here(Container):
    """A container whose commands run in a shell of this machine; cut: so many bytes of each that is put do not arrive."""

    cut = 0
    path = os.environ["PATH"]

    def __init__(self) -> None:
        super().__init__(Source("", {}), Place("shop", "api-0", None, {}), lambda _sentence: None)

    @property
    def image(self) -> str:
        return "busybox"

    def _is_whole(self) -> bool:
        return True

    def _run(self, command: Command) -> Ended:
        words: Any = ("sh", "-c", command.run) if isinstance(command.run, str) else command.run
        data = command.stdin
        if data and self.cut:
            data = data[: -self.cut]
        try:
            done = subprocess.run(words, input=data or b"", capture_output=True, check=False, env={"PATH": self.path})
        except FileNotFoundError:
            return Ended(127, b"", b"not found")
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def piecemeal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "PIECE", 1000)


@pytest.mark.parametrize("size", [0, 1, 1000, 4321])
@pytest.mark.usefixtures("piecemeal")
def test_a_file_that_is_put_is_what_it_was(tmp_path: Path, size: int) -> None:
    source, there = tmp_path / "source", tmp_path / "a 'name' of $HOME"
    source.write_bytes(os.urandom(size))
    there.write_text("of before", encoding="utf-8")
    Here().put(source, str(there))
    assert hashlib.sha256(there.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([source.name, there.name])


@pytest.mark.usefixtures("piecemeal")
def test_a_file_that_does_not_arrive_whole_leaves_what_was_there(tmp_path: Path) -> None:
    source, there = tmp_path / "source", tmp_path / "there"
    source.write_bytes(b"x" * 2500)
    there.write_text("of before", encoding="utf-8")
    torn = Here()
    torn.cut = 1
    with pytest.raises(Failure) as caught:
        torn.put(source, str(there))
    assert caught.value.reason == "ConnectionLost"
    assert there.read_text(encoding="utf-8") == "of before"
    assert len(list(tmp_path.iterdir())) == 2


def test_an_image_without_the_tool_that_proves_is_said(tmp_path: Path) -> None:
    source, tools = tmp_path / "source", tmp_path / "tools"
    source.write_bytes(b"x")
    tools.mkdir()
    for name in ("sh", "cat", "mv", "rm"):
        (tools / name).symlink_to(f"/bin/{name}")
    bare = Here()
    bare.path = str(tools)
    with pytest.raises(Failure) as caught:
        bare.put(source, str(tmp_path / "there"))
    assert caught.value.reason == "ImageLacksTool"
    assert "busybox" in caught.value.message
    assert not (tmp_path / "there").exists()


@pytest.mark.usefixtures("piecemeal")
def test_a_long_stdin_goes_by_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    given = os.urandom(3210)
    ended = Here().run(f"cat; echo done >&2; TMPDIR={tmp_path}; exit 3", given)
    assert (ended.status, ended.stdout, ended.stderr) == (3, given, b"done\n")


def test_a_home_that_cannot_be_written_is_tmp() -> None:
    assert Here().run("echo $HOME").stdout == b"/tmp\n"


@pytest.mark.parametrize(
    ("hosts", "count"),
    [
        ([], 0),
        (["shop/a/app", "shop/a/log", "shop/b/app"], 2),
        (["eu/shop/a/app", "us/shop/a/app"], 2),
        (["one", "two", "localhost"], 2),
    ],
)
def test_pods_are_counted_by_the_names_of_their_hosts(hosts: list[str], count: int) -> None:
    assert pods_of(hosts) == count


class Shell:
    """A remote shell that is free and answers nothing."""

    is_free, timeout, is_closed = True, 1.0, False

    def run(self, _script: bytes) -> Shell:
        return self

    def copy(self, _take: object) -> int:
        return 0

    def finish(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def test_the_first_command_runs_in_the_shell_that_found_the_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task of a play is one: a second shell would cost each of them an exec."""
    shell = Shell()
    seen = SimpleNamespace(pid=1, root="/proc/1/root", started=None)
    attached = SimpleNamespace(session=shell, seen=seen, target=None, debugger=SimpleNamespace(name="debugger-1"))
    for name in ("connect", "get_pod", "make_target"):
        monkeypatch.setattr(container, name, lambda *_given: None)
    monkeypatch.setattr(container, "ensure", lambda *_given, **_options: attached)
    monkeypatch.setattr(container, "script_for", lambda *_given: b"true")
    opened = Container(Source("", {}), Place("shop", "api-0", None, {}), lambda _sentence: None)
    opened.open()
    assert opened.run("true").status == 0
    assert shell.timeout == container.MAX_SECONDS
    opened.close()
    assert shell.is_closed
