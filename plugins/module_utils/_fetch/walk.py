# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories taken whole, and with `follow` what the links in them lead to, at the links' own paths.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import DEADLINE, KERNEL, MAX_FILES, Item
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, is_below
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    MAX_LINKS,
    Found,
    Looker,
    look_up,
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
