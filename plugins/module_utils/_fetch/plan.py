# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do with each thing that was found: bring it, keep it as a link, or leave it out and say why. Decides only.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import REASONS, Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import brief
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    CHECKSUM,
    DEADLINE,
    EXCLUDED,
    KERNEL,
    MAX_FILES,
    MAX_SIZE,
    MAX_TOTAL_SIZE,
    SECRET,
    SPECIAL,
    Budget,
    FetchOptions,
    Item,
    Step,
    place_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_match import any_of
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, upwards
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import normal


def decide(items: Iterable[Item], options: FetchOptions, policy: ReadPolicy, budget: Budget) -> list[Step]:
    """One step for each path, sorted by it. Of the same path found twice, what was asked for more plainly counts."""
    # a path of /proc is held open or not here at all
    rank = {"held": -1, "plain": 0, "match": 1, "inside": 2}
    found: dict[bytes, Item] = {}
    for item in items:
        before = found.get(item.src)
        if before is None or rank[item.origin] < rank[before.origin]:
            found[item.src] = item
    _spell_once(found, rank)
    is_excluded = any_of(options.exclude)
    # what was asked for by name comes first where a limit is near
    wanted = sorted(found.values(), key=lambda item: (rank[item.origin], item.src))
    steps = [_decide(item, options, policy, is_excluded, budget) for item in wanted]
    return sorted(steps, key=lambda step: step.item.src)


def _spell_once(found: dict[bytes, Item], rank: Mapping[str, int]) -> None:
    """Takes out of found spellings with `..` of what another one stands for as well: both would lie at one place here."""
    spelled: dict[bytes, bytes] = {}
    for src in [src for src in found if b"/../" in src + b"/"]:
        item = found[src]
        place = b"/" + b"/".join(place_of(item))
        other = found.get(place if place in found else spelled.setdefault(place, src))
        if other is None or other is item or other.resolved != item.resolved:
            continue
        del found[src]
        if rank[item.origin] < rank[other.origin]:
            found[other.src] = replace(other, origin=item.origin)


def _decide(
    item: Item, options: FetchOptions, policy: ReadPolicy, is_excluded: Callable[[bytes], bool], budget: Budget
) -> Step:
    if item.origin == "held":
        # judged by its mount
        denial = item.reason if item.reason in (SECRET, KERNEL) else None
    else:
        denial = policy.denial_as_asked(item.src) or (
            policy.denial(item.resolved) if item.resolved is not None else None
        )
    if denial is not None:
        return Step(item, "skip", denial)
    if time.monotonic() > options.until:
        # a tree as deep as a path can be has names that take their time
        return Step(item, "skip", DEADLINE)
    if is_excluded(item.src) or (item.resolved is not None and is_excluded(item.resolved)):
        return Step(item, "skip", EXCLUDED)
    if item.entry is None or item.reason:
        # a listing that a limit stopped, or a link that was followed and leads nowhere
        is_cut = item.reason == DEADLINE or (item.reason == MAX_FILES and options.oversize != "fail")
        return Step(item, "skip" if is_cut else "fail", item.reason)
    if item.entry.type == "directory":
        return Step(item, "directory")
    if item.entry.type == "link":
        return Step(item, "link")
    if item.entry.type != "file":
        return Step(item, "skip", SPECIAL)
    return _measure(item, item.entry.size, options, budget)


def _measure(item: Item, size: int, options: FetchOptions, budget: Budget) -> Step:
    """The step for a file of that size."""
    over: Literal["skip", "fail"] = "fail" if options.oversize == "fail" else "skip"
    is_over = bool(options.max_size) and size > options.max_size
    if is_over and options.oversize in ("skip", "fail"):
        return Step(item, over, MAX_SIZE)
    length = options.max_size if is_over else size
    limit = budget.take(length)
    if limit is not None:
        return Step(item, over, limit)
    return Step(item, "file", MAX_SIZE if is_over else None, size - length if options.oversize == "tail" else 0, length)


def again(step: Step, entry: Entry, options: FetchOptions, budget: Budget) -> Step:
    """The step for a path whose file was found to be another one, or another size, when it was looked at again."""
    fresh = _measure(replace(step.item, entry=entry), entry.size, options, Budget(0, 0))
    limit = budget.take(fresh.length - step.length, files=0) if fresh.length > step.length else None
    return fresh if limit is None else Step(fresh.item, "fail" if options.oversize == "fail" else "skip", limit)


def failure_of(failed: Iterable[tuple[Item, str | None]]) -> Failure | None:
    """Why a target as a whole failed although the rest was brought: a path of src itself, or a limit under oversize: fail.

    failed are the items that failed, each with its row's reason.
    """
    limits = {MAX_SIZE, MAX_TOTAL_SIZE, MAX_FILES}
    counted = [(item.src, reason or "") for item, reason in failed if item.origin == "plain" or reason in limits]
    if not counted:
        return None
    shown = [f"{brief(src.decode('utf-8', 'backslashreplace'))} ({reason})" for src, reason in counted[:10]]
    more = f" and {len(counted) - 10} more" if len(counted) > 10 else ""
    word = counted[0][1]
    reason = (
        "LimitExceeded" if word in limits else _TASK_REASONS.get(word, word if word in REASONS else "InvalidRequest")
    )
    return Failure(reason, f"not brought: {', '.join(shown)}{more}.", _HINT if reason == "InvalidRequest" else None)


# the words of rows that are no words of a failed target
_TASK_REASONS = {
    "Replaced": "Conflict",
    "Escaped": "Conflict",
    "Shrunk": "Conflict",
    CHECKSUM: "Conflict",
    "ReadError": "CommandFailed",
}
_HINT = (
    "Correct src (paths are the target's own; neither ~ nor $ means anything), or use a glob for what may be missing."
)


def covering(options: FetchOptions, unknown: Iterable[bytes]) -> Callable[[bytes], bool]:
    """Return whether a run that asked for this would have found a path if it was there. unknown: paths below which it could not look."""
    literal = frozenset(normal(path) for path in (*options.src, *options.exact) if path.strip(b"/"))
    pattern = any_of([path for path in options.src if path.strip(b"/")])
    is_all = any(not path.strip(b"/") for path in (*options.src, *options.exact))
    blind = frozenset(unknown)

    def is_covered(path: bytes) -> bool:
        is_asked = options.open_deleted if _HELD.match(path) else is_all or is_in(path, literal) or pattern(path)
        return is_asked and not is_in(path, blind)

    def is_in(path: bytes, ones: frozenset[bytes]) -> bool:
        return any(above in ones for above in upwards(path))

    return is_covered


_HELD = re.compile(rb"/proc/[0-9]+/fd/[0-9]+\Z")
