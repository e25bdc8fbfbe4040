# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of network_triage's collectors: which tools it makes use of, which names it asks for, and how it captures."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import lookups, peers, resolver
from ansible_collections.incident.distroless.tests.unit.support.network_collectors import (
    ALL_OF_MINE,
    an_nc,
    command_of,
    resolving,
    run,
    toolbox,
)


@pytest.mark.parametrize("name", ["lookups", "peers", "tls"])
def test_without_its_tool_a_collector_fails_and_names_it(tmp_path: Path, name: str) -> None:
    done = run(name, ["/bin/sh"], os.getpid(), toolbox(tmp_path), PEERS="127.0.0.1:1")
    tool = "nslookup" if name == "lookups" else "nc"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"the debug image has no {tool}\n"


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
