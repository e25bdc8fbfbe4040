# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of what was asked for: paths and globs resolved in the target's view, directories whole.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import (
    DEADLINE,
    KERNEL,
    MAX_FILES,
    FetchOptions,
    Item,
    Origin,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.walk import Walk
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_expand import (
    Cut,
    Expansion,
    expand,
    is_glob,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, upwards
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    Found,
    Looker,
    Unresolved,
    normal,
    resolve,
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found; blind are the paths, as asked, below which it could not look.

    is_cut: a limit stopped a listing half-way; the looker's session is of no more use then.
    """

    items: tuple[Item, ...]
    warnings: tuple[str, ...]
    blind: tuple[bytes, ...]
    is_cut: bool = False


_CUTS: dict[Cut, str] = {"number": MAX_FILES, "time": DEADLINE}


def check_options(options: FetchOptions) -> None:
    """Raises Failure InvalidRequest when src is empty or a path in it is not absolute, or directory_mode keeps us out."""
    if options.directory_mode & 0o700 != 0o700:
        raise Failure("InvalidRequest", f"directory_mode {options.directory_mode:04o} would keep this task itself out.")
    if not options.src and not options.exact and not options.open_deleted:
        raise Failure(
            "InvalidRequest", "src and src_b64 are both empty.", "Name at least one path or glob of the target."
        )
    for path in (*options.src, *options.exact):
        normal(path)


def survey(looker: Looker, options: FetchOptions, policy: ReadPolicy, until: float = math.inf) -> Survey:
    """Looks at all that was asked for, until that moment (time.monotonic()). Raises Failure when the connection breaks."""
    # directories and links count as well; ten million names end here and not in this host's memory
    limit = 2 * options.max_files + 1000 if options.max_files else sys.maxsize
    warnings: list[str] = []
    plain = [normal(path) for path in options.exact]
    patterns = [normal(path) for path in options.src]
    # not even looked at; what is on the other kernel file systems shows by its mount
    skipped = {path for path in [*plain, *patterns] if not is_glob(path) and policy.denial_as_asked(path) == KERNEL}
    items = [Item(path, None, None, "plain") for path in skipped]
    resolved = resolve(looker, [path for path in plain if path not in skipped])
    expansions = expand(
        looker,
        [path for path in patterns if path not in skipped],
        prune=policy.pruned,
        max_entries=limit,
        until=until,
    )
    found: list[tuple[Found, Origin]] = [(answer, "plain") for answer in resolved if isinstance(answer, Found)]
    problems: list[tuple[Unlisted | Unresolved, Origin]] = [
        (answer, "plain") for answer in resolved if isinstance(answer, Unresolved)
    ]
    for expansion in expansions:
        origin: Origin = "plain" if expansion.literal else "match"
        found += [(match, origin) for match in expansion.matches]
        problems += [(problem, origin) for problem in expansion.problems]
        warnings += _about(expansion)
    items += [
        _item_of(problem, origin)
        for problem, origin in problems
        if not isinstance(problem, Unlisted) or problem.path is not None
    ]
    items += [Item(normal(match.asked), match.path, match.entry, origin) for match, origin in found]
    cut = {expansion.base: _CUTS[expansion.cut] for expansion in expansions if expansion.cut is not None}
    walk = Walk(looker, policy, limit, until, stopped=DEADLINE if DEADLINE in cut.values() else None)
    directories = _directories(items)
    if options.follow:
        links = [item for item in items if _is_link(item)]
        items = [item for item in items if not _is_link(item)]
        walk.follow(directories, links)
    else:
        walk.take(directories)
    items += walk.items
    items += [Item(normal(base), None, None, "inside", reason) for base, reason in cut.items()]
    warnings += [
        f"could not be listed: {problem.message}"
        for problem, _origin in problems
        if isinstance(problem, Unlisted) and problem.path is None
    ]
    # what a link leads to may be here by an earlier run that followed it
    blind = tuple(item.src for item in items if item.reason not in (None, "Missing") or _is_link(item))
    return Survey(tuple(_united(items)), tuple(warnings), blind, is_cut=walk.stopped is not None)


def _is_link(item: Item) -> bool:
    return item.entry is not None and item.entry.type == "link"


def _about(expansion: Expansion) -> list[str]:
    shown = expansion.pattern.decode("utf-8", "backslashreplace")
    if expansion.cut is not None:
        return [f"not all that {shown} may match was looked at ({_CUTS[expansion.cut]})"]
    return [] if expansion.literal or expansion.matches else [f"{shown} matches nothing"]


def _item_of(problem: Unlisted | Unresolved, origin: Origin) -> Item:
    if isinstance(problem, Unresolved):
        # where it leads to is known at least: links into /proc are left out as /proc itself is
        return Item(normal(problem.asked), problem.at, None, origin, problem.reason)
    path = problem.path or b"/"
    return Item(path, path, None, origin, problem.reason)


def _directories(items: Sequence[Item]) -> list[Item]:
    """The directories to be taken whole, less those that are in another one of them."""
    roots = {item.src: item for item in items if item.entry is not None and item.entry.type == "directory"}
    own = {src for src, item in roots.items() if src == item.resolved}
    return [
        item
        for src, item in sorted(roots.items())
        if src not in own or not any(above in own for above in upwards(src) if above != src)
    ]


def _united(items: Iterable[Item]) -> Iterator[Item]:
    """One item where a directory was seen and what is in it was not: it has both the entry and the reason."""
    seen: dict[tuple[bytes, Origin], Item] = {}
    for item in items:
        before = seen.get((item.src, item.origin))
        if before is None:
            seen[item.src, item.origin] = item
        else:
            seen[item.src, item.origin] = replace(
                before, entry=before.entry or item.entry, reason=before.reason or item.reason
            )
    yield from seen.values()
