# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files are here already, so that they need not come again: what is told by size and time, and what by hashes.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Step
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.settle import Settlement
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts, hashes


def may_be_here(step: Step, settlement: Settlement) -> bool:
    """Return whether the file here has the right size, so that hashes must tell; without checksums its time, which is the
    target's, decides at once."""
    home = settlement.home
    facts, entry = home.dest.facts(home.place(step.item)), step.item.entry
    if facts is None or entry is None or facts[0] != step.length:
        return False
    if settlement.options.checksum:
        return True
    if facts[1] == entry.mtime_ns:
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
        if is_whole and end.drift(step.item.entry) == "other":
            # it is another one by now, or becomes one: what is known of it is too old
            settlement.tries.doubt(step)
        elif is_whole and end.sha256 == settlement.home.dest.digest(settlement.home.place(step.item)):
            settlement.keep(step, end)
        del left[step.item.src]
        remote.succeeded()
