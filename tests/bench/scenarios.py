# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is fetched, from how many pods, over which link, and who competes: the tables of the page as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from figures import MIB
from names import (
    AGAIN,
    AGAIN_STAT,
    COPY,
    COPY_HASHED,
    DEBUG_TAR,
    EMPTY_PLAY,
    EXEC_CAT,
    FETCH_FLOOR,
    K8S_CP,
    OURS,
    OURS_UNHASHED,
    OURS_ZSTD,
    PLAIN_FETCH,
    PLAIN_UNHASHED,
    STAT_FLOOR,
)


class Content(Enum):
    """What is in the files: bytes that nothing makes smaller, or a service's log."""

    RANDOM = "random bytes"
    LOG = "log lines"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`files` of `size` bytes each in each of `pods`, fetched `runs` times by each of `contenders`, the first of which is ours."""

    key: str
    content: Content
    size: int
    runs: int
    contenders: tuple[str, ...]
    files: int = 1
    pods: int = 1
    is_slow: bool = False
    note: str = ""

    @property
    def title(self) -> str:
        """Return what is fetched, in words."""
        if self.pods > 1:
            return f"{self.pods} pods x {_human(self.size)}"
        if self.files > 1:
            return f"{self.files:,} files of {_human(self.size)}"
        return f"{_human(self.size)} of {self.content.value}"

    @property
    def total(self) -> int:
        """All bytes that each contender brings home."""
        return self.size * self.files * self.pods


EVERYBODY = (OURS, OURS_UNHASHED, EXEC_CAT, COPY, COPY_HASHED, DEBUG_TAR)
OVER_THE_LINK = (OURS, OURS_UNHASHED, EXEC_CAT, COPY, COPY_HASHED)
ONCE = (
    "k8s_cp took part once: on this client library its time grows with the square of the size, so that it is left out of "
    "what is larger."
)

LOOPBACK = (
    Scenario("small", Content.RANDOM, 1024, 5, (*EVERYBODY, K8S_CP, PLAIN_FETCH, EMPTY_PLAY)),
    Scenario("random-middle", Content.RANDOM, 16 * MIB, 5, (*EVERYBODY, K8S_CP), note=ONCE),
    Scenario("random-64", Content.RANDOM, 64 * MIB, 5, EVERYBODY),
    Scenario(
        "random-large",
        Content.RANDOM,
        1024 * MIB,
        3,
        (*EVERYBODY, FETCH_FLOOR, PLAIN_FETCH, PLAIN_UNHASHED, EMPTY_PLAY),
    ),
    Scenario("log-large", Content.LOG, 1024 * MIB, 3, EVERYBODY),
    Scenario(
        "tree",
        *(
            Content.RANDOM,
            1024,
            5,
            (
                OURS,
                OURS_UNHASHED,
                COPY,
                COPY_HASHED,
                DEBUG_TAR,
                FETCH_FLOOR,
                AGAIN,
                AGAIN_STAT,
                STAT_FLOOR,
                PLAIN_FETCH,
                EMPTY_PLAY,
            ),
        ),
        files=10_000,
    ),
    Scenario(
        "tree-small",
        *(Content.RANDOM, 1024, 3, (OURS, COPY, K8S_CP)),
        files=50,
        note="k8s_cp fails for a folder with this client library, so its task loops over the files. It took part once.",
    ),
    Scenario(
        "twelve",
        *(Content.RANDOM, MIB, 5, (OURS, COPY, COPY_HASHED, FETCH_FLOOR, PLAIN_FETCH, EMPTY_PLAY)),
        pods=12,
        note="kubectl: one pod after the other, as a user's loop does. Ours and the bare execs: eight side by side.",
    ),
    Scenario(
        "pods",
        *(Content.RANDOM, MIB, 3, (OURS, OURS_UNHASHED, COPY, COPY_HASHED, FETCH_FLOOR)),
        pods=50,
        note="kubectl: one pod after the other, as a user's loop does. Ours: one task.",
    ),
)

SLOW_LINK = (
    Scenario("slow-small", Content.RANDOM, 1024, 3, (*OVER_THE_LINK, K8S_CP), is_slow=True),
    Scenario("slow-random", Content.RANDOM, 64 * MIB, 3, OVER_THE_LINK, is_slow=True),
    Scenario(
        "slow-log",
        *(Content.LOG, 1024 * MIB, 3, (OURS, OURS_ZSTD, EXEC_CAT, COPY, COPY_HASHED)),
        is_slow=True,
    ),
    Scenario(
        "slow-tree",
        *(Content.RANDOM, 1024, 3, (OURS, COPY, COPY_HASHED, AGAIN)),
        files=10_000,
        is_slow=True,
    ),
    Scenario(
        "slow-pods",
        *(Content.RANDOM, MIB, 3, (OURS, COPY, COPY_HASHED)),
        pods=10,
        is_slow=True,
    ),
)


# every goal has its table among these
QUICK = (
    "inject-one",
    "inject-many",
    "start-up",
    "report-one",
    "report-twenty",
    "memory",
    "small",
    "random-large",
    "tree",
    "tree-small",
    "twelve",
    "slow-inject-many",
    "slow-log",
)


def scaled(scenario: Scenario, factor: float, runs: int | None) -> Scenario:
    """The same for someone in a hurry: less of whatever makes it large, and so many runs."""
    return replace(
        scenario,
        size=scenario.size if scenario.size < MIB else max(64 * 1024, round(scenario.size * factor)),
        files=scenario.files if scenario.files == 1 else max(10, round(scenario.files * factor)),
        pods=scenario.pods if scenario.pods == 1 else max(5, round(scenario.pods * factor)),
        runs=scenario.runs if runs is None else runs,
    )


def _human(size: int) -> str:
    """A size in the largest unit that leaves a whole number."""
    power, unit = next(
        (power, unit)
        for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "bytes"))
        if size % (1 << power) == 0
    )
    return f"{size >> power} {unit}"
