# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Contenders take turns; what fails is said and not run again; commands are measured with all that they print."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from delay import Line, Pulse, delaying
from figures import MIB, Sample
from link import ends
from measuring import Contender, Spent, Trouble, interleaved, spent
from playbook import INSIDE, sample, shown_result


def ignore(_line: str) -> None:
    """What is told to the person at the terminal."""


def contender(name: str, ran: list[str], fails: int = 0, most_broken: int = 0) -> Contender:
    """One whose first runs fail."""

    def run() -> Sample:
        ran.append(name)
        if ran.count(name) <= fails:
            raise Trouble("no")
        return Sample(1.0)

    return Contender(name, run, most_broken=most_broken)


def test_contenders_take_turns_and_each_begins_once() -> None:
    ran: list[str] = []
    interleaved([contender(name, ran) for name in "ABC"], 3, ignore)
    assert "".join(ran) == "ABCBCACAB"


def test_one_that_fails_is_not_run_again_and_the_others_go_on() -> None:
    ran: list[str] = []
    good, bad = interleaved([contender("good", ran), contender("bad", ran, fails=9)], 3, ignore)
    assert ran.count("bad") == 1
    assert (bad.trouble, bad.median()) == ("no", None)
    assert (len(good.samples), good.trouble) == (3, "")


@pytest.mark.parametrize(("fails", "ran", "trouble"), [(1, 4, ""), (2, 5, ""), (3, 3, "no")])
def test_a_run_that_may_break_is_made_again_and_counted(fails: int, ran: int, trouble: str) -> None:
    names: list[str] = []
    (row,) = interleaved([contender("shaky", names, fails, most_broken=2)], 3, ignore)
    assert (len(names), len(row.samples), row.broken, row.trouble) == (ran, 0 if trouble else 3, fails, trouble)


def test_work_that_is_not_whole_counts_as_a_failure() -> None:
    def check() -> None:
        raise Trouble("half of it came")

    (row,) = interleaved([Contender("hasty", lambda: Sample(1.0), check=check)], 2, ignore)
    assert (row.samples, row.trouble) == ((), "half of it came")


def test_a_command_is_kept_with_its_output_and_its_memory() -> None:
    done = spent([sys.executable, "-c", f"x = bytearray({64 * MIB}); print('done')"])
    assert done.printed == "done\n"
    assert done.peak > 64 * MIB


def test_a_pipe_is_one_command() -> None:
    assert spent(["sh", "-c", "echo one"], into=["sed", "s/one/two/"]).printed == "two\n"


@pytest.mark.parametrize("into", [[], ["cat"]])
def test_a_command_that_fails_says_why(into: list[str]) -> None:
    with pytest.raises(Trouble, match="sh ended with status 3: broken"):
        spent(["sh", "-c", "echo broken >&2; exit 3"], into=into)


def test_commands_one_after_the_other_add_up_but_for_their_memory() -> None:
    assert Spent(1.0, 5, 0.5, "a") + Spent(2.0, 3, 0.25, "b") == Spent(3.0, 5, 0.75, "ab")


def test_the_result_of_a_task_is_found_in_what_ansible_prints() -> None:
    printed = 'No config file found\nPLAY [x] ***\nchanged: [localhost] => {"changed": true, "msg": "a => {b"}\n'
    assert shown_result(printed) == {"changed": True, "msg": "a => {b", "failed": False}


def test_the_last_result_of_a_loop_is_taken() -> None:
    printed = 'ok: [localhost] => (item=1) => {"n": 1}\nok: [localhost] => (item=2) => {"n": 2}\n'
    assert shown_result(printed) == {"n": 2, "failed": False}


def test_a_task_that_failed_is_known_as_such() -> None:
    assert shown_result('fatal: [localhost]: FAILED! => {"msg": "no"}\n') == {"msg": "no", "failed": True}


def test_a_play_without_a_result_is_a_failure() -> None:
    with pytest.raises(Trouble, match="syntax"):
        shown_result("a syntax error")


def test_the_processes_of_a_loop_are_added_up_and_the_largest_counts() -> None:
    notes = [json.dumps({"seconds": 0.5, "peak": 7}), json.dumps({"seconds": 0.25, "peak": 9})]
    found = sample(Spent(2.0, 99, 1.0), {"stats": {"elapsed": 0.1, "transferred_bytes": 3}}, notes)
    assert found == Sample(2.0, inside=0.75, elapsed=0.1, peak=9, cpu=1.0, moved=3)


def test_a_python_process_notes_its_own_memory_and_not_its_parents(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    environment = {"PYTHONPATH": str(INSIDE), "BENCH_NOTES": str(notes)}
    ballast = bytearray(200 * MIB)
    subprocess.run([sys.executable, "-c", "pass"], env=environment, check=True)
    (line,) = notes.read_text(encoding="utf-8").splitlines()
    assert 0 < json.loads(line)["peak"] < len(ballast)


def _reversing(server: socket.socket) -> None:
    """Serves one client: reads to its end, answers all of it backwards."""
    connection, _address = server.accept()
    with connection:
        received = b"".join(iter(partial(connection.recv, 1 << 16), b""))
        connection.sendall(received[::-1])


def test_the_delaying_proxy_gives_on_every_byte_and_each_end() -> None:
    asked = bytes(range(256)) * 8192
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_reversing, args=(server,), daemon=True)
        thread.start()
        with (
            delaying("127.0.0.1", server.getsockname(), 0.01) as port,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            client.sendall(asked)
            client.shutdown(socket.SHUT_WR)
            answered = b"".join(iter(partial(client.recv, 1 << 16), b""))
        thread.join()
    assert answered == asked[::-1]


class Gone(asyncio.StreamWriter):
    """A side that went away: whatever is said to it fails."""

    def __init__(self) -> None:
        """Without a transport: nothing is ever carried."""

    def __del__(self) -> None:
        """Nothing to close."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise BrokenPipeError

    def write_eof(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("said", [b"", b"more than nothing"])
def test_the_delaying_proxy_comes_to_its_end_when_the_other_side_is_gone(said: bytes) -> None:
    async def carried() -> None:
        source = asyncio.StreamReader()
        source.feed_data(said)
        source.feed_eof()
        await asyncio.wait_for(Line(0.0, Pulse()).carry(source, Gone()), timeout=10)

    asyncio.run(carried())


def test_the_delaying_proxy_drops_a_client_whose_server_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = closed.getsockname()
    with delaying("127.0.0.1", address, 0.0) as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(1) == b""


@pytest.mark.parametrize("number", [1, 32767, 32768, 4194303])
def test_the_link_of_each_run_has_names_and_addresses_of_its_own(number: int) -> None:
    mine, next_one = ends(number), ends(number + 1)
    # the kernel allows 15 characters
    assert max(len(mine.near), len(mine.far)) <= 15
    assert {mine.near, mine.far}.isdisjoint({next_one.near, next_one.far})
    assert {mine.near_address, mine.far_address}.isdisjoint({next_one.near_address, next_one.far_address})


def test_the_two_ends_are_hosts_of_one_network() -> None:
    assert ends(0).near_address == "198.18.0.1"
    assert ends(0).far_address == "198.18.0.2"
