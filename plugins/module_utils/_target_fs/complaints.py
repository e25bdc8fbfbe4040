# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What find says of a listing: whether it is whole, where it could not look, or that it broke off.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# of one path: it went meanwhile, or the listing has a record of its own for it
_OF_A_PATH = (
    b"Permission denied",
    b"No such file or directory",
    b"Not a directory",
    b"Too many levels of symbolic links",
    b"File name too long",
)
# of find itself: it could not start what looks, or that was killed
_OF_THE_LOOK = (
    b"Resource temporarily unavailable",
    b"Cannot allocate memory",
    b"emory exhausted",
    b"ut of memory",
    b"Too many open files",
    b"Too many open files in system",
)
_KILLED = b"terminated by signal"
# of a complaint that is still coming: a path, and words
_MOST = 16 << 10
_MOST_KEPT = 8


class Complaints:
    """What came of one find: its stderr, the runs of its script that began and ended, its status.

    others are complaints of neither kind, such as of a disk that gives errors.
    """

    def __init__(self) -> None:
        self.others: list[str] = []
        self._rest = b""
        self._broken: bytes | None = None
        self._has_said_anything = False
        self._open = 0
        self._status: bytes | None = None

    def take(self, view: memoryview) -> None:
        """Take a piece of stderr. A name can have newlines in it, so a complaint goes on up to the next one."""
        *whole, self._rest = (self._rest + view.tobytes()).replace(b"\nfind: ", b"\n\0").split(b"\n\0")
        for complaint in whole:
            self._judge(complaint)
        # of a longer one the end tells
        self._rest = self._rest[-_MOST:]

    def note(self, kind: bytes, fields: Sequence[bytes]) -> None:
        """Note a record: a run of the script that began (B) or ended (Z), or the end of all (Y) with find's status."""
        self._open += {b"B": 1, b"Z": -1}.get(kind, 0)
        if kind == b"Y":
            self._status = fields[0]

    def check(self) -> None:
        """Raise Failure LookBroken unless the listing came to its end; what cannot be looked into is no such thing."""
        self._judge(self._rest)
        self._rest = b""
        silent = self._status not in (None, b"0") and not self._has_said_anything
        if self._broken is not None or self._open or silent:
            words = (self._broken or b"what it started was killed").decode("utf-8", "backslashreplace")
            raise Failure("LookBroken", f"A listing broke off: {words[-300:]}")

    def _judge(self, complaint: bytes) -> None:
        complaint = complaint.strip()
        if not complaint:
            return
        self._has_said_anything = True
        if complaint.endswith(_OF_THE_LOOK) or _KILLED in complaint:
            self._broken = self._broken or complaint
        elif not complaint.endswith(_OF_A_PATH) and len(self.others) < _MOST_KEPT:
            self.others.append(complaint[-300:].decode("utf-8", "backslashreplace"))
