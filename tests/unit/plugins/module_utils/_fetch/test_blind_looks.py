# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a tool is missing, is killed or cannot be started, nothing is concluded from what it did not say."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._remote import session
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.tools import LOOKING
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import (
    SHELLS,
    Pipes,
    for_anybody,
    limited_to,
)

SMALL, LARGE, LINKS = 30, 3, 6
ALL = SMALL + LARGE


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that any user may look into."""
    folder = Path(tempfile.mkdtemp(prefix="blind-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def world(base: Path) -> World:
    world = World(base, "dash")
    for number in range(SMALL):
        world.write(f"/data/small/{number}", b"%d" % number * 100)
    for number in range(LARGE):
        world.write(f"/data/large/{number}", b"%d" % number * 50_000)
    for number in range(LINKS):
        world.link(f"/data/links/{number}", f"../small/{number}")
    return world


def outcome(world: World, opener: Callable[[], Session]) -> Fetched | Failure:
    try:
        return world.fetch("/data", opener=opener, retries=0)
    except Failure as failure:
        return failure


def says_only_what_it_saw(world: World, done: Fetched | Failure) -> str:
    """All of it, or a failure; and no row of before is called gone. Gives the reason, or `all`."""
    assert [src for src, row in world.manifest().items() if row.get("gone")] == []
    if isinstance(done, Failure):
        print(done.reason, done.message)
        return done.reason
    print(done.failure, done.failure and done.failure.message)
    rows = statuses(done)
    assert {reason for _status, reason in rows.values()} <= {None, "LookBroken", "ConnectionLost", "ChecksumMismatch"}
    if done.failure is not None:
        return done.failure.reason
    files = [row for row in done.files if row["type"] == "file"]
    assert len(files) == ALL
    assert {row["status"] for row in files} <= {"fetched", "unchanged"}
    assert len([row for row in done.files if row["type"] == "link"]) == LINKS
    return "all"


def tools_in(folder: Path, *, without: str = "") -> Path:
    """A folder with the tools of this machine, less one."""
    tools = folder / f"tools-without-{without}"
    tools.mkdir()
    for name in {*LOOKING, "sh", "wc", "gzip", "tr", "rm", "sleep"} - {without}:
        (tools / name).symlink_to(shutil.which(name) or "missing")
    return tools


def session_with(tools: Path, **options: object) -> Session:
    nonce = new_nonce()
    words = exec_command(nonce)
    pipes = Pipes([*SHELLS["dash"].argv, *words[1:]], {"PATH": str(tools), "LC_ALL": "C"}, **options)
    return Session(pipes, nonce, timeout=60.0)


@pytest.mark.parametrize("tool", LOOKING)
def test_a_tool_that_is_missing_is_named(world: World, base: Path, tool: str) -> None:
    tools = tools_in(base, without=tool)
    done = outcome(world, lambda: session_with(tools))
    assert isinstance(done, Failure)
    assert done.reason == "ImageLacksTool"
    assert done.message == f"The debug image lacks a working {tool}."
    # the hint says where it is to be had
    assert "busybox" in done.hint


@pytest.mark.parametrize("tool", ["find", "stat", "dd"])
def test_a_tool_that_does_something_else_under_its_name_is_named(world: World, base: Path, tool: str) -> None:
    tools = tools_in(base, without=tool)
    (tools / tool).write_text("#!/bin/sh\necho usage: something else\nexit 1\n")
    (tools / tool).chmod(0o755)
    done = outcome(world, lambda: session_with(tools))
    assert isinstance(done, Failure)
    assert (done.reason, tool in done.message) == ("ImageLacksTool", True)


# which of its calls ends by a signal: those that try it, that look, that read
CALLS = [1, 2, 3, 4, 6, 9, 14]


@pytest.mark.parametrize("tool", LOOKING)
def test_a_tool_that_is_killed_makes_nothing_gone(world: World, base: Path, tool: str) -> None:
    assert says_only_what_it_saw(world, _first(world)) == "all"
    # hashes alone would prove all the same
    shutil.rmtree(world.copy / "data/large")
    reasons = set()
    for call in CALLS:
        tools = tools_in(base, without=tool)
        count = base / "count"
        count.write_text("")
        (tools / tool).write_text(
            f"#!/bin/sh\necho >>{count}\nlines=0\nwhile read -r line; do lines=$((lines + 1)); done <{count}\n"
            f'[ $lines != {call} ] || kill -9 $$\nexec {shutil.which(tool)} "$@"\n'
        )
        (tools / tool).chmod(0o755)
        reasons.add(says_only_what_it_saw(world, outcome(world, lambda tools=tools: session_with(tools))))
        shutil.rmtree(tools)
    assert reasons <= {"all", "LookBroken", "ConnectionLost"}
    assert "LookBroken" in reasons


def _first(world: World) -> Fetched | Failure:
    return world.fetch("/data")


class Killed(Pipes):
    """Pipes to a process that need not come to its end."""

    def close(self) -> None:
        self.process.kill()
        super().close()


def test_a_bash_that_tries_a_refused_fork_again_and_again_is_a_look_that_broke(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so for 15 seconds, silently but for its stderr: who waits for less is told why nothing comes."""
    # it does not hear that it is given up either
    monkeypatch.setattr(session, "PARTING", 0.1)
    limit = limited_to(1, 61_001)

    def opening() -> Session:
        nonce = new_nonce()
        words = ["/bin/bash", *exec_command(nonce)[1:]]
        return Session(Killed(words, {"PATH": os.environ["PATH"]}, preexec_fn=limit), nonce, timeout=6.0)

    done = outcome(world, opening)
    assert isinstance(done, Failure)
    assert (done.reason, "fork: retry: " in done.message) == ("LookBroken", True), done.message


@pytest.mark.parametrize("shell", ["dash", "ash"])
def test_a_pod_that_may_have_no_more_processes_makes_nothing_gone(world: World, base: Path, shell: str) -> None:
    """As many as the pod has room for, from none up to enough."""
    assert says_only_what_it_saw(world, _first(world)) == "all"
    shutil.rmtree(world.copy / "data/large")
    argv, tools = for_anybody(shell, base)
    reasons: list[str] = []
    for room in range(1, 12):
        limit = limited_to(room, 20_000 + (os.getpid() * 16 + room) % 40_000)

        def opening(limited: Callable[[], None] = limit) -> Session:
            nonce = new_nonce()
            words = exec_command(nonce)
            pipes = Pipes([*argv, *words[1:]], {"PATH": tools, "LC_ALL": "C"}, preexec_fn=limited)
            return Session(pipes, nonce, timeout=60.0)

        reasons.append(says_only_what_it_saw(world, outcome(world, opening)))
    assert reasons[0] == "LookBroken"
    assert reasons[-1] == "all"
    assert set(reasons) <= {"all", "LookBroken"}
