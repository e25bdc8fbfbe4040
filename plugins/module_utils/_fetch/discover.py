# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there of what was asked for: paths and globs in the target's view, directories whole, links with `follow`.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    DEADLINE,
    KERNEL,
    MAX_FILES,
    FetchOptions,
    Item,
    Origin,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_expand import (
    Cut,
    Expansion,
    expand,
    is_glob,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import (
    ReadPolicy,
    is_below,
    upwards,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    MAX_LINKS,
    Found,
    Looker,
    Unresolved,
    look_up,
    normal,
    resolve,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A directory, top, and those in it down to another one, bottom: two paths, however many there are between."""

    top: bytes
    bottom: bytes

    def __contains__(self, path: bytes) -> bool:
        return is_below(path, self.top) and is_below(self.bottom, path)


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory to be taken whole. above are the directories that links were followed out of, by the target's own paths."""

    root: Item
    above: tuple[Span, ...] = ()

    @property
    def top(self) -> bytes:
        """The target's own path of it."""
        return self.root.resolved or self.root.src


@dataclass(slots=True)
class Walk:
    """A walk of directories: what was found so far, and which limit stopped it, if one did.

    left is how many names may still be listed, those of links that wait to be followed included; until (time.monotonic()) is
    when to stop.
    """

    looker: Looker
    policy: ReadPolicy
    left: int
    until: float
    items: list[Item] = field(default_factory=list)
    stopped: str | None = None

    def take(self, roots: Iterable[Item]) -> None:
        """Takes directories whole; links are things like any other."""
        for root in roots:
            self.items += self._inside(Tree(root))

    def follow(self, roots: Iterable[Item], links: Iterable[Item]) -> None:
        """Takes directories whole, and follows links and those in the directories, round by round, as `find -L` does.

        No directory is taken inside itself, and no path has more links in it than the kernel follows, so that it ends wherever
        links lead.
        """
        trees = [Tree(root) for root in roots]
        ways: dict[bytes, Tree] = {}
        seen: set[bytes] = set()
        while True:
            for tree in trees:
                for item in self._inside(tree):
                    if item.entry is not None and item.entry.type == "link" and item.reason is None:
                        ways[item.src] = Tree(item, (*tree.above, Span(tree.top, _above(item.resolved or item.src))))
                    else:
                        self.items.append(item)
            # last, for what a match of a glob is a part of knows better what it is inside of
            for link in links:
                ways.setdefault(link.src, Tree(link))
            links = ()
            ways = {src: way for src, way in ways.items() if src not in seen}
            seen.update(ways)
            if not ways:
                return
            trees = self._led(list(ways.values()))
            ways = {}

    def _led(self, ways: Sequence[Tree]) -> list[Tree]:
        """Notes what links lead to, and gives those that are directories. Of each way the root is the link."""
        paths = [way.top for way in ways] if self.stopped is None else []
        answers = look_up(self.looker, paths, self.until)
        trees: list[Tree] = []
        for way in ways:
            link, answer = way.root, answers.get(way.top)
            if answer is None:
                self.stopped = self.stopped or DEADLINE
                self.items.append(replace(link, reason=self.stopped))
            elif not isinstance(answer, Found):
                # where it ended is known at least: a link into /proc is left out as /proc itself is
                self.items.append(replace(link, resolved=answer.at, reason=answer.reason))
            elif answer.entry.type != "directory":
                self.items.append(replace(link, resolved=answer.path, entry=answer.entry))
            elif len(way.above) > MAX_LINKS or any(answer.path in span for span in way.above):
                self.items.append(replace(link, resolved=answer.path, reason="Loop"))
            else:
                trees.append(Tree(replace(link, resolved=answer.path, entry=answer.entry), way.above))
        return trees

    def _inside(self, tree: Tree) -> list[Item]:
        """All that is in a directory, at the path that it was asked for by."""
        root, top = tree.root, tree.top
        if self.stopped is not None:
            return [replace(root, reason=self.stopped)]
        if self.policy.denial(top) == KERNEL:
            return [root]
        if self.left <= 0:
            self.stopped = MAX_FILES
            return [replace(root, reason=self.stopped)]
        # a directory that this one was reached out of, by a link, may be in it
        again = [span.top for span in tree.above if is_below(span.top, top)]
        items: list[Item] = []
        try:
            for answer in self.looker.scan([top], prune=[*self.policy.pruned, *again], max_entries=self.left):
                if time.monotonic() > self.until:
                    self.stopped = DEADLINE
                    break
                items.append(_item(answer, tree))
                self.left -= 1
        except Failure as failure:
            if failure.reason != "LimitExceeded":
                raise
            self.stopped = MAX_FILES
        return items if self.stopped is None else [*items, replace(root, reason=self.stopped)]


def _item(answer: Entry | Unlisted, tree: Tree) -> Item:
    path = answer.path or tree.top
    moved = tree.root.src.rstrip(b"/") + path[len(tree.top.rstrip(b"/")) :] or b"/"
    origin = tree.root.origin if path == tree.top else "inside"
    if isinstance(answer, Unlisted):
        return Item(moved, path, None, origin, answer.reason)
    return Item(moved, path, answer, origin, "Loop" if any(path == span.top for span in tree.above) else None)


def _above(path: bytes) -> bytes:
    """The directory that a path is in."""
    return path.rpartition(b"/")[0] or b"/"


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
