# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An outlet that lies about itself, or whose streams are kept from us."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote import session as session_module
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, Pipes, open_session, reader


def saying(words: str) -> Pipes:
    """An outlet that says so and then waits for the end of its stdin."""
    return Pipes(["sh", "-c", f"{words}; cat >/dev/null"])


@pytest.mark.parametrize(
    "words",
    [
        "exit",
        "echo",
        "echo 0",
        "echo -1",
        "echo self",
        "echo '1; kill -9 1'",
        "echo ../1",
        "printf '12\\n13\\n'",
        "echo 12345678901",
        "yes",
        "yes 1 | tr -d '\\n'",
    ],
)
def test_an_outlet_that_does_not_say_its_pid_ends_the_session(words: str) -> None:
    outlet = saying(words)
    with open_session("dash", outlet=outlet, timeout=60.0) as session, pytest.raises(Failure) as caught:
        session.run(b"echo never; sleep 5")
    assert caught.value.reason == "ConnectionLost"
    # it is not left open
    assert outlet.process.poll() is not None


def test_an_outlet_that_there_is_no_room_for_says_so_in_the_runtimes_words() -> None:
    outlet = Pipes(
        ["sh", "-c", "echo 'runtime: failed to create new OS thread (have 3 already; errno=11)' >&2; exit 2"]
    )
    with open_session("dash", outlet=outlet) as session, pytest.raises(Failure, match="new OS thread") as caught:
        session.run(b"echo never")
    assert caught.value.reason == "LookBroken"


@pytest.mark.parametrize("shell", SHELLS)
def test_where_its_streams_cannot_be_opened_the_shell_answers_itself(shell: str) -> None:
    # no process has it: pids end at 4194304
    outlet = saying("echo 9999999")
    with open_session(shell, outlet=outlet) as session:
        answer = reader(session.run(b"echo here; echo there >&2; exit 3"))
        assert (answer.line(), answer.end(), answer.stderr) == (b"here", 3, b"there\n")
        assert outlet.process.poll() is not None
        assert session.run(b"echo again").output(9) == b"again\n"


@pytest.mark.parametrize("has_outlet", [True, False], ids=["outlet", "no outlet"])
def test_the_line_that_a_quiet_job_answers_on_is_kept_alive(
    has_outlet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "TENDING", 0.05)
    kept: dict[Pipes, Path] = {}

    def keep_alive(stream: Pipes) -> None:
        kept.setdefault(stream, tmp_path / f"kept-{len(kept)}").touch()

    monkeypatch.setattr(Pipes, "keep_alive", keep_alive)
    # it says nothing until each of its lines was used
    lines = 2 if has_outlet else 1
    wait = f"until [ -e {tmp_path}/kept-{lines - 1} ]; do sleep 0.01; done; echo awake"
    with open_session("dash", has_outlet=has_outlet, timeout=20.0) as session:
        assert reader(session.run(wait.encode())).line() == b"awake"
