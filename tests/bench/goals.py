# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What we want to reach, as data, and whether a run reached it. Nothing fails when it did not: the page says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from figures import MIB, Sample, Table, Tables
from names import (
    AGAIN,
    AGAIN_STAT,
    COPY,
    COPY_HASHED,
    EMPTY_MODULE,
    EMPTY_PLAY,
    EXEC_CAT,
    FETCH_FLOOR,
    FLOOR,
    K8S_CP,
    KUBECTL_DEBUG,
    MEMORY_LARGE,
    MEMORY_MANY,
    MEMORY_ONE,
    MEMORY_TREE,
    ONE_OF_THEM,
    OUR_DEBUG,
    OUR_MODULES,
    OURS,
    OURS_ZSTD,
    PLAIN_DEBUG,
    PLAIN_FETCH,
    PLAIN_UNHASHED,
    PROOF_FLOOR,
    STAT_FLOOR,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """`figure` takes the one number from a table, or None where it was not measured; it should be at least `wanted`, or at
    most, when `at_most`."""

    text: str
    table: str
    figure: Callable[[Table], float | None]
    wanted: float
    unit: str
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and the figure that was found; `reached` is None when nothing was measured that could tell."""

    goal: Goal
    figure: float | None
    reached: bool | None


def seconds(sample: Sample) -> float | None:
    return sample.seconds


def inside(sample: Sample) -> float | None:
    return sample.inside


def elapsed(sample: Sample) -> float | None:
    return sample.elapsed


def faster(ours: str, peer: str, of: Callable[[Sample], float | None] = seconds) -> Callable[[Table], float | None]:
    """Return how many times as long the peer takes, by the medians; `of` is what counts of our samples."""

    def figure(table: Table) -> float | None:
        mine, theirs = table.row(ours), table.row(peer)
        if mine is None or theirs is None:
            return None
        our_time, their_time = mine.median(of), theirs.median()
        return their_time / our_time if our_time and their_time else None

    return figure


def over(ours: str, *parts: str, watched: float = 0.0) -> Callable[[Table], float | None]:
    """Return how many times as long ours takes as its parts do one after the other, by the medians; without the seconds that it only watches."""

    def figure(table: Table) -> float | None:
        medians = [row.median() if (row := table.row(name)) else None for name in (ours, *parts)]
        known = [median for median in medians if median]
        return (known[0] - watched) / sum(known[1:]) if len(known) == len(medians) else None

    return figure


def faster_beyond(ours: str, base: str, peer: str) -> Callable[[Table], float | None]:
    """Return how many times as long the peer takes as ours beyond a base, by the medians: our task without the start of Ansible."""

    def figure(table: Table) -> float | None:
        mine, nothing, theirs = (row.median() if (row := table.row(name)) else None for name in (ours, base, peer))
        return theirs / (mine - nothing) if mine and nothing and theirs and mine > nothing else None

    return figure


def over_floor(ours: str, floor: str) -> Callable[[Table], float | None]:
    """Return how many times as long our work takes as that of a floor, by the medians; without the start of Ansible or Python."""

    def figure(table: Table) -> float | None:
        mine, least = (row.median(elapsed) if (row := table.row(name)) else None for name in (ours, floor))
        return mine / least if mine and least else None

    return figure


def more_than_one(ours: str, one: str, floor: str) -> Callable[[Table], float | None]:
    """Return how many floors of a crowd its pods take longer than one of them."""

    def figure(table: Table) -> float | None:
        many, alone, bare = (row.median() if (row := table.row(name)) else None for name in (ours, one, floor))
        return (many - alone) / bare if many and alone and bare else None

    return figure


def extra_milliseconds(ours: str, base: str) -> Callable[[Table], float | None]:
    """Return how much longer the process of our module lives than that of the base, by the medians."""

    def figure(table: Table) -> float | None:
        mine, theirs = table.row(ours), table.row(base)
        if mine is None or theirs is None:
            return None
        our_time, their_time = mine.median(inside), theirs.median(inside)
        return None if our_time is None or their_time is None else 1000 * (our_time - their_time)

    return figure


def peak_mib(ours: str) -> Callable[[Table], float | None]:
    def figure(table: Table) -> float | None:
        row = table.row(ours)
        return None if row is None or row.peak is None else row.peak / MIB

    return figure


def moved_bytes(ours: str) -> Callable[[Table], float | None]:
    """The file bytes that crossed the wire in the worst run."""

    def figure(table: Table) -> float | None:
        row = table.row(ours)
        moved = [sample.moved for sample in row.samples] if row is not None and not row.trouble else []
        known = [count for count in moved if count is not None]
        return max(known) if known and len(known) == len(moved) else None

    return figure


# seconds that a role watches a pod, which no tool can do in less
WATCHED = {"process_triage": 2.0, "network_triage": 0.0, "crashloop_triage": 0.0, "disk_triage": 5.0}


def goals() -> tuple[Goal, ...]:
    """All goals in the order of the page."""
    return (
        Goal(
            "one pod: the work on the target no slower than kubectl debug --attach=false plus wait",
            *("inject-one", faster(OUR_DEBUG, KUBECTL_DEBUG, elapsed), 1.0, "x"),
        ),
        Goal(
            "50 pods: bare requests and one watch, which prove nothing, over ours: at least 0.8",
            *("inject-many", faster(PLAIN_DEBUG, FLOOR), 0.8, "x"),
        ),
        Goal(
            "50 pods: at most 1.3 times an empty play, bare requests, and an exec in each that reads the target's root",
            *("inject-many", over(PLAIN_DEBUG, EMPTY_PLAY, PROOF_FLOOR), 1.3, "x", True),
        ),
        Goal(
            "50 pods over the slow link: at least 5 times as fast as a loop of kubectl, the start of Ansible included",
            *("slow-inject-many", faster(OUR_DEBUG, KUBECTL_DEBUG), 5.0, "x"),
        ),
        Goal(
            "one pod, as a user runs it: at most 1.3 times an empty play, kubectl debug and a wait until it runs",
            *("inject-one", over(PLAIN_DEBUG, EMPTY_PLAY, KUBECTL_DEBUG), 1.3, "x", True),
        ),
        *(
            Goal(
                f"{role} of one pod, from the start to the report: at most 4 empty plays",
                *("report-one", over(role, EMPTY_PLAY, watched=watched), 4.0, "x", True),
            )
            for role, watched in WATCHED.items()
        ),
        *(
            Goal(
                f"{role} of 20 pods: longer than of one by at most 1.3 times the bare requests that start 20 debuggers",
                *("report-twenty", more_than_one(role, ONE_OF_THEM[role], FLOOR), 1.3, "x", True),
            )
            for role in WATCHED
        ),
        Goal(
            "1 KiB, as a user fetches it: at most 1.3 times an empty play and kubectl cp",
            *("small", over(PLAIN_FETCH, EMPTY_PLAY, COPY), 1.3, "x", True),
        ),
        *(
            Goal(
                f"start-up of {name} over that of an empty kubernetes.core module, under 350 ms",
                *("start-up", extra_milliseconds(name, EMPTY_MODULE), 350.0, "ms", True),
            )
            for name in OUR_MODULES
        ),
        Goal(
            "1 GiB of random bytes, hashed on both ends: the task at least 1.3 times as fast as kubectl cp and sha256sum on both ends",
            *("random-large", faster_beyond(PLAIN_FETCH, EMPTY_PLAY, COPY_HASHED), 1.3, "x"),
        ),
        Goal(
            "1 GiB of random bytes, without the remote hash: the task at least 0.95 times as fast as kubectl exec cat to a file",
            *("random-large", faster_beyond(PLAIN_UNHASHED, EMPTY_PLAY, EXEC_CAT), 0.95, "x"),
        ),
        Goal("1 GiB: peak memory of the module 80 MiB or less", "random-large", peak_mib(OURS), 80.0, "MiB", True),
        *(
            Goal(
                f"{what}: a task holds at most {most:.0f} MiB above its worker",
                "memory",
                peak_mib(name),
                most,
                "MiB",
                True,
            )
            for what, name, most in (
                ("a debugger in one pod", MEMORY_ONE, 40.0),
                ("a fetch of 1 GiB", MEMORY_LARGE, 40.0),
                ("debuggers in 50 pods", MEMORY_MANY, 70.0),
                ("a fetch of 10,000 files", MEMORY_TREE, 70.0),
            )
        ),
        Goal(
            "10,000 files, hashed on both ends: the task at least 0.8 times as fast as kubectl cp",
            *("tree", faster_beyond(PLAIN_FETCH, EMPTY_PLAY, COPY), 0.8, "x"),
        ),
        Goal(
            "files of 1 KiB, hashed on both ends: at least 10 times as fast as kubernetes.core.k8s_cp",
            *("tree-small", faster(OURS, K8S_CP), 10.0, "x"),
        ),
        Goal(
            "10,000 unchanged files: file bytes moved by a second run", "tree", moved_bytes(AGAIN), 0.0, "bytes", True
        ),
        Goal(
            "10,000 unchanged files, compare: stat: at most 1.5 times find and stat by one bare exec and lstat of the copies",
            *("tree", over_floor(AGAIN_STAT, STAT_FLOOR), 1.5, "x", True),
        ),
        Goal(
            "12 pods x 1 MiB: the task at least 3 times as fast as a loop of kubectl cp",
            *("twelve", faster_beyond(PLAIN_FETCH, EMPTY_PLAY, COPY), 3.0, "x"),
        ),
        *(
            Goal(
                f"{what}: at most 1.3 times a bare exec that lists, hashes and sends, with proof and names here",
                *(table, over_floor(OURS, FETCH_FLOOR), 1.3, "x", True),
            )
            for what, table in (("1 GiB", "random-large"), ("10,000 files", "tree"), ("12 pods x 1 MiB", "twelve"))
        ),
        Goal(
            "log lines over the slow link, busybox alone: at least 2.5 times as fast as kubectl cp",
            *("slow-log", faster(OURS, COPY), 2.5, "x"),
        ),
        Goal(
            "log lines over the slow link, an image with zstd: at least 4 times as fast as kubectl cp",
            *("slow-log", faster(OURS_ZSTD, COPY), 4.0, "x"),
        ),
    )


def judged(tables: Tables) -> list[Verdict]:
    """Every goal with what was found."""
    return [_judge(goal, tables) for goal in goals()]


def _judge(goal: Goal, tables: Tables) -> Verdict:
    table = tables.get(goal.table)
    figure = None if table is None else goal.figure(table)
    if figure is None:
        return Verdict(goal, None, None)
    return Verdict(goal, figure, figure <= goal.wanted if goal.at_most else figure >= goal.wanted)
