# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NetworkPolicies enforced for a while, by kube-router's controller on the cluster's bridge.

Its firewall rules are the machine's, under names that are the same for every cluster: one cluster at a time has them, whoever makes
them writes down first that he does, and they are removed however he ended.
"""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import cgroups, debian, processes
from .build import POLICIES, programs
from .certificates import NODE
from .components import SERVICES
from .places import Places, locked, write
from .run import run
from .say import Stop

NAME = "policies"
TOOLS = {"ipset": "ipset", "iptables": "iptables", "nft": "nftables"}
BUSY = "Policies are enforced on a cluster of this machine already; waiting for its end."
_CHAIN = re.compile(r"KUBE-(ROUTER-(INPUT|FORWARD|OUTPUT)|POD-FW-[A-Z2-7]{16}|NWPLCY-(DEFAULT|[A-Z2-7]{16}))")
_SET = re.compile(r"KUBE-(SRC|DST)-[A-Z2-7]{16}|TMP-[A-Z2-7]{16}")


def enforce(places: Places) -> None:
    """Until stdin ends; the controller holds it too, so that it ends even where this process was killed."""
    debian.ensure(TOOLS)
    program = programs(places.cache, (POLICIES,))[NAME]
    if not Path("/proc/sys/net/bridge").exists():
        raise Stop("the kernel does not show bridged packets to iptables; `modprobe br_netfilter` may change that.")
    with locked(places.cache / f"{NAME}.lock", BUSY, with_children=True):
        if _owner(places):
            _remove(places)
        elif chains(_rules()):
            raise Stop("this machine has a kube-router of its own, whose rules this one would take for its own.")
        write(_mark(places), places.ident)
        try:
            _run(places, program)
        finally:
            _remove(places)


def clear(places: Places) -> None:
    """Remove what an enforcing that was killed has left; wait for one that is about to do so itself."""
    controller = processes.known(places.pids).get(NAME)
    if _owner(places) == places.ident and not (controller and processes.alive(controller)):
        with locked(places.cache / f"{NAME}.lock", BUSY):
            if _owner(places) == places.ident:
                _remove(places)


def _run(places: Places, program: Path) -> None:
    log = places.logs / f"{NAME}.log"
    _show_to_iptables(places.bridge, is_shown=True)
    with log.open("ab") as out:
        command: list[str | Path] = [program, places.conf / "admin.kubeconfig", NODE, SERVICES]
        whole = processes.member(cgroups.daemons(places.cgroup), command)
        # it holds the lock of its rules as well
        child = subprocess.Popen(whole, stderr=out, close_fds=False)
    try:
        processes.remember(NAME, child.pid, places.pids)
        if child.wait():
            raise Stop(f"the controller of policies ended:\n{processes.tail(log)}")
    finally:
        # it finishes what it writes just now
        child.terminate()
        child.wait()


def _show_to_iptables(bridge: str, *, is_shown: bool) -> None:
    """A switch of this bridge alone; where the machine's (net.bridge.bridge-nf-call-iptables) is on, it changes nothing."""
    Path(f"/sys/class/net/{bridge}/bridge/nf_call_iptables").write_text(str(int(is_shown)), encoding="ascii")


def _mark(places: Places) -> Path:
    """It is there while rules of ours may be; for every cluster of this cache."""
    return places.cache / NAME


def _owner(places: Places) -> str | None:
    """Whose rules may be there."""
    with suppress(FileNotFoundError):
        return _mark(places).read_text(encoding="utf-8")
    return None


def _rules() -> str:
    return run(["iptables-save", "-t", "filter"])


def chains(rules: str) -> list[str]:
    """kube-router's chains in what iptables-save prints."""
    declared = (line[1:].split()[0] for line in rules.splitlines() if line.startswith(":"))
    return [name for name in declared if _CHAIN.fullmatch(name)]


def removal(rules: str) -> str | None:
    """Return what takes kube-router's rules out of those that iptables-save prints, for iptables-restore --noflush; None where there is none."""
    ours = chains(rules)
    if not ours:
        return None
    jumps = [
        line.replace("-A", "-D", 1)
        for line in rules.splitlines()
        if line.startswith("-A ") and line.split()[1] not in ours and line.split()[-1] in ours
    ]
    # a chain that is declared is emptied by that; only an empty one that nobody jumps to can go
    lines = ["*filter", *(f":{name} - [0:0]" for name in ours), *jumps, *(f"-X {name}" for name in ours), "COMMIT", ""]
    return "\n".join(lines)


def is_empty(rules: str) -> bool:
    """Return whether the table that iptables-save prints does nothing."""
    lines = [line for line in rules.splitlines() if not line.startswith("#")]
    return all(line in ("*filter", "COMMIT") or re.match(r":\S+ ACCEPT ", line) for line in lines)


def _remove(places: Places) -> None:
    if undo := removal(_rules()):
        run(["iptables-restore", "--noflush", write(places.home / "rules", undo)])
        (places.home / "rules").unlink()
    if "nf_tables" in run(["iptables", "--version"]) and (rules := _rules()) and is_empty(rules):
        # iptables makes its table when it is first used, and never takes it away
        run(["nft", "delete", "table", "ip", "filter"])
    _destroy_sets()
    with suppress(FileNotFoundError):
        _show_to_iptables(places.bridge, is_shown=False)
    _mark(places).unlink(missing_ok=True)


def _destroy_sets(seconds: float = 10.0) -> None:
    """The kernel lets go of a set a moment after the last rule with it."""
    end = time.monotonic() + seconds
    while left := [name for name in run(["ipset", "list", "-name"]).split() if _SET.fullmatch(name)]:
        for name in left:
            try:
                run(["ipset", "destroy", name])
            except Stop:
                if time.monotonic() > end:
                    raise
        time.sleep(0.05)
