# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pass is a claim: numbers are compared whole and in their own scope, and what was left out is never passed. Beside each
incident stand pods that are healthy and look alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import as_rows, parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import gather_facts
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Judgement,
    analyze,
    parse_analyzers,
)
from ansible_collections.incident.distroless.tests.unit.support import pods

ROLES = Path(__file__).parents[3] / "roles"
MIB = 1 << 20


def pod(
    mounts: list[dict[str, Any]] | None = None,
    volumes: list[dict[str, Any]] | None = None,
    ports: list[dict[str, Any]] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    container = {"name": "app", "volumeMounts": mounts or [], "ports": ports or []}
    return pods.pod(containers=[container], volumes=volumes or [], **spec)


def facts_of(role: str, about: dict[str, Any], printed: Mapping[str, str]) -> dict[str, Any]:
    """The facts of a pod of which the role's collectors printed this."""
    collectors = as_rows(parse_collectors(read_checks([str(ROLES / role / "collectors")])))
    ran = {"rc": 0, "stderr": "", "timed_out": False}
    target = {"namespace": "shop", "pod": "api-0", "pod_uid": "u1", "container": "app", "node": None}
    answer = {"api": "pod", "namespace": "shop", "name": None, "objects": [about], "error": None}
    collected = {"collectors": collectors, "api": [answer], "failed_targets": [], "ended": "2026-11-24T11:00:00Z"}

    def read(path: str) -> bytes:
        name = Path(path).stem
        if name not in printed:
            raise FileNotFoundError(path)
        return printed[name].encode()

    commands = [{"name": name, **ran} for name in printed]
    return gather_facts(collected, {**target, "commands": commands}, read).facts


def judged(role: str, analyzer: str, about: dict[str, Any] | None = None, **printed: str) -> list[Judgement]:
    """What one analyzer of a role says, with the role's own defaults as settings."""
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    settings = {name.removeprefix(f"{role}_"): value for name, value in defaults.items()}
    analyzers = parse_analyzers(read_checks([str(ROLES / role / "analyzers")]))
    (own,) = [entry for entry in analyzers if entry.name == analyzer]
    return analyze(facts_of(role, about or pod(), printed), [own], settings)


def verdicts(*arguments: Any, **printed: str) -> list[str]:
    return [entry.verdict for entry in judged(*arguments, **printed)]


# of 10,000 blocks of 4 KiB: free, and what is available to all but root
@pytest.mark.parametrize(
    ("free", "available", "verdict"),
    [
        (599, 599, "pass"),
        (501, 501, "pass"),
        (500, 500, "fail"),
        (1000, 500, "pass"),
        (1000, 473, "fail"),
        (0, 0, "fail"),
    ],
)
def test_a_volume_is_full_by_its_exact_figures(free: int, available: int, verdict: str) -> None:
    line = f"/data ext4 8:1 4096 10000 {free} {available} 1000 900\n"
    assert verdicts("disk_triage", "volume_full", disk_usage=line) == [verdict]


@pytest.mark.parametrize(
    ("free", "inodes", "verdict"), [(5990, 100000, "pass"), (5000, 100000, "fail"), (0, 0, "pass")]
)
def test_inodes_are_compared_exactly_and_none_are_no_shortage(free: int, inodes: int, verdict: str) -> None:
    line = f"/data btrfs 0:31 4096 10000 9000 9000 {inodes} {free}\n"
    assert verdicts("disk_triage", "inodes_full", disk_usage=line) == [verdict]


def folder(path: str, mib: float) -> str:
    return f"d {int(mib * 1024)} {path.encode().hex()}\n"


CACHE = {"name": "cache", "emptyDir": {"sizeLimit": "100Mi"}}
PARTS = [{"name": "cache", "mountPath": "/a", "subPath": "a"}, {"name": "cache", "mountPath": "/b", "subPath": "b/c"}]


@pytest.mark.parametrize(
    ("mounts", "sizes", "verdict"),
    [
        (PARTS, {"/a": 60, "/b": 60}, "fail"),
        (PARTS, {"/a": 40, "/b": 40}, "pass"),
        # one place twice, and a folder within one that is mounted as well, are not two
        ([PARTS[0], {**PARTS[0], "mountPath": "/again"}], {"/a": 60, "/again": 60}, "pass"),
        ([PARTS[0], {**PARTS[0], "mountPath": "/deep", "subPath": "a/deep"}], {"/a": 60, "/deep": 50}, "pass"),
        ([{"name": "cache", "mountPath": "/all"}, *PARTS], {"/all": 96, "/a": 50, "/b": 46}, "fail"),
        ([{"name": "cache", "mountPath": "/all"}, *PARTS], {"/all": 94, "/a": 50, "/b": 44}, "pass"),
        # a name that begins alike is another folder
        ([PARTS[0], {**PARTS[0], "mountPath": "/ab", "subPath": "ab"}], {"/a": 60, "/ab": 60}, "fail"),
    ],
)
def test_an_empty_dir_is_measured_by_all_its_folders(mounts: Any, sizes: dict[str, float], verdict: str) -> None:
    about = pod(mounts, [CACHE])
    printed = "".join(folder(path, mib) for path, mib in sizes.items())
    assert verdicts("disk_triage", "size_limit", about, big_folders=printed) == [verdict]
    assert verdicts("disk_triage", "size_limit_unseen", about, big_folders=printed) == []


def test_an_empty_dir_of_which_one_folder_was_not_measured_is_unknown() -> None:
    about, printed = pod(PARTS, [CACHE]), folder("/a", 60) + "cut\n"
    (found,) = judged("disk_triage", "size_limit_unseen", about, big_folders=printed)
    assert (found.verdict, "/a and /b (emptyDir cache)" in found.message) == ("unknown", True)
    assert verdicts("disk_triage", "size_limit", about, big_folders=printed) == []


def test_folders_that_were_left_out_say_nothing_of_an_empty_dir_that_was_measured() -> None:
    about, printed = pod([{"name": "cache", "mountPath": "/c"}], [CACHE]), folder("/c", 1) + "cut\n"
    assert verdicts("disk_triage", "size_limit", about, big_folders=printed) == ["pass"]
    # without a limit there is none to come to
    assert verdicts("disk_triage", "size_limit", pod(), big_folders="cut\n") == ["pass"]


def held(pid: int, inode: int, mib: float, device: int = 0x801, path: str = "/data/wal", fd: int = 3) -> str:
    return (
        f"{pid} {fd} {int(mib * MIB)} {int(mib * 2048)} {device} {inode} 0 "
        f"_{b'db'.hex()} _{f'{path}{inode} (deleted)'.encode().hex()}\n"
    )


MOUNTS = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:45 / /dev/shm rw - tmpfs shm rw\n3 1 0:46 / /data rw,relatime - xfs x rw\n"


@pytest.mark.parametrize(
    ("rows", "sums"),
    [
        ([held(7, inode, 90) for inode in range(400)], ["fail"]),
        # two processes, two volumes, one file by many descriptors
        ([held(7, 1, 90), held(8, 2, 90)], []),
        ([held(7, 1, 90), held(7, 2, 90, device=0x2E)], []),
        ([held(7, 1, 90, fd=fd) for fd in range(3, 9)], []),
        ([held(7, 1, 20), held(7, 2, 20)], []),
        # which is told of by itself
        ([held(7, 1, 200), held(7, 2, 1)], []),
        ([held(7, inode, 90, path="/memfd:jit") for inode in range(9)], []),
    ],
)
def test_deleted_files_are_summed_by_process_and_volume(rows: list[str], sums: list[str]) -> None:
    assert verdicts("disk_triage", "deleted_sum", deleted_files="".join(rows)) == sums


@pytest.mark.parametrize(("device", "words"), [(0x2D, "stay in memory"), (0x801, "stay on the disk")])
def test_where_a_deleted_file_takes_room_is_said(device: int, words: str) -> None:
    line = held(7, 1, 200, device=device)
    (found,) = judged("disk_triage", "deleted_open", deleted_files=line, mounts=MOUNTS)
    assert words in found.message


def growing(count: int, rate: int, device: int = 0x801) -> str:
    """Two looks, ten seconds apart, at files that grow by so many bytes a second."""
    looks = (
        (at, [f"n {100 + at * rate} {device} {inode} /logs/{inode}\n" for inode in range(count)]) for at in (0, 10)
    )
    return "".join(f"t {at}.00\n{''.join(lines)}" for at, lines in looks)


# a gibibyte is left of ten
USAGE = "/ ext4 8:1 4096 2621440 262144 262144 1000 900\n"


@pytest.mark.parametrize(
    ("count", "rate", "verdict", "words"),
    [
        (1, 10**7, "fail", "/logs/0 grows by"),
        (200, 900_000, "fail", "and 199 more files grow together"),
        (200, 9, "pass", ""),
    ],
)
def test_what_grows_is_summed_by_volume(count: int, rate: int, verdict: str, words: str) -> None:
    (found,) = judged("disk_triage", "fills_up_soon", growth=growing(count, rate), disk_usage=USAGE)
    assert (found.verdict, words in found.message) == (verdict, True)


def test_what_grows_on_a_device_that_nobody_measured_is_unknown() -> None:
    # the device of a file of a btrfs subvolume stands in no mountinfo
    (found,) = judged("disk_triage", "growth_of_no_volume", growth=growing(3, 10, device=0x32), disk_usage=USAGE)
    assert (found.verdict, "0:50" in found.message) == ("unknown", True)
    assert verdicts("disk_triage", "growth_of_no_volume", growth=growing(3, 10), disk_usage=USAGE) == []


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ({"persistentVolumeClaim": {"claimName": "c", "readOnly": True}}, "pass"),
        ({"nfs": {"server": "s", "path": "/", "readOnly": True}}, "pass"),
        ({"csi": {"driver": "d", "readOnly": True}}, "pass"),
        ({"iscsi": {"targetPortal": "t", "readOnly": True}}, "pass"),
        # its own object says who may write to it
        ({"persistentVolumeClaim": {"claimName": "c"}}, "pass"),
        ({"ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadOnlyMany"]}}}}, "pass"),
        ({"nfs": {"server": "s", "path": "/", "readOnly": False}}, "warn"),
    ],
)
def test_a_volume_that_is_asked_for_as_read_only_may_be_so(source: dict[str, Any], verdict: str) -> None:
    about = pod([{"name": "v", "mountPath": "/share"}], [{"name": "v", **source}])
    mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:60 / /share ro - nfs4 s:/ ro\n"
    assert verdicts("disk_triage", "read_only_volume", about, mounts=mounts) == [verdict]


@pytest.mark.parametrize(
    "source", [{"persistentVolumeClaim": {"claimName": "c"}}, {"ephemeral": {}}, {"hostPath": {"path": "/srv"}}]
)
def test_a_volume_that_an_error_made_read_only_is_told(source: dict[str, Any]) -> None:
    about = pod([{"name": "v", "mountPath": "/data"}], [{"name": "v", **source}])
    mounts = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:16 / /data rw,relatime - ext4 /dev/sdb ro,errors=remount-ro\n"
    assert verdicts("disk_triage", "read_only_volume", about, mounts=mounts) == ["warn"]


def limited(*limits: str | None, volumes: list[dict[str, Any]] | None = None, mounts: Any = None) -> dict[str, Any]:
    """A pod whose containers have these limits of ephemeral storage; the first is the target."""
    about = pod(mounts, volumes)
    names = ["app", "proxy", "logger"]
    about["spec"]["containers"] = [
        {
            **(about["spec"]["containers"][0] if not number else {"name": names[number]}),
            "resources": {"limits": {"ephemeral-storage": limit} if limit else {}},
        }
        for number, limit in enumerate(limits)
    ]
    return about


SCRATCH = {"name": "scratch", "emptyDir": {}}
AT_SCRATCH = [{"name": "scratch", "mountPath": "/scratch"}]


@pytest.mark.parametrize(
    ("about", "layer", "scratch", "said"),
    [
        (limited("1Gi"), 1020, 0, ["app may take", "the pod may take"]),
        (limited("1Gi"), 20, 0, []),
        # neither alone
        (limited("1Gi", volumes=[SCRATCH], mounts=AT_SCRATCH), 500, 520, ["the pod may take"]),
        (limited("1Gi", volumes=[SCRATCH], mounts=AT_SCRATCH), 300, 300, []),
        # the pod's limit is that of all its containers
        (limited("512Mi", "2Gi", volumes=[SCRATCH], mounts=AT_SCRATCH), 500, 520, ["app may take"]),
        (limited("512Mi", None), 500, 0, ["app may take", "the pod may take"]),
        # memory is no disk, and no limit is none
        (
            limited("1Gi", volumes=[{"name": "scratch", "emptyDir": {"medium": "Memory"}}], mounts=AT_SCRATCH),
            500,
            520,
            [],
        ),
        (limited(None, volumes=[SCRATCH], mounts=AT_SCRATCH), 5000, 5200, []),
    ],
)
def test_ephemeral_storage_is_the_layer_and_the_empty_dirs(
    about: Any, layer: int, scratch: int, said: list[str]
) -> None:
    printed = {"layer": f"allocated {layer * MIB}\nfiles 3\nunseen 0\n", "big_folders": folder("/scratch", scratch)}
    found = judged("disk_triage", "ephemeral_storage_full", about, **printed)
    assert [entry.verdict for entry in found] == (["fail"] * len(said) or ["pass"])
    assert all(words in entry.message for words, entry in zip(said, found, strict=False))
    assert "ogs" in found[0].message or not about["spec"]["containers"][0]["resources"]["limits"]
    assert verdicts("disk_triage", "ephemeral_storage_unseen", about, **printed) == []


def test_what_counts_and_was_not_measured_is_unknown_where_there_is_a_limit() -> None:
    about = limited("1Gi", volumes=[SCRATCH], mounts=AT_SCRATCH)
    few = "allocated 4096\nfiles 1\nunseen 0\n"
    (found,) = judged("disk_triage", "ephemeral_storage_unseen", about, layer=few, big_folders="cut\n")
    assert (found.verdict, "emptyDir scratch was not measured" in found.message) == ("unknown", True)
    blind = {"layer": few.replace("unseen 0", "unseen 2"), "big_folders": folder("/scratch", 1)}
    (found,) = judged("disk_triage", "ephemeral_storage_unseen", about, **blind)
    assert (found.verdict, "2 of them, may not be read" in found.message) == ("unknown", True)
    free = limited(None, volumes=[SCRATCH], mounts=AT_SCRATCH)
    assert verdicts("disk_triage", "ephemeral_storage_unseen", free, layer=few, big_folders="cut\n") == []


def socket(protocol: str, port: int, state: str = "0A", local: str = "00000000", remote: int = 0) -> str:
    rest = "00000000:00000000 00:00000000 00000000  0 0 4711 1 0"
    return f"==> {protocol}\n 0: {local}:{port:04X} 00000000:{remote:04X} {state} {rest}\n"


DNS = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 8080}]


@pytest.mark.parametrize(
    ("sockets", "said"),
    [
        (socket("tcp", 8080) + socket("udp", 53, "07"), []),
        (socket("udp", 5353, "07"), ["UDP port 5353"]),
        # declared, and for the other protocol
        (socket("tcp", 53), ["TCP port 53"]),
        (socket("udp", 8080, "07"), ["UDP port 8080"]),
        (socket("udp6", 161, "07", local="0" * 32), ["UDP port 161"]),
        # a client's: it has a peer, or a port that the kernel gave it
        (socket("udp", 5353, "01", remote=53), []),
        (socket("udp", 40123, "07"), []),
        (socket("tcp", 9000, local="0100007F"), []),
        (socket("tcp", 443, "01", remote=50000), []),
    ],
)
def test_a_listener_is_declared_by_port_and_protocol(sockets: str, said: list[str]) -> None:
    found = judged("process_triage", "undeclared_listener", pod(ports=DNS), sockets=sockets, held_sockets="")
    assert [" ".join(entry.message.split()[:3]) for entry in found if entry.verdict == "warn"] == said
    assert [entry.verdict for entry in found] == (["warn"] * len(said) or ["pass"])


def test_a_port_that_a_probe_asks_for_is_declared_by_it() -> None:
    """Many manifests have no ports at all."""
    about = pod()
    about["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}}
    sockets = socket("tcp", 8080) + socket("tcp", 6060) + socket("udp", 8080, "07")
    found = judged("process_triage", "undeclared_listener", about, sockets=sockets, held_sockets="")
    assert [" ".join(entry.message.split()[:3]) for entry in found] == ["TCP port 6060", "UDP port 8080"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("4711\n", ["TCP port 22", "TCP port 10250", "UDP port 68"]),
        # sshd, the kubelet and a client of DHCP are the node's
        ("99\n", []),
        ("", []),
    ],
)
def test_in_its_nodes_network_a_pod_is_asked_about_its_own_sockets(held: str, said: list[str]) -> None:
    about, sockets = pod(hostNetwork=True), socket("tcp", 22) + socket("tcp", 10250) + socket("udp", 68, "07")
    found = judged("process_triage", "undeclared_listener", about, sockets=sockets, held_sockets=held)
    assert [" ".join(entry.message.split()[:3]) for entry in found if entry.verdict == "warn"] == said
    assert [entry.verdict for entry in found] == (["warn"] * len(said) or ["pass"])


@pytest.mark.parametrize(("is_host", "verdict"), [(True, "unknown"), (False, "pass")])
def test_sockets_of_a_process_that_may_not_be_asked_may_be_the_pods(is_host: bool, verdict: str) -> None:
    sockets = socket("tcp", 8080)
    about = pod(ports=DNS, hostNetwork=is_host)
    assert verdicts("process_triage", "undeclared_listener", about, sockets=sockets, held_sockets="cut\n") == [verdict]


def process(
    pid: int,
    name: str = "app",
    parent: int = 0,
    state: str = "S",
    exe: str = "/app",
    command: str = "",
    cwd: str = "/",
    stdin: str = "",
) -> str:
    stat = f"{pid} ({name}) {state} {parent} {' '.join(['0'] * 17)} 4711 0"
    words = command.replace(" ", "\0") + "\0" if command else ""
    parts = (stat, "Uid:\t1 1 1 1\nGid:\t1 1 1 1\n", words, f"{exe}\n" if exe else "", f"{cwd}\n", stdin)
    return f"{pid} {' '.join('_' + part.encode().hex() for part in parts)}\n"


def test_a_process_that_ended_while_it_was_read_is_not_hidden() -> None:
    """Of one that ended nothing can be read, and its stat was read just before; of another's the links alone cannot."""
    gone = f"2 _{b'2 (sleep) S 1 '.hex()}{(' '.join(['0'] * 17) + ' 4711 0').encode().hex()} _ _ _ _\n"
    hidden = process(3, "agent", 1, exe="")
    assert judged("process_triage", "unseen_binary", processes=process(1) + gone) == []
    (found,) = judged("process_triage", "unseen_binary", processes=process(1) + gone + hidden)
    assert found.verdict == "unknown"
    assert "pid 3 (agent, uid 1)" in found.message


@pytest.mark.parametrize(
    ("exe", "command", "stdin", "verdict"),
    [
        ("/bin/dash", "sh -i", "socket:[4711]\n", "fail"),
        ("/bin/busybox", "sh", "socket:[4711]\n", "fail"),
        ("/bin/bash", "-bash", "socket:[4711]\n", "fail"),
        # a handler of inetd or tcpsvd, code that somebody wrote down, and a program that is no shell
        ("/bin/busybox", "sh /srv/handler.sh", "socket:[4711]\n", "pass"),
        ("/bin/bash", "bash -c date", "socket:[4711]\n", "pass"),
        ("/bin/busybox", "cat", "socket:[4711]\n", "pass"),
        # a socket of this machine, as an SSH server has one; a terminal, a pipe, and what a collector of before does not tell
        ("/bin/bash", "-bash", "socket:[5]\n", "pass"),
        ("/bin/bash", "-bash", "", "pass"),
    ],
)
def test_a_shell_that_takes_its_commands_from_the_network_is_told(
    exe: str, command: str, stdin: str, verdict: str
) -> None:
    table = process(9, "sh", 1, "S", exe, command, stdin=stdin)
    unix = "==> unix\nffff: 00000003 00000000 00000000 0001 03     5\n"
    sockets = socket("tcp", 40000, "01", remote=4444) + unix
    (found,) = judged("process_triage", "remote_shell", processes=table, sockets=sockets)
    assert found.verdict == verdict
    if verdict == "fail":
        assert "Pid 9 (sh, uid 1) takes its commands from 0.0.0.0 port 4444" in found.message


def test_processes_that_nobody_reaps_are_told_with_who_should() -> None:
    table = process(1) + "".join(process(pid, "curl", 1, "Z", "") for pid in range(10, 1503))
    (found,) = judged("process_triage", "zombies", processes=table)
    assert found.verdict == "warn"
    assert "1493 processes that have ended (curl)" in found.message
    assert "pid 1 (app)" in found.message


@pytest.mark.parametrize(
    "table",
    [
        process(1),
        # on their way, and an idle pool
        process(1) + "".join(process(pid, "curl", 1, "Z", "") for pid in range(10, 15)),
        process(1) + "".join(process(pid, "worker", 1) for pid in range(10, 200)),
    ],
)
def test_a_few_that_are_about_to_be_reaped_are_none(table: str) -> None:
    assert verdicts("process_triage", "zombies", processes=table) == ["pass"]


@pytest.mark.parametrize(
    ("exe", "command", "verdict"),
    [
        ("/usr/bin/python3.12", "python3 /tmp/.x/miner.py --pool a", "fail"),
        ("/usr/bin/python3", "python3 -u -W ignore /var/tmp/m.py", "fail"),
        ("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "ld.so /dev/shm/xmrig", "fail"),
        ("/lib/ld-musl-x86_64.so.1", "ld --library-path /lib /dev/shm/x", "fail"),
        ("/bin/dash", "sh /tmp/kinsing.sh", "fail"),
        ("/usr/bin/perl", "perl -w /run/x.pl", "fail"),
        ("/tmp/x", "app", "fail"),
        ("/usr/bin/python3", "python3 /app/main.py --cache /tmp/cache", "pass"),
        ("/usr/bin/python3", "python3 -m http.server --directory /tmp", "pass"),
        ("/bin/sh", "sh -c ls /tmp", "pass"),
        ("/usr/sbin/nginx", "nginx -c /tmp/nginx.conf", "pass"),
        ("/usr/bin/node", "node /app/server.js", "pass"),
        ("/usr/bin/java", "java -Djava.io.tmpdir=/tmp -jar /app/a.jar", "pass"),
        ("/bin/bash", "bash", "pass"),
        # by the options of each, by what busybox is called, and in ways to write a path
        ("/bin/bash", "bash -e /tmp/x.sh", "fail"),
        ("/bin/sh", "sh -xe -o pipefail /tmp/x.sh", "fail"),
        ("/usr/bin/python3", "python3 -I /tmp/x.py", "fail"),
        ("/bin/busybox", "busybox sh /tmp/x.sh", "fail"),
        ("/bin/busybox", "sh /tmp/x.sh", "fail"),
        ("/usr/lib/jvm/bin/java", "java -Xmx1g -jar /dev/shm/m.jar", "fail"),
        ("/usr/bin/node", "node -r /app/trace.js /tmp/x.js", "fail"),
        ("/bin/sh", "sh /opt/../tmp/./x.sh", "fail"),
        ("/usr/bin/perl", "perl -l /tmp/x.pl", "fail"),
        ("/bin/busybox", "tail -f /tmp/app.log", "pass"),
        ("/bin/busybox", "httpd -f -h /tmp/www", "pass"),
        ("/bin/busybox", "busybox tail -f /tmp/app.log", "pass"),
        ("/usr/bin/perl", "perl -e 1 /tmp/x", "pass"),
        ("/usr/lib/jvm/bin/java", "java -cp /app/lib com.shop.Main /tmp/conf", "pass"),
        ("/usr/bin/php8.3", "php -r 1 /tmp/x", "pass"),
    ],
)
def test_what_an_interpreter_runs_is_looked_at(exe: str, command: str, verdict: str) -> None:
    assert verdicts("process_triage", "odd_place", processes=process(9, "x", 1, "S", exe, command)) == [verdict]


@pytest.mark.parametrize(("cwd", "verdict"), [("/tmp/.x", "fail"), ("/srv", "pass")])
def test_a_script_is_where_the_process_works(cwd: str, verdict: str) -> None:
    for exe, command in (("/usr/bin/python3", "python3 m.py"), ("/bin/sh", "sh ./run.sh")):
        table = process(9, "x", 1, "S", exe, command, cwd)
        assert verdicts("process_triage", "odd_place", processes=table) == [verdict]
    # a class has no folder
    table = process(9, "x", 1, "S", "/usr/bin/java", "java com.shop.Main", cwd)
    assert verdicts("process_triage", "odd_place", processes=table) == ["pass"]


@pytest.mark.parametrize(
    ("supervisor", "folder", "verdict"),
    [
        ("s6-supervise", "/run/service/web", "pass"),
        ("runsv", "/var/run/s6/services/web", "pass"),
        # one that nobody supervises, and one from elsewhere
        ("sh", "/run/service/web", "fail"),
        ("s6-supervise", "/tmp/service/web", "fail"),
    ],
)
def test_the_script_of_a_service_that_is_supervised_lies_in_run(supervisor: str, folder: str, verdict: str) -> None:
    table = process(8, supervisor) + process(9, "sh", 8, "S", "/bin/sh", "sh ./run", folder)
    assert verdicts("process_triage", "odd_place", processes=table) == [verdict]


def changed(*rows: tuple[str, int, int]) -> str:
    return "s 1000\n" + "".join(f"n {ctime} {mtime} 10 101 /proc/1/root{path}\n" for path, ctime, mtime in rows)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        # chown in an entry point, and a file that was copied up for it
        ([("/etc/nginx/nginx.conf", 1003, 500), ("/etc/nginx/mime.types", 1048, 500)], {}),
        ([("/etc/cron", 1500, 500)], {"false_time": ("warn", "its owner, mode, name or links, or its content")}),
        ([("/usr/bin/ls", 1500, 1500)], {"new_system_file": ("warn", "was changed 500 s after")}),
    ],
)
def test_what_an_entry_point_gives_to_its_user_is_no_forgery(rows: Any, found: dict[str, tuple[str, str]]) -> None:
    for name in ("false_time", "new_system_file"):
        (entry,) = judged("process_triage", name, changed_files=changed(*rows), mounts=MOUNTS)
        verdict, words = found.get(name, ("pass", ""))
        assert (entry.verdict, words in entry.message, "claims" in entry.message) == (verdict, True, False)


@pytest.mark.parametrize(
    ("path", "mode", "after", "verdict"),
    [
        # Tomcat in its official image, a Python that compiles, an app that keeps its pid
        ("/usr/local/tomcat/logs/localhost_access_log.2026-11-30.txt", "640", 3000, "pass"),
        ("/opt/app/catalina.out", "644", 3000, "pass"),
        ("/usr/local/lib/python3/__pycache__/x.cpython-313.pyc", "644", 3000, "pass"),
        ("/opt/app/server.log.1", "644", 3000, "pass"),
        # what can be run is none of that, nor is what only ends alike
        ("/usr/local/tomcat/logs/x", "755", 3000, "warn"),
        ("/opt/app/blogs/index.php", "644", 3000, "warn"),
        ("/usr/local/lib/login", "644", 3000, "warn"),
        # settings that an entry point writes, and later; a program at any time
        ("/etc/nginx/conf.d/default.conf", "644", 5, "pass"),
        ("/etc/nginx/conf.d/default.conf", "644", 61, "warn"),
        ("/usr/bin/x", "755", 5, "warn"),
        # a case of an earlier version has no modes
        ("/opt/app/server.log", "", 3000, "warn"),
    ],
)
def test_what_apps_write_beside_themselves_is_no_change_of_their_image(
    path: str, mode: str, after: int, verdict: str
) -> None:
    row = f"s 1000\nn {1000 + after} {1000 + after} 10 101{',' if mode else ''}{mode} /proc/1/root{path}\n"
    (entry,) = judged("process_triage", "new_system_file", changed_files=row, mounts=MOUNTS)
    assert entry.verdict == verdict, entry.message


CUT = {
    "held_sockets": "cut\n",
    "processes": process(1) + "cut\n",
    "sockets": socket("tcp", 8080) + "cut\n",
    "deleted_files": held(7, 1, 1) + "cut\n",
    "growth": growing(1, 1) + "cut\n",
}


PASSING = {
    "disk_triage": ["deleted_open", "fills_up_soon", "grows_fast"],
    "process_triage": [
        *(
            "deleted_binary",
            "memory_binary",
            "odd_place",
            "process_list",
            "remote_shell",
            "undeclared_listener",
            "zombies",
        ),
        *("indicator_address", "indicator_name", "indicator_path"),
    ],
}


@pytest.mark.parametrize("role", PASSING)
def test_of_what_was_left_out_nothing_is_passed(role: str) -> None:
    analyzers = parse_analyzers(read_checks([str(ROLES / role / "analyzers")]))
    whole = {name: text.removesuffix("cut\n") for name, text in CUT.items()}
    around = {"mounts": MOUNTS, "disk_usage": USAGE}
    settings = {"indicators": {"names": ["xmrig"], "paths": ["/x"], "addresses": ["10.0.0.9"]}}
    settings |= {"full_percent": 95, "deleted_size": "100Mi", "growth_rate": "1Mi", "full_within_seconds": 60}  # type: ignore[dict-item]
    collected = {entry.name for entry in parse_collectors(read_checks([str(ROLES / role / "collectors")]))}
    about = pod(ports=DNS)
    seen = set()
    # what these hold counts in a node's network only
    for name in CUT.keys() & collected - {"held_sockets"}:
        before = {
            entry.analyzer: entry.verdict
            for entry in analyze(facts_of(role, about, {**whole, **around}), analyzers, settings)
        }
        after = analyze(facts_of(role, about, {**whole, **around, name: CUT[name]}), analyzers, settings)
        for entry in after:
            needs = {source for need in entry.needs for source in (need, *SOURCES.get(need, ()))}
            if name in needs:
                assert entry.verdict != "pass", entry
                seen |= {entry.analyzer} if before.get(entry.analyzer) == "pass" else set()
    assert seen == set(PASSING[role])


SOURCES = {"listeners": ("sockets", "held_sockets"), "zombies": ("processes",)}


def test_a_whole_fact_passes_and_a_cut_one_says_what_is_left() -> None:
    assert verdicts("process_triage", "deleted_binary", processes=process(1)) == ["pass"]
    (found,) = judged("process_triage", "deleted_binary", processes=CUT["processes"])
    assert found.verdict == "unknown"
    assert found.message == (
        "Not all was looked at (more processes are there). Of what was: Not found, in 1 looked at: "
        "a process runs from a file that was deleted."
    )


ALL = {
    "clock": "date 1\n",
    "open_files": f"7 3 _{b'/data/a'.hex()} _\n",
    "environment_names": "7 PATH\n",
    "unix_sockets": "Num RefCount Protocol Flags Type St Inode Path\n",
    "maps": "==> /proc/7/maps\n00400000-00401000 r-xp 00000000 08:01 1 /app\n",
}


@pytest.mark.parametrize("name", ["open_files", "environment_names", "unix_sockets", "maps"])
def test_evidence_that_was_cut_is_not_everything(name: str) -> None:
    printed = {**ALL, name: f"{ALL[name]}cut\n"}
    (found,) = judged("evidence_bundle", "cut_short", **printed)
    assert (found.verdict, found.message) == ("unknown", f"More is there than was taken of: {name}.")
    assert judged("evidence_bundle", "cut_short", **ALL) == []
