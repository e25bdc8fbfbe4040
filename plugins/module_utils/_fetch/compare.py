# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are here already, so that they need not come again: what is told by what an
earlier run wrote down, what by size and time, and what by hashes.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._fetch.manifest import exact_src
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Known, Step
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.settle import Settlement
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts, hashes
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy


def known_copies(rows: Iterable[Mapping[str, Any]], steps: Iterable[Step]) -> dict[bytes, Known]:
    """Return what an earlier manifest's rows say of files that steps are about and that may be told by their times, by src."""
    wanted = {step.item.src for step in steps if step.action == "file"}
    known: dict[bytes, Known] = {}
    for row in rows:
        # what others have written there is trusted in nothing
        with suppress(LookupError, TypeError, ValueError):
            local, src = row["local"], exact_src(row)
            if local and src in wanted and isinstance(row["sha256"], str):
                known[src] = Known(
                    (int(row["size"]), int(row["mtime_ns"]), int(row["ctime_ns"]), int(row["ino"]), int(row["dev"])),
                    (int(local["size"]), int(local["mtime_ns"]), int(local["ino"])),
                    row["sha256"],
                )
    return known


def keep_known(step: Step, policy: ReadPolicy, settlement: Settlement) -> None:
    """Keeps the file here where nothing was written over there or here since an earlier run; reads nothing."""
    item, home = step.item, settlement.home
    known, entry = home.known.get(item.src), item.entry
    if known is None or entry is None or item.resolved is None or item.origin == "held" or step.is_part:
        return
    now = (entry.size, entry.mtime_ns, entry.ctime_ns, entry.ino, entry.dev)
    if now == known.facts and policy.is_stable(item.resolved) and home.dest.facts(home.place(item)) == known.local:
        settlement.keep(step, None, known.local, known=known.sha256)


def may_be_here(step: Step, settlement: Settlement) -> bool:
    """Return whether the file here has the right size, so that hashes must tell; without checksums its time, which is the
    target's, decides at once."""
    home = settlement.home
    facts, entry = home.dest.facts(home.place(step.item)), step.item.entry
    if facts is None or entry is None or facts[0] != step.length:
        return False
    if settlement.options.checksum:
        return True
    if settlement.options.compare == "checksum" and facts[1] == entry.mtime_ns:
        settlement.keep(step, None)
    return False


def compare(remote: Remote, left: dict[bytes, Step], mounts: Mounts, settlement: Settlement) -> None:
    """Hashes on both sides what may be the same, and takes it out of left; the target is busy with the next while this side
    hashes the last. Raises Failure or DeadlineReached; what it was done with by then stays so."""
    steps = list(left.values())
    for end in hashes(remote.files(), [step.want() for step in steps], mounts):
        step = steps[end.index]
        remote.check_deadline()
        is_whole = end.status == "ok" and end.length == step.length
        home, place = settlement.home, settlement.home.place(step.item)
        local = home.dest.facts(place)
        if is_whole and end.drift(step.item.entry) == "other":
            # it is another one by now, or becomes one: what is known of it is too old
            settlement.tries.doubt(step)
        elif is_whole and end.sha256 == home.dest.digest(place):
            settlement.keep(step, end, local if end.drift(step.item.entry) == "none" else None)
        del left[step.item.src]
        remote.succeeded()
