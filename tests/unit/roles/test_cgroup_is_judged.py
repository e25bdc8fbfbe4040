# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cgroup of a container is judged: what of the CPU it was refused, who was killed for memory, what is near its limit; and
which cgroup that is. The files are those of real kernels, in both versions; beside each incident stand containers that look alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import SHELLS, judged, printed

ID, OTHER = "d3204631f7892a245f8e7a512f716daff58dd371411a062537141e61273346b2", "ab" * 32
MIB = 1 << 20


def looked(
    cpu: Sequence[Mapping[str, str]] = ({}, {}),
    memory: Mapping[str, str] | None = None,
    pids: Mapping[str, str] | None = None,
    ticks: Mapping[str, tuple[int, int]] | None = None,
    age: int = 300,
) -> bytes:
    """Looks, two seconds apart, at files of a cgroup, and at processes (pid and name -> ticks in each look)."""
    out = ["started 1000"]
    for number, files in enumerate(cpu):
        out.append(f"t {10 + age + 2 * number}.00")
        out += [f"c cpu {name} {line}" for name, text in files.items() for line in text.splitlines()]
        out += [
            f"p {who.partition(' ')[0]} {used[number]} {who.partition(' ')[2]}" for who, used in (ticks or {}).items()
        ]
    for controller, files in (("memory", memory or {}), ("pids", pids or {})):
        out += [f"c {controller} {name} {line}" for name, text in files.items() for line in text.splitlines()]
    return "\n".join(out).encode() + b"\n"


def said(fact: str, parser: str, data: bytes, *names: str) -> list[tuple[str, str]]:
    return [
        (entry.verdict, entry.message) for entry in judged("process_triage", {fact: PARSERS[parser](data)}, {}, *names)
    ]


def new_cpu(periods: int, throttled: int, limit: str = "50000 100000") -> dict[str, str]:
    stat = f"usage_usec 1\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 139381\nnr_bursts 0\nburst_usec 0\n"
    return {"cpu.stat": stat, "cpu.max": f"{limit}\n"}


def old_cpu(periods: int, throttled: int, quota: int = 10000) -> dict[str, str]:
    stat = f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time 2334501465\nnr_bursts 0\nburst_time 0\n"
    return {"cpu.stat": stat, "cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize("made", [new_cpu, old_cpu])
def test_a_container_that_is_throttled_now_is_told_with_its_limit_and_who_uses_the_cpu(made: Any) -> None:
    data = looked((made(100000, 300), made(100020, 319)), ticks={"1 app": (500, 502), "7 a b) c": (10, 28)})
    ((verdict, message),) = said("cpu_use", "cgroup_cpu", data, "cpu_throttled")
    assert verdict == "warn"
    assert message.startswith(
        "In 19 of 20 periods (95 %) of the last 2.0 s the container was throttled by its limit of 0."
    )
    assert "pid 7 (a b) c) 9 % of one, pid 1 (app) 1 % of one" in message


@pytest.mark.parametrize(
    ("before", "after", "age", "verdict"),
    [
        # a burst every ten seconds, between which it was looked; for hours
        (new_cpu(20000, 9000), new_cpu(20000, 9000), 7200, "warn"),
        # a Java that was slow to start, a minute and an hour later
        (new_cpu(300, 200), new_cpu(302, 200), 60, "pass"),
        (new_cpu(3000, 900), new_cpu(3002, 900), 3600, "pass"),
        # a few periods of many, and too few to say
        (new_cpu(9000, 90), new_cpu(9020, 94), 900, "pass"),
        (new_cpu(9000, 90), new_cpu(9003, 93), 900, "pass"),
        # no limit, also one that was taken away while it ran; and a limit that is never met
        (new_cpu(0, 0, "max 100000"), new_cpu(0, 0, "max 100000"), 900, "pass"),
        (old_cpu(900, 800, -1), old_cpu(900, 800, -1), 900, "pass"),
        (old_cpu(9000, 0), old_cpu(9020, 0), 900, "pass"),
        # exactly a quarter of all periods
        (new_cpu(0, 0), new_cpu(20, 5), 30, "warn"),
        (new_cpu(0, 0), new_cpu(20, 4), 30, "pass"),
    ],
)
def test_throttling_counts_where_it_is_now_or_took_much_of_a_long_time(
    before: dict[str, str], after: dict[str, str], age: int, verdict: str
) -> None:
    found = said("cpu_use", "cgroup_cpu", looked((before, after), age=age), "cpu_throttled")
    assert [entry[0] for entry in found] == [verdict], found


@pytest.mark.parametrize(("ticks", "verdict"), [((1000, 1006), "warn"), ((1000, 1005), "pass")])
def test_a_young_container_that_works_on_is_throttled_though_its_node_has_no_turn_for_it_now(
    ticks: tuple[int, int], verdict: str
) -> None:
    # three in a hundred of a CPU, of a limit of a tenth
    data = looked((old_cpu(400, 300), old_cpu(420, 301)), ticks={"1 app": ticks}, age=60)
    assert [entry[0] for entry in said("cpu_use", "cgroup_cpu", data, "cpu_throttled")] == [verdict]


def test_a_kernel_that_counts_no_periods_is_well_where_there_is_no_limit_and_unknown_where_there_is() -> None:
    bare = {"cpu.stat": "usage_usec 73899\nuser_usec 27213\nsystem_usec 46685\n"}
    free = {**bare, "cpu.max": "max 100000\n"}
    assert PARSERS["cgroup_cpu"](looked((free, free)))["limit"] is None
    bound = {**bare, "cpu.max": "50000 100000\n"}
    with pytest.raises(ValueError, match="nr_periods"):
        PARSERS["cgroup_cpu"](looked((bound, bound)))
    with pytest.raises(ValueError, match="shows no cpu"):
        PARSERS["cgroup_cpu"](looked((bare, bare)))


def new_memory(
    *, anon: int, file: int = 0, shmem: int = 0, limit: int | None = 64, events: str = "max 0\noom 0\noom_kill 0"
) -> dict[str, str]:
    stat = f"anon {anon * MIB}\nfile {file * MIB}\nkernel_stack 0\npagetables 0\nsock 0\nshmem {shmem * MIB}\nslab_unreclaimable 0\n"
    return {
        "memory.max": "max\n" if limit is None else f"{limit * MIB}\n",
        "memory.current": f"{(anon + file) * MIB}\n",
        "memory.stat": stat,
        "memory.events": f"low 0\nhigh 0\n{events}\n",
    }


def old_memory(
    *, rss: int, cache: int = 0, shmem: int = 0, limit: int = 64, above: int = 64, kills: int = 0, hits: int = 0
) -> dict[str, str]:
    stat = (
        f"cache 1\nrss 1\nhierarchical_memory_limit {above * MIB}\ntotal_cache {cache * MIB}\ntotal_rss {rss * MIB}\n"
    )
    return {
        "memory.limit_in_bytes": f"{limit * MIB if limit else 9223372036854771712}\n",
        "memory.usage_in_bytes": f"{(rss + cache) * MIB}\n",
        "memory.stat": f"{stat}total_shmem {shmem * MIB}\n",
        "memory.failcnt": f"{hits}\n",
        "memory.oom_control": f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n",
    }


@pytest.mark.parametrize(
    ("files", "verdict", "words"),
    [
        (new_memory(anon=60), "warn", "60.0 MiB that the kernel cannot take back, 94 % of its limit of 64.0 MiB"),
        (old_memory(rss=60), "warn", "94 % of its limit"),
        # what lies in a tmpfs counts as files and stays
        (new_memory(anon=10, file=50, shmem=50), "warn", "60.0 MiB"),
        (old_memory(rss=10, cache=50, shmem=50), "warn", "60.0 MiB"),
        # the pod's limit is below the container's, as version 1 shows it
        (old_memory(rss=60, limit=0, above=64), "warn", "64.0 MiB"),
        # a cache that fills
        (new_memory(anon=4, file=60), "pass", "6 % of its limit"),
        (old_memory(rss=4, cache=60), "pass", "6 % of its limit"),
        (new_memory(anon=60, limit=None), "pass", "has no limit of memory"),
        (new_memory(anon=57), "pass", "89 %"),
    ],
)
def test_memory_is_near_its_limit_by_what_cannot_be_taken_back(files: dict[str, str], verdict: str, words: str) -> None:
    ((found, message),) = said("memory_use", "cgroup_memory", looked(memory=files), "memory_near_limit")
    assert (found, words in message) == (verdict, True), message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            new_memory(anon=1, events="max 31\noom 2\noom_kill 2\noom_group_kill 0"),
            "it came to its limit of 64.0 MiB",
        ),
        (old_memory(rss=1, kills=2, hits=31), "it came to its limit of 64.0 MiB"),
        # before Linux 5.19 there is no peak, and a pod with the same limit meets it first
        (
            new_memory(anon=1, events="max 0\noom 0\noom_kill 2"),
            "whether it came to its limit of 64.0 MiB, or its pod or its node was out of memory, is not known",
        ),
        (
            {**new_memory(anon=1, events="max 0\noom 0\noom_kill 2"), "memory.peak": f"{63 * MIB}\n"},
            "it came to its limit of 64.0 MiB",
        ),
        # a cache that was taken back each time, and a node without memory
        (
            {**new_memory(anon=1, events="max 900\noom 0\noom_kill 2"), "memory.peak": f"{64 * MIB}\n"},
            "at its limit of 64.0 MiB there was always memory to take back, so that it was its pod or its node",
        ),
        (
            {**old_memory(rss=1, kills=2), "memory.max_usage_in_bytes": f"{20 * MIB}\n"},
            "far from its limit of 64.0 MiB",
        ),
        (new_memory(anon=1, limit=None, events="max 0\noom 0\noom_kill 2"), "no limit of its own"),
        # the pod has the same limit, and meets it first
        (
            {**old_memory(rss=1, kills=2), "memory.max_usage_in_bytes": f"{63 * MIB}\n"},
            "it came to its limit of 64.0 MiB",
        ),
        (
            {**new_memory(anon=1, events="max 0\noom 0\noom_kill 2"), "memory.peak": f"{40 * MIB}\n"},
            "far from its limit",
        ),
    ],
)
def test_children_that_were_killed_for_memory_are_told(files: dict[str, str], words: str) -> None:
    ((verdict, message),) = said("memory_use", "cgroup_memory", looked(memory=files), "killed_for_memory")
    assert verdict == "fail"
    assert message.startswith("2 processes of the container were killed")
    assert words in message


def test_a_limit_that_was_met_without_a_kill_is_a_cache_that_was_taken_back() -> None:
    files = new_memory(anon=4, file=60, events="max 900\noom 0\noom_kill 0\noom_group_kill 0")
    assert [row[0] for row in said("memory_use", "cgroup_memory", looked(memory=files), "killed_for_memory")] == [
        "pass"
    ]


@pytest.mark.parametrize(
    ("files", "verdict"),
    [
        ({"pids.max": "100\n", "pids.current": "95\n", "pids.events": "max 0\n"}, "fail"),
        ({"pids.max": "100\n", "pids.current": "3\n", "pids.events": "max 8\n"}, "fail"),
        ({"pids.max": "100\n", "pids.current": "89\n", "pids.events": "max 0\n"}, "pass"),
        # an idle pool of workers, without a limit; a kernel that counts no refusals
        ({"pids.max": "max\n", "pids.current": "4000\n", "pids.events": "max 0\n"}, "pass"),
        ({"pids.max": "max\n", "pids.current": "4\n"}, "pass"),
    ],
)
def test_pids_are_compared_with_their_limit(files: dict[str, str], verdict: str) -> None:
    assert [row[0] for row in said("pids_use", "cgroup_pids", looked(pids=files), "pids_short")] == [verdict]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("7 33 4 1000 1024 unlimited my app", {"files_near_limit": "fail"}),
        ("7 33 4 1000 1048576 unlimited app", {}),
        ("7 33 4 9000 unlimited unlimited app", {}),
        ("7 33 4 - 1024 unlimited app", {"files_uncounted": "unknown"}),
        ("7 33 95 3 1024 100 app", {"threads_near_limit": "fail"}),
        ("7 33 50 3 1024 100 app\n8 33 45 3 1024 100 app", {"threads_near_limit": "fail"}),
        ("7 33 50 3 1024 100 app\n8 34 45 3 1024 100 app", {}),
        # root is not held by it
        ("7 0 500 3 1024 100 app", {}),
        ("cut", {"processes_not_all_counted": "unknown"}),
    ],
)
def test_descriptors_and_threads_are_compared_with_their_own_limits(line: str, found: dict[str, str]) -> None:
    names = ("files_near_limit", "files_uncounted", "threads_near_limit", "processes_not_all_counted")
    facts = {"process_limits": PARSERS["process_limits"](f"{line}\n".encode())}
    rows = judged("process_triage", facts, {}, *names)
    assert {row.analyzer: row.verdict for row in rows if row.verdict != "pass"} == found


OLD_TREE = f"/kubepods/pod1/{ID}"
NEW_TREE = f"/../cri-containerd-{ID}.scope"


def place(
    tmp_path: Path,
    shell: str,
    groups: str,
    mounts: list[tuple[str, str, str]],
    files: Mapping[str, str],
    meanwhile: str = "sleep 0",
) -> list[dict[str, Any]]:
    """What the collector reads of a target with these cgroups and mounts (root, point, what follows the dash), and with what a
    shell does between its two looks."""
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    (tmp_path / "cgroup").write_text(groups, encoding="ascii")
    rows = [f"{n} 1 0:2{n} {root} {point} ro,nosuid master:6 - {rest}" for n, (root, point, rest) in enumerate(mounts)]
    (tmp_path / "mountinfo").write_text("\n".join(rows) + "\n", encoding="ascii")
    changes = {
        '"/proc/$TARGET_PID/cgroup"': str(tmp_path / "cgroup"),
        '"/proc/$TARGET_PID/mountinfo"': str(tmp_path / "mountinfo"),
        "sleep 2": meanwhile,
        "for process in /proc/[0-9]*": f"for process in /proc/{os.getpid()}",
    }
    data = printed("process_triage", "cgroup", shell, os.getpid(), tmp_path / "root", changes=changes)
    (tmp_path / "out").write_bytes(data)
    rows_of: list[dict[str, Any]] = PARSERS["cgroup"](data)
    return rows_of


def old_groups(path: str) -> str:
    return f"8:pids:{path}\n4:memory:{path}\n1:cpu,cpuacct:{path}\n0::{path}\n"


def old_mounts(root: str) -> list[tuple[str, str, str]]:
    names = ("memory", "cpu,cpuacct", "pids")
    own = [(root, f"/sys/fs/cgroup/{name}", f"cgroup cgroup rw,{name}") for name in names]
    return [("/", "/sys/fs/cgroup", "tmpfs tmpfs rw,mode=755"), *own]


def old_files(below: str = "") -> dict[str, str]:
    found = {
        "cpu,cpuacct": old_cpu(9, 8),
        "memory": old_memory(rss=3),
        "pids": {"pids.max": "7\n", "pids.current": "1\n"},
    }
    return {f"sys/fs/cgroup/{key}{below}/{name}": text for key, files in found.items() for name, text in files.items()}


NEW_MOUNT = "/sys/fs/cgroup", "cgroup2 cgroup rw,nsdelegate"
NEW_FILES = {
    f"sys/fs/cgroup/{name}": text
    for name, text in {
        **new_cpu(9, 8),
        **new_memory(anon=3),
        "pids.max": "7\n",
        "pids.current": "1\n",
        "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma\n",
    }.items()
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("groups", "mounts", "files"),
    [
        (old_groups(OLD_TREE), old_mounts(OLD_TREE), old_files()),
        # systemd as the container's first process, docker in docker, and the whole tree of the node over the container's own
        (old_groups(f"{OLD_TREE}/init.scope"), old_mounts(OLD_TREE), old_files()),
        (old_groups(f"{OLD_TREE}/docker/{OTHER}"), old_mounts(OLD_TREE), old_files()),
        (old_groups(OLD_TREE), [*old_mounts(OLD_TREE), *old_mounts("/")], {**old_files(OLD_TREE)}),
        (f"0::{NEW_TREE}\n", [(NEW_TREE, *NEW_MOUNT)], NEW_FILES),
        (f"0::{NEW_TREE}/init.scope\n", [(NEW_TREE, *NEW_MOUNT)], NEW_FILES),
        # both at once, of which the new one has no controllers
        (
            old_groups(OLD_TREE),
            [*old_mounts(OLD_TREE), (OLD_TREE, "/sys/fs/cgroup/unified", "cgroup2 cgroup2 rw")],
            {**old_files(), "sys/fs/cgroup/unified/cgroup.controllers": "\n"},
        ),
    ],
)
def test_the_figures_are_those_of_the_container_in_the_targets_own_mount(
    shell: str, tmp_path: Path, groups: str, mounts: list[tuple[str, str, str]], files: dict[str, str]
) -> None:
    seen = place(tmp_path, shell, groups, mounts, files)
    assert [(row["controller"], row["why"]) for row in seen] == [("cpu", ""), ("memory", ""), ("pids", "")]
    data = (tmp_path / "out").read_bytes()
    cpu, memory, pids = (PARSERS[f"cgroup_{name}"](data) for name in ("cpu", "memory", "pids"))
    assert (cpu["periods"], cpu["throttled"]) == (9, 8)
    assert (memory["kept"], memory["limit"], pids["limit"]) == (3 * MIB, 64 * MIB, 7)


def age() -> float:
    """Seconds since this process was started, by the node's clock."""
    started = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - started / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_memory_is_read_at_both_looks_and_the_cpu_since_the_start_is_what_the_kernel_counted(
    shell: str, tmp_path: Path
) -> None:
    cpu = "usage_usec 3600000000\nnr_periods 9\nnr_throttled 8\n"
    new = {**NEW_FILES, "sys/fs/cgroup/cpu.stat": cpu}
    own = tmp_path / "root" / "sys" / "fs" / "cgroup"
    least = age()
    place(tmp_path, shell, f"0::{NEW_TREE}\n", [(NEW_TREE, *NEW_MOUNT)], new, f"echo {7 * MIB} > {own}/memory.current")
    most = age()
    data = (tmp_path / "out").read_bytes()
    memory = PARSERS["cgroup_memory"](data)
    assert (memory["before"], memory["used"]) == (3 * MIB, 7 * MIB)
    assert 3600 / most - 0.01 <= PARSERS["cgroup_cpu"](data)["average"] <= 3600 / least + 0.01

    # of version 1, whose cpu.stat has no such count
    usage = own / "memory" / "memory.usage_in_bytes"
    place(tmp_path, shell, old_groups(OLD_TREE), old_mounts(OLD_TREE), old_files(), f"echo {9 * MIB} > {usage}")
    data = (tmp_path / "out").read_bytes()
    memory = PARSERS["cgroup_memory"](data)
    assert (memory["before"], memory["used"]) == (3 * MIB, 9 * MIB)
    assert PARSERS["cgroup_cpu"](data)["average"] is None


def test_of_one_look_there_is_no_memory_before() -> None:
    data = looked(memory=new_memory(anon=3), cpu=({},))
    memory = PARSERS["cgroup_memory"](data)
    assert (memory["before"], memory["used"], memory["seconds"]) == (None, 3 * MIB, 0.0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("groups", "mounts", "files", "why"),
    [
        (old_groups(OLD_TREE), [], {}, "no cgroup of memory is mounted in the target"),
        # another container's, the node's own, and one that names nobody
        (old_groups(OLD_TREE), old_mounts(f"/kubepods/pod1/{OTHER}"), old_files(), "not the target's cgroup of memory"),
        (old_groups("/"), old_mounts("/"), old_files(), "in the node's own cgroup of memory"),
        (
            old_groups("/system.slice/app"),
            old_mounts("/"),
            old_files("/system.slice/app"),
            "none is known to be the container's",
        ),
        ("0::/../../x.scope\n", [(NEW_TREE, *NEW_MOUNT)], NEW_FILES, "not the target's cgroup of memory"),
    ],
)
def test_a_cgroup_that_is_not_known_to_be_the_containers_is_unknown(
    shell: str, tmp_path: Path, groups: str, mounts: list[tuple[str, str, str]], files: dict[str, str], why: str
) -> None:
    (row,) = [row for row in place(tmp_path, shell, groups, mounts, files) if row["controller"] == "memory"]
    assert (row["folder"], why in row["why"]) == ("", True), row
    data = (tmp_path / "out").read_bytes()
    for name in ("cpu", "memory", "pids"):
        with pytest.raises(ValueError, match=why.replace("memory", name)):
            PARSERS[f"cgroup_{name}"](data)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_what_processes_hold_open_is_counted(shell: str) -> None:
    count = len(list(Path("/proc/self/fd").iterdir()))
    files = [os.open("/dev/null", os.O_RDONLY) for _number in range(40)]
    try:
        changes = {"for process in /proc/[0-9]*": f"for process in /proc/{os.getpid()}"}
        found = PARSERS["process_limits"](
            printed("process_triage", "process_limits", shell, os.getpid(), changes=changes)
        )
    finally:
        for file in files:
            os.close(file)
    (row,) = found["files"]
    assert (row["pid"], found["unseen"]) == (os.getpid(), [])
    assert count + 40 <= row["open"] <= count + 60
