# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of files in a copy for sharing. A pod names its files as it likes, so that two become one where what they hold is
replaced, or one becomes longer than a name or a path can be: such a name is replaced as a whole.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, count
from posixpath import dirname, join, normpath, relpath

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor

# bytes (limits.h: NAME_MAX, PATH_MAX with the NUL at its end)
_MAX_NAME = 255
_MAX_PATH = 4095
# no program has such folders; what makes, packs and removes them would need a descriptor or a stack frame for each
_MAX_DEPTH = 100


class SharedNames:
    """Each path of a bundle has one path in its copy, and no two have the same.

    above: bytes of the path of the copy itself; reserved: names that stay as they are and that no other file gets.
    """

    def __init__(self, salt: bytes, above: int, reserved: Iterable[bytes]) -> None:
        self._redactor = Redactor(salt)
        self._room = _MAX_PATH - above - 1
        self._ours = {name: name for name in reserved}
        self._taken = set(self._ours)

    def of(self, name: bytes) -> bytes:
        """The path in the copy of a path in the bundle."""
        parts = name.split(b"/")
        if len(parts) > _MAX_DEPTH:
            return self._whole(name)
        before = ours = b""
        for part in parts:
            before, folder = join(before, part), ours
            ours = self._ours.get(before) or self._take(before, folder, self._redactor.text(part), part)
        return ours if len(ours) <= self._room else self._whole(name)

    def link(self, name: bytes, text: bytes) -> bytes:
        """The text of a link in the copy, so that it leads to what it led to; name: its path in the bundle."""
        target = normpath(join(dirname(name), text))
        replaced = self._redactor.text(text)
        if not target.startswith((b"/", b"../")) and target != b"..":
            ours = self.of(name)
            place = target if target == b"." else self.of(target)
            if (ours, place, replaced) != (name, target, text):
                replaced = relpath(join(b"/", place), join(b"/", dirname(ours)))
        return replaced if len(replaced) <= _MAX_PATH else self._redactor.mark("name", text)

    def _whole(self, name: bytes) -> bytes:
        # a folder can have a place of its own, and yet be too deep or too long with what is in it
        key = join(b"/", name)
        return self._ours.get(key) or self._take(key, b"", b"", name)

    def _take(self, key: bytes, folder: bytes, wanted: bytes, original: bytes) -> bytes:
        """Takes a place in a folder of the copy: under the name that is wanted, where it is one and free, else under a marker."""
        place = join(folder, wanted)
        if not wanted or len(wanted) > _MAX_NAME or place in self._taken:
            mark = join(folder, self._redactor.mark("name", original))
            numbered = (b"%s-%d" % (mark, number) for number in count(2))
            place = next(free for free in chain([mark], numbered) if free not in self._taken)
        self._ours[key] = place
        self._taken.add(place)
        return place
