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

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._ground import Ground, is_below
from ansible_collections.incident.distroless.plugins.module_utils._listing import Entry, Unlisted
from ansible_collections.incident.distroless.plugins.module_utils._plan import DEADLINE, KERNEL, MAX_FILES, Item
from ansible_collections.incident.distroless.plugins.module_utils._resolve import Found, Looker, resolve


@dataclass(frozen=True, slots=True)
class Tree:
    """A directory to be taken whole. above are the target's own paths of the directories that links were followed out of."""

    root: Item
    above: frozenset[bytes] = frozenset()

    @property
    def top(self) -> bytes:
        """The target's own path of it."""
        return self.root.resolved or self.root.src


@dataclass(slots=True)
class Walk:
    """A walk of directories: what was found so far, and which limit stopped it, if one did.

    limit bounds the names, until (time.monotonic()) the time.
    """

    looker: Looker
    ground: Ground
    limit: int
    until: float
    items: list[Item] = field(default_factory=list)
    stopped: str | None = None

    def take(self, roots: Iterable[Item]) -> None:
        """Takes directories whole; links are things like any other."""
        for root in roots:
            self.items += self._inside(Tree(root))

    def follow(self, roots: Iterable[Item], links: Iterable[Item]) -> None:
        """Takes directories whole, and follows links and those in the directories, round by round, as `find -L` does.

        No directory is taken inside itself, so that it ends wherever links lead.
        """
        trees = [Tree(root) for root in roots]
        ways: dict[bytes, tuple[Item, frozenset[bytes]]] = {}
        seen: set[bytes] = set()
        while True:
            for tree in trees:
                for item in self._inside(tree):
                    if item.entry is not None and item.entry.type == "link" and item.reason is None:
                        ways[item.src] = (item, tree.above | _between(tree.top, item.resolved or item.src))
                    else:
                        self.items.append(item)
            # last, for what a match of a glob is a part of knows better what it is inside of
            for link in links:
                ways.setdefault(link.src, (link, frozenset()))
            links = ()
            ways = {src: way for src, way in ways.items() if src not in seen}
            seen.update(ways)
            if not ways:
                return
            trees = self._led(list(ways.values()))
            ways = {}

    def _led(self, ways: Sequence[tuple[Item, frozenset[bytes]]]) -> list[Tree]:
        """Notes what links lead to, and gives those that are directories."""
        if self.stopped is not None:
            self.items += [replace(link, reason=self.stopped) for link, _above in ways]
            return []
        trees: list[Tree] = []
        answers = resolve(self.looker, [link.resolved or link.src for link, _above in ways])
        for (link, above), answer in zip(ways, answers, strict=True):
            if not isinstance(answer, Found):
                # where it ended is known at least: a link into /proc is left out as /proc itself is
                self.items.append(replace(link, resolved=answer.at, reason=answer.reason))
                continue
            item = replace(link, resolved=answer.path, entry=answer.entry)
            if answer.entry.type != "directory":
                self.items.append(item)
            elif answer.path in above:
                self.items.append(replace(link, resolved=answer.path, reason="Loop"))
            else:
                trees.append(Tree(item, above))
        return trees

    def _inside(self, tree: Tree) -> list[Item]:
        """All that is in a directory, at the path that it was asked for by."""
        root, top = tree.root, tree.top
        if self.stopped is not None:
            return [replace(root, reason=self.stopped)]
        if self.ground.bars(top) == KERNEL:
            return [root]
        # a directory that this one was reached out of, by a link, may be in it
        again = [path for path in tree.above if is_below(path, top)]
        items: list[Item] = []
        try:
            for answer in self.looker.scan(
                [top], prune=[*self.ground.pruned, *again], max_entries=max(self.limit - len(self.items), 1)
            ):
                if time.monotonic() > self.until:
                    self.stopped = DEADLINE
                    break
                items.append(_item(answer, tree))
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
    return Item(moved, path, answer, origin, "Loop" if path in tree.above else None)


def _between(top: bytes, path: bytes) -> frozenset[bytes]:
    """The directories from top down to the one that path is in."""
    between = {top}
    while len(path) > len(top) + 1 and (path := path[: path.rindex(b"/")]) and is_below(path, top):
        between.add(path)
    return frozenset(between)
