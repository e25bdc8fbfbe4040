# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cgroup of a target's container says of its CPU, memory and pids, in the words of either version, beside its limits.

Lines of a collector that looks twice: `started ticks` (of the main process), `t seconds-of-uptime` before each look, `at controller
folder` or `no controller why`, `c controller file line-of-the-file`, and `p pid ticks name` for the CPU time of each process.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    lines,
    not_understood,
    number,
    shown,
    words,
)

# man 5 proc_pid_stat: a process's times are told in these, whatever the kernel's own clock
TICKS = 100
# version 1 has a number of pages for no limit, which is as many as fit
NO_LIMIT = 1 << 62
# kubernetes-mixin's CPUThrottlingHigh; fewer periods than these are no sample
THROTTLED_PERCENT, PERIODS = 25, 5
# what was throttled in its first minutes has started, unless it works on; later it counts where it took so much of all the time
SETTLED_SECONDS, THROTTLED_OF_TIME, BUSY_PERCENT = 600, 5, 30
NEAR_PERCENT = 90
BUSIEST = 5
# what only a process's end gives back: of a cache of files the kernel takes what it needs
KEPT = {
    b"memory.max": ("anon", "shmem", "slab_unreclaimable", "kernel_stack", "pagetables", "sock"),
    b"memory.limit_in_bytes": ("total_rss", "total_shmem"),
}

Table = dict[str, int]


@dataclass(slots=True)
class _Look:
    """at: seconds of uptime; files: (controller, file) -> its lines; ticks: pid -> CPU time and name."""

    at: float
    files: dict[tuple[bytes, bytes], list[bytes]] = field(default_factory=dict)
    ticks: dict[int, tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    started: int | None = None
    places: dict[bytes, bytes] = field(default_factory=dict)
    unseen: dict[bytes, bytes] = field(default_factory=dict)
    looks: list[_Look] = field(default_factory=list)


def cgroup(data: bytes) -> list[dict[str, Any]]:
    """Return where each controller's figures were read: controller, folder (as the target names it, or ""), why (there is none)."""
    found = _read(data)
    seen = [{"controller": shown(key), "folder": shown(value), "why": ""} for key, value in found.places.items()]
    return seen + [{"controller": shown(key), "folder": "", "why": shown(why)} for key, why in found.unseen.items()]


def cgroup_cpu(data: bytes) -> dict[str, Any]:
    """Return what of the CPU a container got and was refused.

    limit (in CPUs, None: there is none), periods and throttled (since its start, 0 without a limit), percent (of the periods),
    seconds (since its start), now (the same of the last seconds: seconds, periods, throttled, percent), is_throttled, is_now,
    average (CPUs since its start; None where the kernel does not tell), used (CPUs, now) and busiest (pid, name, percent of one CPU,
    now; those that used any). Raises ValueError where the target's own mount does not show it.
    """
    found = _read(data)
    if len(found.looks) != 2 or found.started is None:
        raise ValueError(f"{len(found.looks)} looks instead of two")
    before, after = found.looks
    limit, period = _cpu_limit(found, after)
    first, last = ((_table(found, look, b"cpu", b"cpu.stat")) for look in (before, after))
    if limit is not None and "nr_periods" not in last:
        raise ValueError("cpu.stat has no nr_periods")
    periods, throttled = last.get("nr_periods", 0), last.get("nr_throttled", 0)
    now_periods, now_throttled = periods - first.get("nr_periods", 0), throttled - first.get("nr_throttled", 0)
    seconds = max(after.at - found.started / TICKS, 0.01)
    is_now = now_periods >= PERIODS and 100 * now_throttled >= THROTTLED_PERCENT * now_periods
    used = _used(before, after)
    cpus = sum(ticks for ticks, _pid, _name in used) / TICKS / max(after.at - before.at, 0.01)
    # on a node that has no CPU to give it is not stopped while it waits for its turn
    is_busy = periods >= PERIODS and limit is not None and 100 * cpus >= BUSY_PERCENT * limit
    is_long = seconds >= SETTLED_SECONDS and 100 * throttled * period >= THROTTLED_OF_TIME * seconds
    is_so_far = 100 * throttled >= THROTTLED_PERCENT * periods and (is_busy or is_long)
    return {
        "limit": limit,
        "periods": periods,
        "throttled": throttled,
        "percent": _percent(throttled, periods),
        "seconds": round(seconds),
        "now": {
            "seconds": round(after.at - before.at, 1),
            "periods": now_periods,
            "throttled": now_throttled,
            "percent": _percent(now_throttled, now_periods),
        },
        "is_throttled": limit is not None and bool(throttled) and (is_now or is_so_far),
        "is_now": limit is not None and is_now,
        "average": round(last["usage_usec"] / 1_000_000 / seconds, 2) if "usage_usec" in last else None,
        "used": round(cpus, 2),
        "busiest": _busiest(used, after.at - before.at),
    }


def cgroup_memory(data: bytes) -> dict[str, Any]:
    """Return what of memory a container holds: limit (bytes, None: there is none), used, before (used,
    at the first of two looks; None where there was one), seconds (between them), kept (what is no cache of files), percent
    (of the limit, kept; None without one), is_near_limit, peak (the most that it held; None where the kernel does not tell), limit_met
    (see _limit_met), limit_hits (how often it came to it), oom_kills. Raises ValueError where the target's own mount does not show it.
    """
    found = _read(data)
    look = _last(found)
    first = found.looks[0] if len(found.looks) > 1 else _Look(look.at)
    name = b"memory.max" if (b"memory", b"memory.max") in look.files else b"memory.limit_in_bytes"
    is_new = name == b"memory.max"
    using = b"memory.current" if is_new else b"memory.usage_in_bytes"
    stat = _table(found, look, b"memory", b"memory.stat")
    events = _table(found, look, b"memory", b"memory.events" if is_new else b"memory.oom_control")
    # of version 1 it is the lowest of all above it as well, such as the pod's
    limits = [_value(found, look, b"memory", name), stat.get("hierarchical_memory_limit")]
    limit = min((value for value in limits if value is not None and value < NO_LIMIT), default=None)
    names = KEPT[name]
    if names[0] not in stat or "oom_kill" not in events:
        raise ValueError(f"memory.stat has no {names[0]}, or its events no oom_kill")
    kept = sum(stat.get(key, 0) for key in names)
    hits = events.get("max", 0) if is_new else _value(found, look, b"memory", b"memory.failcnt")
    peaks = b"memory.peak" if is_new else b"memory.max_usage_in_bytes"
    peak = _value(found, look, b"memory", peaks) if (b"memory", peaks) in look.files else None
    return {
        "peak": peak,
        "limit_met": _limit_met(limit, hits or 0, events.get("oom") if is_new else None, peak),
        "limit": limit,
        "used": _value(found, look, b"memory", using),
        "before": _value(found, first, b"memory", using) if (b"memory", using) in first.files else None,
        "seconds": round(look.at - first.at, 1),
        "kept": kept,
        "percent": None if limit is None else _percent(kept, limit),
        "is_near_limit": limit is not None and 100 * kept >= NEAR_PERCENT * limit,
        "limit_hits": hits,
        "oom_kills": events["oom_kill"],
    }


def _limit_met(limit: int | None, hits: int, ooms: int | None, peak: int | None) -> str:
    """Return what a container had to do with its own limit of memory: none (it has none), own (memory ran out at this very limit),
    near (it came to it), far, reclaimed (it came to it, and there was always something to take back), or unknown.

    ooms: how often nothing could be taken back at it, which version 1 does not tell; peak: None before Linux 5.19 in version 2.
    """
    if limit is None:
        return "none"
    if ooms:
        return "own"
    if hits:
        return "near" if ooms is None else "reclaimed"
    if peak is None:
        # of a pod that has the limit of its one container, the pod meets it first: no hit is no proof
        return "unknown"
    return "near" if 100 * peak >= NEAR_PERCENT * limit else "far"


def cgroup_pids(data: bytes) -> dict[str, Any]:
    """Return how many processes and threads a container has: limit (its own, None: there is none), used, percent (None without a
    limit), is_near_limit, refused (how often it could not have one more for its own limit). Raises ValueError where the target's
    own mount does not show it.
    """
    found = _read(data)
    look = _last(found)
    limit, used = (_value(found, look, b"pids", name) for name in (b"pids.max", b"pids.current"))
    # kernels before 4.5 do not count them
    refused = (
        _table(found, look, b"pids", b"pids.events").get("max", 0) if (b"pids", b"pids.events") in look.files else 0
    )
    return {
        "limit": limit,
        "used": used,
        "percent": None if limit is None else _percent(used or 0, limit),
        "is_near_limit": limit is not None and 100 * (used or 0) >= NEAR_PERCENT * limit,
        "refused": refused,
    }


def _read(data: bytes) -> _Found:
    found = _Found()
    for line in lines(data):
        kind, _space, rest = line.partition(b" ")
        if kind == b"started":
            found.started = number(rest)
        elif kind == b"t":
            found.looks.append(_Look(float(rest)))
        elif kind in (b"at", b"no"):
            controller, value = words(rest, 2)
            (found.places if kind == b"at" else found.unseen)[controller] = value
        elif kind == b"c" and found.looks:
            controller, name, content = words(rest, 3)
            found.looks[-1].files.setdefault((controller, name), []).append(content)
        elif kind == b"p" and found.looks:
            pid, ticks, name = words(rest, 3)
            found.looks[-1].ticks[number(pid)] = (number(ticks), shown(name))
        else:
            raise not_understood(line)
    return found


def _last(found: _Found) -> _Look:
    if not found.looks:
        raise ValueError("nobody looked")
    return found.looks[-1]


def _content(found: _Found, look: _Look, controller: bytes, name: bytes) -> list[bytes]:
    if controller in found.unseen:
        raise ValueError(shown(found.unseen[controller]))
    if (controller, name) not in look.files:
        raise ValueError(f"the target's cgroup shows no {name.decode()}")
    return look.files[controller, name]


def _table(found: _Found, look: _Look, controller: bytes, name: bytes) -> Table:
    rows = (words(line, 2) for line in _content(found, look, controller, name))
    return {shown(key): number(value) for key, value in rows}


def _value(found: _Found, look: _Look, controller: bytes, name: bytes) -> int | None:
    """Return the one number of a file, None for `max`."""
    (word, *more) = _content(found, look, controller, name)
    if more:
        raise not_understood(more[0])
    return None if word == b"max" else number(word)


def _cpu_limit(found: _Found, look: _Look) -> tuple[float | None, float]:
    """Return a limit in CPUs and the length of a period in seconds."""
    if (b"cpu", b"cpu.max") in look.files:
        quota, length = words(_content(found, look, b"cpu", b"cpu.max")[0], 2)
    else:
        quota, length = (_content(found, look, b"cpu", name)[0] for name in (b"cpu.cfs_quota_us", b"cpu.cfs_period_us"))
    period = number(length)
    if period <= 0:
        raise not_understood(length)
    is_set = quota != b"max" and number(quota) > 0
    return (round(number(quota) / period, 3) if is_set else None), period / 1_000_000


def _used(before: _Look, after: _Look) -> list[tuple[int, int, str]]:
    """Return the ticks, pid and name of each process, the busiest first. One that began meanwhile has used all that it has."""
    used = [(ticks - before.ticks.get(pid, (0, ""))[0], pid, name) for pid, (ticks, name) in after.ticks.items()]
    return sorted(used, key=lambda row: (-row[0], row[1]))


def _busiest(used: list[tuple[int, int, str]], seconds: float) -> list[dict[str, Any]]:
    rows = [
        {"pid": pid, "name": name, "percent": round(100 * ticks / TICKS / max(seconds, 0.01))}
        for ticks, pid, name in used[:BUSIEST]
    ]
    return [row for row in rows if row["percent"]]


def _percent(part: int, whole: int) -> int:
    """Return whole percents to show; what is compared is not rounded."""
    return round(100 * part / whole) if whole > 0 else 0
