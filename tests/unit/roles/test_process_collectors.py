# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of process_triage, run here, and what it says of what it did not look at."""

from __future__ import annotations

import _ctypes
import mmap
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import SHELLS, collect, holder, judged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def sleepers() -> Iterator[list[int]]:
    """The pids of three processes, the lowest first."""
    running = [subprocess.Popen(["sleep", "3600"]) for _number in range(3)]
    yield sorted(process.pid for process in running)
    for process in running:
        process.kill()
        process.wait()


def only(pids: list[int]) -> dict[str, str]:
    """What makes these processes all that there are, in a text order that is not that of their numbers."""
    return {"for process in /proc/[0-9]*": "for process in " + " ".join(f"/proc/{pid}" for pid in reversed(pids))}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_processes_are_all_there_with_what_they_run(shell: str, sleepers: list[int]) -> None:
    arguments = ("process_triage", "processes", shell, sleepers[0])
    rows = collect(*arguments, changes=only(sleepers))
    assert [(row["pid"], row["name"], row["command"]) for row in rows] == [
        (pid, "sleep", "sleep 3600") for pid in sleepers
    ]
    assert {row["exe"] for row in rows} == {str(Path(f"/proc/{sleepers[0]}/exe").readlink())}
    assert collect(*arguments, changes=only(sleepers), parser="completeness")["is_complete"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_at_the_end_of_a_connection_is_seen_and_one_at_a_pipe_is_none(shell: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        far = server.accept()[0]
        inode = os.fstat(far.fileno()).st_ino
        with (
            subprocess.Popen(["sh"], stdin=far, stdout=far) as remote,
            subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=far) as local,
        ):
            # each has become a shell once it answers
            near.sendall(b"echo up\n")
            assert near.recv(9) == b"up\n"
            assert local.stdin is not None
            local.stdin.write(b"echo up\n")
            local.stdin.flush()
            assert near.recv(9) == b"up\n"
            pids = sorted((remote.pid, local.pid))
            rows = collect("process_triage", "processes", shell, pids[0], changes=only(pids))
            far.close()
            near.close()
            local.stdin.close()
    assert {row["pid"]: row["prompt_socket"] for row in rows} == {remote.pid: inode, local.pid: None}


@pytest.mark.parametrize("shell", SHELLS)
def test_processes_beyond_the_limit_are_said_to_be_left_out(shell: str, sleepers: list[int]) -> None:
    arguments = ("process_triage", "processes", shell, sleepers[0])
    changes = {**only(sleepers), "at_most 2000": "at_most 2"}
    assert [row["pid"] for row in collect(*arguments, changes=changes)] == sleepers[:2]
    seen = collect(*arguments, changes=changes, parser="completeness")
    (finding,) = judged("process_triage", {"processes_seen": seen}, {}, "processes_not_all_seen")
    assert finding.verdict == "unknown"
    hashed = collect("process_triage", "binaries", shell, sleepers[0], changes=changes, parser="counters")
    assert set(hashed) == {str(pid) for pid in sleepers[:2]}


@pytest.mark.parametrize("shell", SHELLS)
def test_of_a_target_that_is_gone_no_process_is_another_s(shell: str) -> None:
    assert collect("process_triage", "processes", shell, "none") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sockets_beyond_the_limit_are_said_to_be_left_out(shell: str) -> None:
    arguments = ("process_triage", "sockets", shell, os.getpid())
    assert collect(*arguments, parser="completeness")["is_complete"]
    # of each file the heading is all that is within the limit
    changes = {"at_most 20000": "at_most 1"}
    assert collect(*arguments, changes=changes) == []
    seen = collect(*arguments, changes={"at_most 20000": "at_most 0"}, parser="completeness")
    (finding,) = judged("process_triage", {"sockets_seen": seen}, {}, "sockets_not_all_seen")
    assert finding.verdict == "unknown"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_network_without_a_protocol_is_no_error(shell: str) -> None:
    assert collect("process_triage", "sockets", shell, os.getpid(), changes={"/net/$name": "/net/no-$name"}) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_changed_files_beyond_the_limit_are_said_to_be_left_out(
    shell: str, sleepers: list[int], tmp_path: Path
) -> None:
    # more than 64 KiB of paths
    folder = tmp_path / "etc" / "/".join(["deep" * 50] * 15)
    folder.mkdir(parents=True)
    names = ["a", "b", *(f"odd\n{number}" for number in range(24))]
    for name in names:
        (folder / name).write_bytes(b"x")
    arguments = ("process_triage", "changed_files", shell, sleepers[0], tmp_path)
    found = collect(*arguments, parser="file_changes")
    assert (len(found["files"]), found["is_complete"]) == (len(names), True)
    found = collect(*arguments, parser="file_changes", changes={"at_most 2000": "at_most 3"})
    assert (len(found["files"]), found["is_complete"]) == (3, False)
    (finding,) = judged("process_triage", {"changed_files": found}, {}, "files_not_all_seen")
    assert finding.verdict == "unknown"


# what is loaded as libraries are, and what a compiler at run time makes of a file that it shares with itself
LOAD = """
import ctypes, mmap, os, sys
way, path = sys.argv[1:]
if way == "library":
    ctypes.CDLL(path)
if way == "compiler":
    with open(path, "r+b") as file:
        kept = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def loading(way: str, path: Path, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A process that has loaded a file: its pid."""
    words = [sys.executable, "-c", LOAD, way, str(path)]
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "LD_AUDIT")}
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**clean, **(environment or {})},
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        assert process.stdin
        process.stdin.close()


def code_of(shell: str, pid: int) -> dict[str, Any]:
    found: dict[str, Any] = collect("process_triage", "loaded", shell, pid, changes=only([pid]))
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_a_library_that_a_process_has_loaded_is_seen_and_stays_so_when_it_is_deleted(
    shell: str, tmp_path: Path
) -> None:
    copy = tmp_path / "a library.so"
    shutil.copy(_ctypes.__file__, copy)
    with loading("library", copy) as pid:
        rows = [row for row in code_of(shell, pid)["code"] if row["path"] == str(copy)]
        copy.unlink()
        later = [row for row in code_of(shell, pid)["code"] if row["path"] == str(copy)]
    assert [rows, later] == [[{"pid": pid, "path": str(copy), "is_deleted": is_so}] for is_so in (False, True)]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_compiler_at_run_time_shares_with_itself_is_no_library(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "ffi"
    file.write_bytes(bytes(mmap.PAGESIZE))
    with loading("compiler", file) as pid:
        assert str(file) in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        found = code_of(shell, pid)
    assert str(file) not in {row["path"] for row in found["code"]}
    assert (found["told"], found["is_complete"]) == ([], True)


@pytest.mark.parametrize("shell", SHELLS)
def test_that_a_loader_was_told_to_load_more_is_seen_without_the_value(shell: str, tmp_path: Path) -> None:
    # one that is not there is only warned of
    told = {"LD_PRELOAD": str(tmp_path / "hidden"), "XLD_AUDIT": "x", "OTHER": "x\nLD_AUDIT=y"}
    with loading("none", tmp_path, told) as pid:
        found = code_of(shell, pid)
    assert found["told"] == [{"pid": pid, "name": "LD_PRELOAD"}]
    assert "hidden" not in str(found)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.skipif(os.geteuid() != 0, reason="who is no root cannot trace others anyway")
def test_code_that_may_not_be_seen_makes_no_pass(shell: str, tmp_path: Path) -> None:
    with holder(tmp_path / "x", is_closed=True) as pid:
        found = collect("process_triage", "loaded", shell, pid, changes=only([pid]), may_trace=False)
    assert (found["code"], found["is_complete"]) == ([], False)


ID, OTHER, DEBUGGER = ("a" * 64, "b" * 64, "c" * 64)
# how a process's cgroup is seen by the debugger: version 1, version 2, and version 2 from a namespace of the debugger's own
FORMS: dict[str, Callable[[str], str]] = {
    "v1": lambda place: f"5:memory:{place}\n1:name=systemd:{place}\n",
    "v2": lambda place: f"0::{place}\n",
    "private": lambda place: f"0::/..{place}\n",
}
POD = "/kubepods/burstable/pod6f1a"


def proc(folder: Path, form: Callable[[str], str], processes: dict[str, tuple[str, str]]) -> dict[str, str]:
    """A /proc of such processes, name -> cgroup and state; gives the change that has the collector look there."""
    for name, (place, state) in processes.items():
        home = folder / "proc" / name
        home.mkdir(parents=True)
        (home / "cgroup").write_text(place if "::" in place else form(place))
        (home / "status").write_text(f"Name:\tthing\nState:\t{state} (x)\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
        (home / "stat").write_text(
            f"{name} (thing) {state} 0 " + " ".join(str(number) for number in range(2, 50)) + "\n"
        )
        (home / "cmdline").write_bytes(b"thing\0--quiet\0")
    return {"/proc/": f"{folder}/proc/"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_in_no_container_is_told_and_those_of_containers_are_not(
    shell: str, form: str, tmp_path: Path
) -> None:
    own = "0::/\n" if form == "private" else FORMS[form](f"{POD}/{DEBUGGER}")
    there = {
        "self": (own, "S") if form == "private" else (f"{POD}/{DEBUGGER}", "S"),
        "1": (f"{POD}/{OTHER}", "S"),
        "7": (f"{POD}/{ID}", "S"),
        # docker in docker, a sibling, another debugger, one that has ended and one of the pod's that is in none
        "8": (f"{POD}/{ID}/inner", "S"),
        "9": (f"{POD}/cri-containerd-{OTHER}.scope", "S"),
        "10": (f"{POD}/crio-{'d' * 64}.scope/init", "S"),
        "11": ("/", "Z"),
        "12": (POD, "S"),
        "13": ("/system.slice/ssh.service", "R"),
    }
    found = collect("process_triage", "strays", shell, 7, changes=proc(tmp_path, FORMS[form], there))
    assert [(row["pid"], row["command"]) for row in found["rows"]] == [(12, "thing --quiet"), (13, "thing --quiet")]
    assert (found["is_known"], found["is_complete"]) == (True, True)
    said = judged("process_triage", {"strays": found}, {}, "nobodys_process")
    assert [row.verdict for row in said] == ["warn", "warn"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("first", "target"), [("/init.scope", f"{POD}/{ID}"), (f"{POD}/{OTHER}", "/sandbox")])
def test_where_no_container_can_be_told_from_the_node_nothing_is_said(
    shell: str, first: str, target: str, tmp_path: Path
) -> None:
    there = {"self": (f"{POD}/{DEBUGGER}", "S"), "1": (first, "S"), "7": (target, "S"), "9": ("/system.slice", "S")}
    found = collect("process_triage", "strays", shell, 7, changes=proc(tmp_path, FORMS["v2"], there))
    assert (found["rows"], found["is_known"]) == ([], False)
    assert judged("process_triage", {"strays": found}, {}, "nobodys_process") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_that_enters_its_container_meanwhile_is_none_of_nobodys(shell: str, tmp_path: Path) -> None:
    there = {"self": (f"{POD}/{DEBUGGER}", "S"), "1": (f"{POD}/{ID}", "S"), "7": (f"{POD}/{ID}", "S"), "9": ("/", "S")}
    changes = proc(tmp_path, FORMS["v2"], there)
    # while the collector waits it arrives, as what a runtime starts does
    arrives = f"0::{POD}/{ID}"
    moved = {"sleep 1": f"echo '{arrives}' > {tmp_path}/proc/9/cgroup"}
    assert collect("process_triage", "strays", shell, 7, changes={**changes, **moved})["rows"] == []
