# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tools of the debug image that everything here stands on: each is tried on something whose outcome is known.

A listing by a `find` that is not there is empty, and a hash by a `dd` that knows no option is of nothing.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session

# what is run, and what it prints as a shell's pattern
_TRIES: dict[str, tuple[bytes, bytes]] = {
    "find": (rb"""find / -maxdepth 0 \( -path ./a -o -path ./b \) -prune -o -exec sh -c 'echo $#' sh {} +""", b"1"),
    "stat": (rb"""stat -c '%f %u %g %s %d %i %h %b %X %Y %Z|%x|%y|%z' /""", b"4[0-9a-f][0-9a-f][0-9a-f]' '[0-9]*"),
    "readlink": (b"readlink -n -- /proc/self/fd/0", b"/*"),
    "cat": (b"echo a | cat", b"a"),
    "sed": (b"echo 'a: 7' | sed -n 's/^a:[^0-9]*//p'", b"7"),
    "dd": (b"echo abc | dd bs=2 count=1 iflag=fullblock conv=sync", b"ab*"),
    "sha256sum": (b"sha256sum </dev/null", b"e3b0c44298fc1c149afbf4c8996fb924*"),
    "ls": (b"ls -l /proc/self/fd/0", b"l*"),
}
LOOKING = ("find", "stat", "readlink", "cat", "sed", "dd", "sha256sum")
HELD_OPEN = ("ls",)

# Without the tool a shell says 127, and one that lacks an option complains. What was killed, or could not be started by find,
# is no word on what the image has.
_TRY = rb"""
judge_tool() { # tool $1: status $2, printed $said, is as expected: $3
  [ "$3" = no ] || return 0
  case $2 in
    0|126|127) echo "$1" ;;
    1) case $said in
         ''|*unavailable*|*'annot allocate'*|*'erminated by signal'*|*'out of memory'*) exit 3 ;;
         *) echo "$1" ;;
       esac ;;
    *) exit $2 ;;
  esac
}
"""


def try_tools(session: Session, tools: Sequence[str]) -> None:
    """Try tools of the image. Raises Failure ImageLacksTool, or LookBroken where it cannot be told."""
    lines = [_TRY]
    for tool in tools:
        command, pattern = _TRIES[tool]
        name = tool.encode()
        lines.append(
            b"if command -v %s >/dev/null; then\n"
            b"said=$({ %s; } 2>&1)\nstatus=$?\n"
            b"case $said in %s) judge_tool %s $status yes ;; *) judge_tool %s $status no ;; esac\n"
            b"else echo %s; fi\n" % (name, command, pattern, name, name, name)
        )
    said = session.run(b"".join([*lines, b"exit 0\n"])).output(_MOST).decode("utf-8", "replace").split()
    if lacking := [tool for tool in tools if tool in said]:
        raise Failure("ImageLacksTool", f"The debug image lacks a working {' and '.join(lacking)}.")


# of the names of a few tools
_MOST = 1024
