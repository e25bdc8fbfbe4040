# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of network_triage's collectors: whom it takes for a peer, which tools it makes use of, and which names it asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case_folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collectors import parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._parse_network import lookups, peers, resolver
from ansible_collections.incident.distroless.tests.unit.plugins.module_utils.remote_world import SHELLS

Done = subprocess.CompletedProcess[str]
# variables of whoever runs the tests
ALL_OF_MINE = " ".join(name for name in os.environ if name.endswith("_HOST"))
ROLE = Path(__file__).parents[4] / "roles" / "network_triage"


def command_of(name: str, folder: str = "collectors") -> str:
    """What a collector runs."""
    rows = parse_collectors(read_checks([str(ROLE / folder)]))
    command = next(row.command for row in rows if row.name == name)
    assert command
    return command


def run(name: str, argv: Sequence[str], pid: int, around: Mapping[str, str], **settings: str) -> Done:
    """What a collector does about a process of this machine."""
    given = {"PEERS": "", "NAMES": "", "IGNORE": "", "TLS_PORTS": "443", "TIMEOUT": "1", **settings}
    env = {"TARGET_PID": str(pid), "TARGET_ROOT": "/", **{f"SETTING_{key}": value for key, value in given.items()}}
    command = [*argv, "-c", command_of(name)]
    return subprocess.run(command, env={**env, **around}, capture_output=True, check=False, text=True, timeout=60)


def collect(name: str, shell: str, pid: int, **settings: str) -> str:
    """What a collector prints about a process of this machine."""
    done = run(name, SHELLS[shell].argv, pid, SHELLS[shell].env, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def toolbox(folder: Path, root: Path | None = None, **programs: str) -> dict[str, str]:
    """The environment of an image with no tool of the network but these (name -> what a shell does in its place)."""
    tools = folder / "tools"
    tools.mkdir()
    for name in (
        "sh",
        "od",
        "tr",
        "grep",
        "sed",
        "head",
        "tail",
        "cut",
        "sort",
        "wc",
        "readlink",
        "timeout",
        "date",
        "sleep",
    ):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name, script in programs.items():
        (tools / name).write_text(f"#!{shutil.which('sh')}\n{script}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    return {"PATH": str(tools), **({"TARGET_ROOT": str(root)} if root else {})}


def resolving(folder: Path, content: str) -> Path:
    """A target's root with a resolv.conf."""
    (folder / "root/etc").mkdir(parents=True)
    (folder / "root/etc/resolv.conf").write_text(content, encoding="utf-8")
    return folder / "root"


@pytest.mark.parametrize("name", ["lookups", "peers", "tls"])
def test_without_its_tool_a_collector_fails_and_names_it(tmp_path: Path, name: str) -> None:
    done = run(name, ["/bin/sh"], os.getpid(), toolbox(tmp_path), PEERS="127.0.0.1:1")
    tool = "nslookup" if name == "lookups" else "nc"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"the debug image has no {tool}\n"


BUSYBOX_HELP = "BusyBox v1.37.0 () multi-call binary."
NC_HELP = {
    "busybox": f"{BUSYBOX_HELP}\nUsage: nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]",
    "alpine": f"{BUSYBOX_HELP}\nUsage: nc [OPTIONS] HOST PORT\n\t-e PROG\tRun PROG\n\t-z\tZero-I/O mode (scanning)",
    "openbsd": "OpenBSD netcat (Debian patchlevel 1.219-1)\nusage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval]",
    "nmap": "Ncat 7.93 ( https://nmap.org/ncat )\nUsage: ncat [options] [hostname] [port]",
    "traditional": "[v1.10-47]\nconnect to somewhere:\tnc [-options] hostname port[s] [ports] ...\n\t-z\tzero-I/O mode",
}


def an_nc(kind: str, otherwise: str) -> str:
    return f"[ \"$1\" != -h ] || {{ echo '{NC_HELP[kind]}' >&2; exit 1; }}\n{otherwise}"


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        ("busybox", "-w 1 ::1 80 -e true"),
        ("alpine", "-z -vv -w 1 ::1 80"),
        ("openbsd", "-z -vv -w 1 ::1 80"),
        ("nmap", "-z -v -w 1 ::1 80"),
    ],
)
def test_each_nc_is_called_as_it_wants_to_be(tmp_path: Path, kind: str, called: str) -> None:
    around = toolbox(tmp_path, nc=an_nc(kind, 'echo "$@"'))
    done = run("peers", ["/bin/sh"], os.getpid(), around, PEERS="[::1]:80", IGNORE=ALL_OF_MINE)
    (row,) = peers(done.stdout.encode())
    assert (row["outcome"], row["said"]) == ("open", called)


@pytest.mark.parametrize("name", ["peers", "tls"])
def test_an_nc_that_is_not_known_is_not_called(tmp_path: Path, name: str) -> None:
    around = toolbox(tmp_path, nc=an_nc("traditional", f"touch {tmp_path}/called"))
    done = run(name, ["/bin/sh"], os.getpid(), around, PEERS="tls://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the debug image's nc is neither busybox's nor OpenBSD's nor nmap's" in done.stderr
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("conf", "asked"),
    [
        ("nameserver 10.0.0.10\nsearch a.test. b.test\noptions ndots:2 edns0\n", ["db.a.test.", "db.b.test.", "db."]),
        ("search a.test\nnameserver 10.0.0.10 # the first\n;nameserver 10.0.0.9\n", ["db.a.test.", "db."]),
        ("nameserver 10.0.0.10\nsearch a.test\noptions timeout:1 ndots:0\n", ["db.", "db.a.test."]),
        ("nameserver 10.0.0.10\noptions ndots:5", ["db."]),
        ("options ndots:5\n", []),
        ("", []),
    ],
)
def test_names_are_asked_as_resolv_conf_says(tmp_path: Path, conf: str, asked: list[str]) -> None:
    around = toolbox(tmp_path, resolving(tmp_path, conf), nslookup='echo "** server can\'t find $1: NXDOMAIN"; exit 1')
    done = run("lookups", ["/bin/sh"], os.getpid(), around, NAMES="db gone.", IGNORE=ALL_OF_MINE)
    assert done.returncode == 0, done.stderr
    rows = lookups(done.stdout.encode())
    assert [row["asked"] for row in rows if row["name"] == "db"] == asked
    # a name with a dot at its end is whole
    assert [row["asked"] for row in rows if row["name"] == "gone."] == (["gone."] if asked else [])
    assert {row["server"] for row in rows} <= {"10.0.0.10"}


def test_a_nameserver_of_the_new_protocol_is_asked(tmp_path: Path) -> None:
    root = resolving(tmp_path, "nameserver fd00::a\n")
    around = toolbox(tmp_path, root, nslookup='echo "** server can\'t find $1: NXDOMAIN"; exit 1')
    done = run("lookups", ["/bin/sh"], os.getpid(), around, NAMES="db", IGNORE=ALL_OF_MINE)
    assert [row["server"] for row in lookups(done.stdout.encode())] == ["fd00::a"]


def test_a_nameserver_that_is_silent_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    root = resolving(tmp_path, "nameserver 10.0.0.10\n")
    around = toolbox(tmp_path, root, nslookup="exit 124")
    done = run("lookups", ["/bin/sh"], os.getpid(), around, NAMES="a b c d", IGNORE=ALL_OF_MINE)
    assert [row["outcome"] for row in lookups(done.stdout.encode())] == ["timeout"] * 2


@pytest.mark.parametrize("name", ["lookups", "resolver"])
def test_without_a_resolv_conf_nothing_is_said_of_names(tmp_path: Path, name: str) -> None:
    around = toolbox(tmp_path, tmp_path, nslookup="exit 1")
    done = run(name, ["/bin/sh"], os.getpid(), around, NAMES="db")
    assert (done.returncode, done.stdout) == (1, "")


def test_an_empty_resolv_conf_names_no_nameserver(tmp_path: Path) -> None:
    done = run("resolver", ["/bin/sh"], os.getpid(), toolbox(tmp_path, resolving(tmp_path, "")))
    assert resolver(done.stdout.encode())["nameservers"] == []


HOSTILE = {
    "DB_HOST": "db.example",
    "DB_PORT": "5432",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "PASSWORD": "very-secret",
    "SECRET": "a\nSTOLEN_HOST=very-secret\nSTOLEN_PORT=1",
    "BAD_HOST": "-e",
    "BAD_PORT": "80",
    "SHELL_HOST": "$(id)",
    "SHELL_PORT": "80",
    "URL_HOST": "web",
    "URL_PORT": "tcp://10.0.0.1:80",
    "LONE_HOST": "very-secret",
    "HUGE_HOST": "web",
    "HUGE_PORT": "99999",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_of_the_environment_only_pairs_of_host_and_port_are_printed(shell: str) -> None:
    with subprocess.Popen(["sleep", "60"], env={**HOSTILE, "PATH": os.environ["PATH"]}) as process:
        try:
            found = collect("environment", shell, process.pid, IGNORE="KUBERNETES_SERVICE_HOST")
        finally:
            process.kill()
    assert found == "DB_HOST: db.example port 5432\n"


@pytest.mark.skipif("ash" not in SHELLS, reason="needs busybox")
def test_peers_of_the_user_are_words_and_never_shell(tmp_path: Path) -> None:
    hostile = f"$(touch${{IFS}}{tmp_path}/owned):80 `id`:80 -e:80 *:80 127.0.0.1:1 [::1]:1 tls://127.0.0.1:2"
    found = peers(collect("peers", "ash", os.getpid(), PEERS=hostile).encode())
    given = sorted((row["host"], row["port"]) for row in found if row["source"] == "given")
    assert given == [("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 1)]
    assert {row["outcome"] for row in found if row["host"] == "127.0.0.1"} == {"refused"}
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("program", "code", "size"),
    [
        # one that never ends is ended for its time, one that never stops for its size
        ("printf begun; exec sleep 60", 0, 5),
        ("yes", 0, 1000),
        ("echo no permission >&2; exit 1", 1, 0),
        ('echo "$*"', 0, len("-i any -n -U -w - -- port 53 and *\n")),
    ],
)
def test_a_capture_ends_for_its_time_and_for_its_size_and_its_failure_is_one(
    tmp_path: Path, program: str, code: int, size: int
) -> None:
    tcpdump = tmp_path / "tcpdump"
    tcpdump.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    tcpdump.chmod(0o755)
    settings = {"SECONDS": "1", "BYTES": "1000", "FILTER": "port 53 and *"}
    env = {f"SETTING_CAPTURE_{key}": value for key, value in settings.items()}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = command_of("capture", "capture/collectors")
    done = subprocess.run(["sh", "-c", command], env={**path, **env}, capture_output=True, check=False, timeout=30)
    assert (done.returncode, len(done.stdout)) == (code, size), done.stderr
