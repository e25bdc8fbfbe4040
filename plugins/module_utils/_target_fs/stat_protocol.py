# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The remote program that looks at files, and its answers taken apart into records.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import quote
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput

# include/uapi/linux/limits.h
PATH_MAX, NAME_MAX = 4096, 255
# a line holds a whole path at most, or what stands between two newlines in one
_MAX_LINE = 2 * PATH_MAX

# A path that find makes of a normal one never holds `//`, whatever is in its names: a line that begins so begins a record,
# any other goes on with the path before. The text of a link may hold anything, so its length stands before it.
# `read`, `[`, and printf are builtins: walking costs a fork only where something was found.
# A status of 0 or 1 is an answer: the file, or that it went meanwhile. Any other is none: the tool was killed, or a fork refused,
# and what follows would be a listing with holes in it.
SOUND = rb"""
sound() { # ends the job after status $1 unless it is an answer's
  case $1 in 0|1) ;; *) exit $1 ;; esac
}
"""
_TEXTS = rb"""
for file; do
  if [ -h "$file" ]; then
    # what a newline ends would be cut by the substitution
    text=$(readlink -n -- "$file" && echo x)
    case $? in
      0) text=${text%x}; printf '//L %s %s\n%s%s\n' ${#file} ${#text} "$file" "$text" ;;
      1) ;;
      *) exit 3 ;;
    esac
  elif [ -d "$file" ] && ! { [ -r "$file" ] && [ -x "$file" ]; }; then
    printf '//U %s\n' "$file"
  fi
done
"""
# seconds as a number, whatever the year; the fraction is only in the text, which busybox dies of where the year does not
# fit into 32 bits: any process can give a file on a tmpfs such a time
_FACTS = b"%f %u %g %s %d %i %h %b %X %Y %Z"
_FRACTIONS = b"|%x|%y|%z"
# it dies in the middle of its output: `//C` says that the record before is not whole; all come again, without fractions.
# find says by one status that a directory is closed and that this script failed; so each run of it has a beginning and an end.
LOOK = (
    b"""exec 2>/dev/null
echo //B
stat -c '//E """
    + _FACTS
    + _FRACTIONS
    + b"""|%n' "$@"
status=$?
[ $status -lt 128 ] || {
  printf '\\n//C\\n'
  stat -c '//E """
    + _FACTS
    + b"""||||%n' "$@"
  status=$?
}
[ $status -lt 2 ] || exit 3"""
    + _TEXTS
    + b"echo //Z\n"
)
# Jobs stand in the target's root: paths are as long there as the target's own can be, and it stays the same root whatever
# becomes of the process whose root it is. What looks for programs or libraries must not look there.
PROGRAM = (
    SOUND
    + rb"""
export LC_ALL=C TZ=UTC0
unset CDPATH
rooted() { # sets parts to those of list $1 that begin with a slash
  parts= list=$1:
  while [ -n "$list" ]; do
    case $list in /*) parts=$parts${parts:+:}${list%%:*} ;; esac
    list=${list#*:}
  done
}
rooted "$PATH"
PATH=${parts:-/usr/bin:/bin}
if [ -n "$LD_LIBRARY_PATH" ]; then rooted "$LD_LIBRARY_PATH"; LD_LIBRARY_PATH=$parts; fi
texts() {"""
    + _TEXTS
    + rb"""}
facts() { # of file $1; with $2 -L of what it leads to
  { stat $2 -c '"""
    + _FACTS
    + _FRACTIONS
    + rb"""' -- "$1" || stat $2 -c '"""
    + _FACTS
    + rb"""|||' -- "$1"; } 2>/dev/null
}
see() { # path number $1: what is open as $2
  said=$(facts "$2" -L)
  sound $?
  echo "//F $1 $said"
}
walk() { # path number $1: $2 below the root
  rest=${2#/} here=
  while [ -n "$rest" ]; do
    above=${here:-.} here=$here${here:+/}${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    if [ -h "$here" ]; then
      said=$(facts "$here")
      sound $?
      echo "//H $1 $((${#here} + 1)) $said"
      texts "$here"
      return
    elif [ ! -e "$here" ]; then
      if [ -x "$above/" ]; then echo "//A $1 Missing"; else echo "//A $1 PermissionDenied"; fi
      return
    elif [ -n "$rest" ] && [ ! -d "$here" ]; then
      echo "//A $1 NotADirectory"
      return
    fi
  done
  said=$(facts "${here:-.}")
  sound $?
  echo "//F $1 $said"
}
"""
)
# no file of the target's root has such a path: /proc is left out wherever a path or a link leads there
_HELD = re.compile(rb"/proc/[0-9]+/fd/[0-9]+\Z")
# of one cd: a longer path is gone in steps, so that no dot before it makes it too long
_STEP = 2048


def program_for(root: bytes) -> bytes:
    """Return what a session needs to know, and where its jobs stand: in root. A root that cannot be entered ends it."""
    # whatever would be read then would be the debugger's own
    return PROGRAM + b"cd -P %s/ 2>/dev/null || exit 126\n" % quote(root)


def relative(path: bytes) -> bytes:
    """A path of the target as jobs name it. What it holds open though deleted has a name in our own /proc only."""
    return path if _HELD.match(path) else path[1:] or b"."


def walk_line(index: int, path: bytes) -> bytes:
    """Return what looks at a path."""
    return b"%s %d %s\n" % (b"see" if _HELD.match(path) else b"walk", index, quote(path))


def scan_script(top: bytes, prune: Sequence[bytes], max_depth: int | None) -> bytes:
    """Return what lists a directory, as names that begin with a dot in the place of top; not what is in those of prune."""
    steps: list[bytes] = []
    step = b""
    for name in relative(top).split(b"/"):
        if len(step) + len(name) > _STEP:
            steps, step = [*steps, step], b""
        step += name + b"/"
    ways = b" && ".join(b"cd -P " + quote(b"./" + way) for way in [*steps, step])
    depth = b"-maxdepth %d " % max_depth if max_depth is not None else b""
    find = b"find . " + depth + b"-exec sh -c " + quote(LOOK) + b" sh {} + " + _pruning(top, prune)
    # what find itself complains of is looked at on this side; of its own status 1 says no more than that it did
    return (
        b"[ -d %s ] || exit 0\n{ %s; } 2>/dev/null || { echo '//U .'; exit 0; }\n%s\nstatus=$?\nsound $status\necho //Y $status\nexit 0\n"
        % (
            quote(relative(top)),
            ways,
            find,
        )
    )


def _pruning(top: bytes, prune: Sequence[bytes]) -> bytes:
    """find's words that keep it out of directories."""
    own = top.rstrip(b"/")
    inside = [path for path in prune if path == top or path.startswith(own + b"/")]
    if not inside:
        return b""
    # -path is a pattern: what is special in one is escaped
    patterns = [re.sub(rb"([*?\[\]\\])", rb"\\\1", b"." + path[len(own) :].rstrip(b"/")) for path in inside]
    return rb"\( " + b" -o ".join(b"-path " + quote(pattern) for pattern in patterns) + rb" \) -prune"


def records(answer: JobOutput) -> Iterator[tuple[bytes, list[bytes], tuple[bytes, bytes]]]:
    """The records of an answer: kind, fields, and the path (and the text) that came with it."""
    pending: bytes | None = None
    while (line := answer.line(_MAX_LINE)) is not None:
        if pending is not None and not line.startswith(b"//"):
            pending += b"\n" + line
            if len(pending) > _MAX_LINE:
                raise misunderstood(b"a path that does not end")
            continue
        if pending is not None and line != b"//C":
            yield _with_path(pending)
        pending = None
        if line in (b"//B", b"//C", b"//Z", b"//Y 0", b"//Y 1"):
            yield line[2:3], line[4:].split(), (b"", b"")
        elif line.startswith((b"//E ", b"//U ")) or b"//E".startswith(line):
            pending = line
        elif line.startswith(b"//L "):
            yield b"L", [], _lengths_and_texts(answer, line)
        elif line.startswith((b"//A ", b"//D ", b"//F ", b"//H ", b"//O ")):
            # each has at least three fields, the last ones empty where nothing was found
            yield line[2:3], [*line[4:].split(b" "), b"", b""], (b"", b"")
        else:
            raise misunderstood(line)
    if pending is not None:
        yield _with_path(pending)


def _with_path(record: bytes) -> tuple[bytes, list[bytes], tuple[bytes, bytes]]:
    body = record[4:]
    if record.startswith(b"//U"):
        return b"U", [], (body, b"")
    *facts, path = body.split(b"|", 4)
    if len(facts) != 4:
        raise misunderstood(record)
    return b"E", [b"|".join(facts)], (path, b"")


def _lengths_and_texts(answer: JobOutput, line: bytes) -> tuple[bytes, bytes]:
    try:
        of_path, of_text = (int(field) for field in line[4:].split())
    except ValueError as error:
        raise misunderstood(line) from error
    if not 0 < of_path <= _MAX_LINE or not 0 <= of_text <= PATH_MAX:
        raise misunderstood(line)
    both = b"".join(bytes(view) for view in answer.exactly(of_path + of_text + 1))
    return both[:of_path], both[of_path:-1]


def misunderstood(what: bytes) -> Failure:
    """The failure for an answer that does not keep to its form."""
    return Failure("ConnectionLost", f"The remote side cannot be understood: {what[:200]!r}.")
