# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of network_triage's collectors, run here about a process of this machine, with whatever tools the image has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import parse_collectors
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS

Done = subprocess.CompletedProcess[str]
# variables of whoever runs the tests
ALL_OF_MINE = " ".join(name for name in os.environ if name.endswith("_HOST"))
ROLE = Path(__file__).parents[3] / "roles" / "network_triage"


def command_of(name: str, folder: str = "collectors") -> str:
    """Return what a collector runs."""
    rows = parse_collectors(read_checks([str(ROLE / folder)]))
    command = next(row.command for row in rows if row.name == name)
    assert command
    return command


def run(name: str, argv: Sequence[str], pid: int, around: Mapping[str, str], **settings: str) -> Done:
    """Return what a collector does about a process of this machine."""
    given = {"PEERS": "", "NAMES": "", "IGNORE": "", "TLS_PORTS": "443", "TIMEOUT": "1", **settings}
    env = {"TARGET_PID": str(pid), "TARGET_ROOT": "/", **{f"SETTING_{key}": value for key, value in given.items()}}
    command = [*argv, "-c", command_of(name)]
    return subprocess.run(command, env={**env, **around}, capture_output=True, check=False, text=True, timeout=60)


def collect(name: str, shell: str, pid: int, **settings: str) -> str:
    """Return what a collector prints about a process of this machine."""
    done = run(name, SHELLS[shell].argv, pid, SHELLS[shell].env, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout


def toolbox(folder: Path, root: Path | None = None, **programs: str) -> dict[str, str]:
    """The environment of an image with no tool of the network but these (name -> what a shell does in its place)."""
    tools = folder / "tools"
    tools.mkdir()
    for name in (
        "sh",
        "awk",
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


BUSYBOX_HELP = "BusyBox v1.37.0 () multi-call binary."
NC_HELP = {
    "busybox": f"{BUSYBOX_HELP}\nUsage: nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]",
    "alpine": f"{BUSYBOX_HELP}\nUsage: nc [OPTIONS] HOST PORT\n\t-e PROG\tRun PROG\n\t-z\tZero-I/O mode (scanning)",
    "openbsd": "OpenBSD netcat (Debian patchlevel 1.219-1)\nusage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval]",
    "nmap": "Ncat 7.93 ( https://nmap.org/ncat )\nUsage: ncat [options] [hostname] [port]",
    "traditional": "[v1.10-47]\nconnect to somewhere:\tnc [-options] hostname port[s] [ports] ...\n\t-z\tzero-I/O mode",
}


def an_nc(kind: str, otherwise: str) -> str:
    """otherwise: what it does about a peer; nobody has the address to which a connection is tried beside them."""
    nobody = 'case " $* " in *" 192.0.2.1 9 "*) echo refused >&2; exit 1 ;; esac'
    return f"[ \"$1\" != -h ] || {{ echo '{NC_HELP[kind]}' >&2; exit 1; }}\n{nobody}\n{otherwise}"


@contextmanager
def app(variables: Mapping[str, str]) -> Iterator[int]:
    """A process with these variables; gives its id."""
    with subprocess.Popen(["sleep", "60"], env={**variables, "PATH": os.environ["PATH"]}) as process:
        try:
            yield process.pid
        finally:
            process.kill()
