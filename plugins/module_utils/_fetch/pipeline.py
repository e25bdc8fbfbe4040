# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target's files brought home: survey, plan, transfer, manifest, result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import brief, display
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._fetch.compare import known_copies
from ansible_collections.incident.distroless.plugins.module_utils._fetch.denied_groups import (
    NO_GROUPS,
    ClosedGroups,
    name_groups,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.discover import check_options, survey
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import (
    Row,
    Status,
    in_results,
    split_rows,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.manifest import (
    Changes,
    files_place,
    find_earlier,
    manifest_place,
    merge,
    write_manifest,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    LINK_LEADS_OUT,
    Budget,
    FetchOptions,
    Home,
    Item,
    Step,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.open_deleted import Holdings, survey_held
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import covering, decide, failure_of
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.transfer import Transferred, transfer
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import (
    Dest,
    Place,
    link_stays_inside,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, policy_of
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import Found, normal, resolve
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.tools import HELD_OPEN, try_tools

_MAX_GONE_SHOWN = 10
_BROUGHT = ("fetched", "unchanged", "changed_while_reading")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one target: rows for the result (cut, failed first), counts, the manifest's path, the diff.

    failure is why the target counts as failed although everything else was done; None if it does not.
    """

    files: list[dict[str, Any]]
    skipped_files: list[dict[str, Any]]
    stats: dict[str, Any]
    manifest: str
    changed: bool
    diff: dict[str, str]
    warnings: list[str] = field(default_factory=list)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A target to fetch from: about has namespace, pod, container, pod_uid, container_id and cluster, and goes into the
    manifest as it is; pid is its main process as the debugger sees it.

    secrets are the paths that the pod's spec mounts secrets at; processes tells which are the target's, for open_deleted;
    closed are its groups that the debugger has not; root is its root filesystem, /proc/<pid>/root if None.
    """

    about: Mapping[str, Any]
    pid: int
    open_session: Callable[[], Session]
    secrets: Sequence[bytes] = ()
    processes: Callable[[Session], Sequence[int]] = lambda _session: ()
    closed: ClosedGroups = NO_GROUPS
    root: bytes | None = None

    @property
    def label(self) -> str:
        """The target as people read it."""
        return f"{self.about['namespace']}/{self.about['pod']}/{self.about['container']}"


@dataclass(frozen=True, slots=True)
class _View:
    """What was found in the target, and what to do with it. readable are the mounts that may be read from; unlooked are the
    paths, as asked, below which nobody could look."""

    steps: tuple[Step, ...]
    readable: ReadPolicy
    warnings: tuple[str, ...]
    unlooked: tuple[bytes, ...]


def fetch(source: Source, options: FetchOptions, budget: Budget) -> Fetched:
    """Bring what options ask for from one target. budget is shared by all targets of a task.

    Raises Failure when nothing could be begun: dest belongs to another target or cannot be written, src is not valid, no
    connection.
    """
    check_options(options)
    started = time.monotonic()
    manifest = manifest_place(source.about, is_flat=options.flat)
    with (
        Dest(
            options.dest, file_mode=options.file_mode, directory_mode=options.directory_mode, is_check=options.is_check
        ) as dest,
        Remote(
            source.open_session, source.pid, root=source.root, retries=options.retries, until=options.until
        ) as remote,
    ):
        earlier = find_earlier(dest, manifest, source.about, overwrite=options.overwrite)
        view = _look(remote, source, options, budget)
        known = known_copies(earlier.rows(), view.steps) if earlier is not None and options.compare == "stat" else {}
        home = Home(dest, files_place(source.about, is_flat=options.flat), known)

        def bring(steps: Sequence[Step]) -> Transferred:
            notify = partial(PROGRESS.moved, source.label)
            return transfer(steps, remote, home, view.readable, options, budget, notify)

        rows, brought = _carry_out(view.steps, home, manifest, bring, is_check=options.is_check)
        with suppress(Failure):
            denied = rows
            items = [step.item for step in view.steps]
            rows = remote.ask(lambda files: name_groups(denied, items, files, source.closed))
        ordered = sorted(rows.values(), key=lambda row: row.order)
        changes = Changes()
        merged = merge(
            ordered, earlier.rows() if earlier is not None else (), covering(options, view.unlooked), changes
        )
        failure = _record(dest, manifest, source.about, merged, is_check=options.is_check)
        files, skipped = split_rows(in_results(ordered, source.about))
        shown = display(dest.full(manifest))[0]
        return Fetched(
            files=files,
            skipped_files=skipped,
            stats=_stats(
                ordered,
                _would_move(ordered) if options.is_check else brought.moved,
                brought.codec,
                time.monotonic() - started,
            ),
            manifest=shown,
            changed=any(row.status in ("fetched", "changed_while_reading") for row in ordered),
            diff=changes.as_diff(shown),
            warnings=[*view.warnings, *_gone(changes)],
            failure=brought.failure or failure or failure_of(_failed(view.steps, rows)),
        )


def _look(remote: Remote, source: Source, options: FetchOptions, budget: Budget) -> _View:
    """Look at all that was asked for and decide what to do with it. Raises Failure when the connection breaks."""
    PROGRESS.say(source.label, "looking for the files")
    policy = remote.ask(lambda files: _read_policy(files, source.secrets, options))
    held = remote.ask(lambda files: _held(files, source.processes, policy, options))
    view = remote.ask(lambda files: survey(files, options, policy, options.until))
    if view.is_cut:
        remote.drop()
    steps = decide([*held.items, *view.items], options, policy, budget)
    lengths = [step.length for step in steps if step.action == "file"]
    PROGRESS.say(source.label, f"{len(lengths)} files to compare or bring ({show_size(sum(lengths))})")
    return _View(
        steps=tuple(steps),
        # a memfd is on a tmpfs of the kernel's own
        readable=replace(
            policy,
            readable_ids=policy.readable_ids | held.mounts,
            unsteady_ids=policy.unsteady_ids | held.mounts,
        ),
        warnings=view.warnings,
        unlooked=(*view.blind, *(item.src for item in held.items if item.entry is None)),
    )


def _read_policy(files: TargetFiles, secrets: Sequence[bytes], options: FetchOptions) -> ReadPolicy:
    """The mounts, with the spec's paths as the target's own links lead: /var/run/secrets is often /run/secrets."""
    resolved = resolve(files, [normal(path) for path in secrets])
    own = {answer.path for answer in resolved if isinstance(answer, Found)}
    mounts, now = files.mounts()
    wanted = [*own, *(normal(path) for path in secrets)]
    return policy_of(mounts, wanted, include_secrets=options.include_secrets, looked_at=now)


def _held(
    files: TargetFiles, processes: Callable[[Session], Sequence[int]], policy: ReadPolicy, options: FetchOptions
) -> Holdings:
    if not options.open_deleted:
        return Holdings((), frozenset())
    try_tools(files.session, HELD_OPEN)
    return survey_held(files, processes(files.session), policy)


def _carry_out(
    steps: Sequence[Step],
    home: Home,
    reserved: Place,
    bring: Callable[[Sequence[Step]], Transferred],
    *,
    is_check: bool,
) -> tuple[dict[bytes, Row], Transferred]:
    """Does the steps, directories before files before links, and gives each one's row by its src.

    What would lie in the reserved place is left out, and with a directory there all that is in it.
    """
    taken = [step for step in steps if home.place(step.item)[: len(reserved)] == reserved and step.action != "skip"]
    free = [step for step in steps if step not in taken]
    rows = put((Step(step.item, "fail", "DestConflict") for step in taken), home, is_check=True)
    rows |= put((step for step in free if step.action == "directory"), home, is_check=is_check)
    brought = bring([step for step in free if step.action == "file"])
    rows |= brought.rows
    rows |= put((step for step in free if step.action not in ("directory", "file")), home, is_check=is_check)
    return rows, brought


def _record(
    dest: Dest, place: Place, target: Mapping[str, Any], rows: Iterable[dict[str, Any]], *, is_check: bool
) -> Failure | None:
    """Writes the manifest; on a full disk the result still says everything."""
    if is_check:
        for _row in rows:
            pass
        return None
    try:
        write_manifest(dest, place, target, rows)
    except Failure as failure:
        return failure
    return None


def _failed(steps: Iterable[Step], rows: Mapping[bytes, Row]) -> Iterator[tuple[Item, str | None]]:
    for step in steps:
        row = rows[step.item.src]
        if row.status == "failed":
            yield step.item, row.reason


def _stats(rows: Sequence[Row], transferred: int, codec: Codec, elapsed: float) -> dict[str, Any]:
    """The contract's stats. All but failed and skipped count regular files that are here now."""
    brought = [row for row in rows if row.status in _BROUGHT and row.entry is not None and row.entry.type == "file"]
    statuses = Counter(row.status for row in [*brought, *(row for row in rows if row.status in ("failed", "skipped"))])
    return {
        "files": len(brought),
        "bytes": sum(map(_length, brought)),
        "transferred_bytes": transferred,
        **{key: statuses[key] for key in ("unchanged", "changed_while_reading", "failed", "skipped")},
        "codec": codec,
        "elapsed": round(elapsed, 3),
    }


def _would_move(rows: Iterable[Row]) -> int:
    """Return the bytes of the files that are not here as the target has them."""
    fetched = (row for row in rows if row.status == "fetched")
    return sum(_length(row) for row in fetched if row.entry is not None and row.entry.type == "file")


def _length(row: Row) -> int:
    """Return how many bytes of a file are brought: of one that is too long for its limit a part."""
    if row.length is not None:
        return row.length
    return row.entry.size if row.entry is not None else 0


def _gone(changes: Changes) -> list[str]:
    if not changes.gone:
        return []
    shown = ", ".join(brief(path) for path in changes.gone[:_MAX_GONE_SHOWN])
    more = f" and {len(changes.gone) - _MAX_GONE_SHOWN} more" if len(changes.gone) > _MAX_GONE_SHOWN else ""
    return [f"gone from the target since they were fetched, their copies stay: {shown}{more}"]


def put(steps: Iterable[Step], home: Home, *, is_check: bool) -> dict[bytes, Row]:
    """Makes the directories and links of steps and gives a row for each step, by src.

    Links come after the files: where an asked path leads through a link, this side has a directory already, and it stays.
    """
    return {step.item.src: _put(step, home, is_check=is_check) for step in steps}


def _put(step: Step, home: Home, *, is_check: bool) -> Row:
    if step.action == "skip":
        return _row(step, "skipped", step.reason)
    if step.action == "fail":
        return _row(step, "failed", step.reason)
    dest, place = home.dest, home.place(step.item)
    try:
        is_new, reason = (
            _directory(dest, place, is_check)
            if step.action == "directory"
            else _link(step, dest, place, len(home.folder), is_check)
        )
    except Failure as failure:
        # a link whose place is taken is recorded like one that leads out
        is_recorded = step.action == "link" and failure.reason == "DestConflict"
        return _row(step, "skipped" if is_recorded else "failed", failure.reason)
    if reason is not None:
        return _row(step, "skipped", reason)
    return _row(step, "fetched" if is_new else "unchanged", None, dest.full(place))


def _directory(dest: Dest, place: Place, is_check: bool) -> tuple[bool, None]:
    if is_check or not place:
        return bool(place) and not dest.holds_directory(place), None
    return dest.directory(place), None


def _link(step: Step, dest: Dest, place: Place, floor: int, is_check: bool) -> tuple[bool, str | None]:
    text = step.item.entry.link if step.item.entry is not None else None
    if text is None or not place or not link_stays_inside(place, text, floor):
        return False, LINK_LEADS_OUT
    return (not dest.holds_link(place, text) if is_check else dest.link(place, text, floor)), None


def _row(step: Step, status: Status, reason: str | None, dest: bytes | None = None) -> Row:
    item = step.item
    # of what leads nowhere the target has no path of its own
    return Row(
        src=item.src,
        resolved=item.resolved if item.entry is not None else None,
        dest=dest,
        entry=item.entry,
        status=status,
        reason=reason,
    )
