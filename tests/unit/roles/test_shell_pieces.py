# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pieces of shell that commands of several roles are made of, in each shell that a debugger can have."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import PIECES, parse_collectors
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS

ROLES = Path(__file__).parents[3] / "roles"
FOLDERS = sorted(path for path in ROLES.rglob("collectors") if path.is_dir())
in_each_shell = pytest.mark.parametrize("shell", SHELLS)


def run(
    shell: str, script: str, *words: str, given: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """What a script does that has all pieces at hand; words are its $1 and so on."""
    pieces = "\n".join(path.read_text(encoding="utf-8") for path in PIECES.values())
    kind = SHELLS[shell]
    argv = [*kind.argv, "-c", f"{pieces}\n{script}", "sh", *words]
    return subprocess.run(
        argv, input=given, env={**kind.env, **variables}, capture_output=True, check=False, timeout=60
    )


ALL_BYTES = bytes(range(256)) * 200


@in_each_shell
@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\0", b"a b\n", b"* ? [a]", ALL_BYTES], ids=lambda data: f"{len(data)} bytes"
)
def test_what_is_read_travels_as_digits(shell: str, data: bytes) -> None:
    done = run(shell, "hex", given=data)
    assert (done.stdout, done.stderr) == (data.hex().encode(), b"")


@in_each_shell
def test_a_word_travels_as_digits(shell: str) -> None:
    word = "-n \\c 'a'\n*"
    assert run(shell, 'hex_of "$1"', word).stdout == word.encode().hex().encode()


@in_each_shell
@pytest.mark.parametrize(("lines", "shown"), [(0, ""), (2, "1\n2\n"), (3, "1\n2\ncut\n"), (2000, "1\n2\ncut\n")])
def test_what_is_left_out_is_told(shell: str, lines: int, shown: str) -> None:
    given = "".join(f"{number}\n" for number in range(1, lines + 1))
    assert run(shell, "at_most 2", given=given.encode()).stdout.decode() == shown


@in_each_shell
def test_a_name_with_a_newline_ends_no_line(shell: str, tmp_path: Path) -> None:
    names = [tmp_path / "a\nx 1 2", tmp_path / "it's $(id) %s"]
    for name in names:
        name.write_bytes(b"123")
    given = b"".join(os.fsencode(name) + b"\0" for name in [*names, tmp_path / "gone"])
    done = run(shell, 'odd_names "%s"', given=given)
    assert done.stdout.decode().splitlines() == [f"x 3 {os.fsencode(name).hex()}" for name in names]


POD = "0::/../cri-containerd-1f.scope"
V1 = "3:rdma:/\n2:pids:/kubepods/pod1/{}\n1:name=systemd:/kubepods/pod1/{}\n"


@in_each_shell
@pytest.mark.parametrize(
    ("its", "targets", "is_below"),
    [
        (f"{POD}\n", f"{POD}\n", True),
        # docker in docker, systemd
        (f"{POD}/docker/2a\n", f"{POD}\n", True),
        (f"{POD}2\n", f"{POD}\n", False),
        ("0::/../cri-containerd-2a.scope\n", f"{POD}\n", False),
        ("0::/\n", f"{POD}\n", False),
        # a target in the root of all is told by nothing but that
        ("0::/\n", "0::/\n", True),
        ("0::/system.slice\n", "0::/\n", False),
        (V1.format("1f", "1f"), V1.format("1f", "1f"), True),
        (V1.format("1f/docker/2a", "1f/docker/2a"), V1.format("1f", "1f"), True),
        (V1.format("1f/docker/2a", "1f"), V1.format("1f", "1f"), True),
        (V1.format("1f", "2a"), V1.format("1f", "1f"), False),
        ("", f"{POD}\n", False),
        (V1.format("1f", "1f"), f"{V1.format('1f', '1f')}{POD}\n", False),
    ],
)
def test_a_process_in_a_cgroup_below_the_targets_is_the_targets(
    shell: str, its: str, targets: str, *, is_below: bool
) -> None:
    done = run(shell, 'is_below "$1" "$2"', its, targets)
    assert (done.returncode == 0, done.stderr) == (is_below, b"")


def ends(pid: int) -> bool:
    """Whether a process ends, or has ended: the kernel moves one that does into the root of all before it says so."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        return bool(waiting.poll(60_000))
    finally:
        os.close(descriptor)


@in_each_shell
def test_the_processes_are_those_of_the_targets_cgroup(shell: str) -> None:
    own = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    lines = [line.rstrip("/") for line in own.splitlines()]
    with subprocess.Popen(["sleep", "600"]) as process, ExitStack() as stack:
        stack.callback(process.kill)
        found = {int(word) for word in run(shell, "processes", TARGET_PID=str(process.pid)).stdout.split()}
        assert {process.pid, os.getpid()} <= found
        for pid in found:
            try:
                cgroups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
            except (FileNotFoundError, ProcessLookupError):
                # the shell itself and what it started
                continue
            is_ours = all(line.startswith(mine) for line, mine in zip(cgroups, lines, strict=True))
            assert is_ours or ends(pid), cgroups


@in_each_shell
def test_a_zombie_is_its_parents(shell: str) -> None:
    """Version 1 of cgroups has it in the root of all."""
    with subprocess.Popen(["true"]) as process:
        stat = Path(f"/proc/{process.pid}/stat")
        while ") Z " not in stat.read_text(encoding="utf-8"):
            os.sched_yield()
        found = run(shell, "processes", TARGET_PID=str(os.getpid())).stdout.split()
        assert ") Z " in stat.read_text(encoding="utf-8")
    assert str(process.pid).encode() in found


@in_each_shell
def test_of_a_target_that_is_gone_there_are_no_processes(shell: str) -> None:
    assert run(shell, "processes", TARGET_PID="999999999").stdout == b""


# what a shell leaves behind becomes a child of this one, as it becomes one of the target in a pod; it reaps none of them
KEEPER = """
import ctypes, pathlib, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
left = pathlib.Path("/proc/thread-self/children").read_text().split()
print(done.returncode, len(left), done.stdout.decode().strip())
"""
FOR_AT_MOST = PIECES["for_at_most"].read_text(encoding="utf-8")


def kept(shell: str, script: str) -> tuple[int, int, str]:
    """What comes of a script: its status, how many processes it left behind, dead or alive, and all that was printed."""
    kind = SHELLS[shell]
    argv = [sys.executable, "-c", KEEPER, *kind.argv, "-c", f"{FOR_AT_MOST}\n{script}"]
    done = subprocess.run(argv, env={**os.environ, **kind.env}, capture_output=True, check=True, text=True, timeout=120)
    status, left, said = done.stdout.removesuffix("\n").split(" ", 2)
    return int(status), int(left), said


@in_each_shell
@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("for_at_most 60 true", 0, ""),
        ("for_at_most 60 sh -c 'echo out; echo err >&2; exit 7'", 7, "out\nerr"),
        ("echo given | for_at_most 60 cat", 0, "given"),
        ("for_at_most 60 sh -c 'kill -KILL $$'", 137, ""),
        ("for_at_most 1 sleep 3600", 143, ""),
        ("said=$(for_at_most 1 sleep 3600 2>&1); echo $? $said", 0, "143"),
        ("for_at_most 60 yes | head -n 1", 0, "y"),
        ("for _ in 1 2 3 4 5 6 7 8 9 10; do for_at_most 3600 true || exit 1; done", 0, ""),
        ("for _ in 1 2 3 4 5; do for_at_most 3600 true & done; wait", 0, ""),
    ],
)
def test_a_command_is_ended_for_its_time_and_nothing_is_left_of_it(
    shell: str, script: str, status: int, said: str
) -> None:
    assert kept(shell, script) == (status, 0, said)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@in_each_shell
@pytest.mark.parametrize("becomes", ["app", "runc:[2:INIT]", ""])
def test_what_a_runtime_begins_is_looked_at_as_what_it_becomes(shell: str, becomes: str) -> None:
    """One that goes on calling itself so is looked at as well, and one that is gone is not."""
    kind = SHELLS[shell]
    beginner = (
        "import os, pathlib, sys; own = pathlib.Path('/proc/self/comm'); own.write_text('runc:[2:INIT]'); print(flush=True); "
        "sys.stdin.readline(); sys.argv[1] or os._exit(0); own.write_text(sys.argv[1]); print(flush=True); sys.stdin.readline()"
    )
    script = PIECES["processes"].read_text(encoding="utf-8") + '\nlet_begin "$1" && echo there'
    with subprocess.Popen(
        [sys.executable, "-c", beginner, becomes], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as begun:
        assert begun.stdout
        assert begun.stdin
        begun.stdout.readline()
        looking = subprocess.Popen(
            [*kind.argv, "-c", script, "sh", f"/proc/{begun.pid}"],
            env={**os.environ, **kind.env},
            stdout=subprocess.PIPE,
        )
        begun.stdin.write(b"\n")
        begun.stdin.flush()
        begun.stdout.readline()
        if not becomes:
            begun.wait()
        said, _err = looking.communicate(timeout=60)
        begun.stdin.close()
    assert said == (b"there\n" if becomes else b"")


def test_busyboxes_own_timeout_leaves_a_process_behind() -> None:
    """Which is why it is not used; and how what is left would be seen here."""
    status, left, _said = kept("ash", "timeout 60 true; sleep 2")
    assert (status, left) == (0, 1)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROLES)))
def test_no_command_hands_a_process_to_the_targets_first(folder: Path) -> None:
    words = re.compile(r"(?<![\w$./-])(?:timeout|setsid|nohup|start-stop-daemon|disown|watch)\s+(?!=)")
    for collector in parse_collectors(read_checks([str(folder)])):
        code = re.sub(r"^\s*#.*$", "", collector.command or "", flags=re.MULTILINE)
        assert words.findall(code) == [], collector.name


def test_a_piece_that_is_not_there_is_refused() -> None:
    content = {"uses": ["hex", "magic"], "collectors": []}
    with pytest.raises(
        ValueError, match=r"^checks\.yml: uses is not a list of names out of at_most, for_at_most, hex, "
    ):
        parse_collectors({"checks.yml": content})
