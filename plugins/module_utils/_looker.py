# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The remote program that looks at files, and its answers taken apart into records.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._session import Answer

# include/uapi/linux/limits.h
PATH_MAX, NAME_MAX = 4096, 255
# a line holds a whole path at most, or what stands between two newlines in one
_MAX_LINE = 2 * PATH_MAX

# A path that find makes of a normal one never holds `//`, whatever is in its names: a line that begins so begins a record,
# any other goes on with the path before. The text of a link may hold anything, so its length stands before it.
# `read`, `[`, and printf are builtins: walking costs a fork only where something was found.
_TEXTS = rb"""
for file; do
  if [ -h "$file" ]; then
    # what a newline ends would be cut by the substitution
    text=$(readlink -n "$file" && echo x) && text=${text%x} &&
      printf '//L %s %s\n%s%s\n' ${#file} ${#text} "$file" "$text"
  elif [ -d "$file" ] && ! { [ -r "$file" ] && [ -x "$file" ]; }; then
    printf '//U %s\n' "$file"
  fi
done
"""
# seconds as a number, whatever the year; the fraction is only in the text, which busybox dies of where the year does not
# fit into 32 bits: any process can give a file on a tmpfs such a time
_FACTS = b"%f %u %g %s %d %i %h %b %X %Y %Z"
_FRACTIONS = b"|%x|%y|%z"
# it dies in the middle of its output: `//C` says that the record before is not whole; all come again, without fractions
LOOK = (
    b"stat -c '//E "
    + _FACTS
    + _FRACTIONS
    + b"""|%n' "$@"
[ $? -lt 128 ] || { printf '\\n//C\\n'; stat -c '//E """
    + _FACTS
    + b"""||||%n' "$@"; }"""
    + _TEXTS
)
PROGRAM = (
    rb"""
export LC_ALL=C TZ=UTC0
texts() {"""
    + _TEXTS
    + rb"""}
facts() {
  { stat -c '"""
    + _FACTS
    + _FRACTIONS
    + rb"""' "$1" || stat -c '"""
    + _FACTS
    + rb"""|||' "$1"; } 2>/dev/null
}
walk() { # path number $1: $2 below the root
  rest=${2#/} here=$root
  while [ -n "$rest" ]; do
    above=$here here=$here/${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    if [ -h "$here" ]; then
      echo "//H $1 $((${#here} - ${#root})) $(facts "$here")"
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
  # /proc/<pid>/root is itself a link, which a slash behind it follows
  [ "$here" != "$root" ] || here=$root/
  echo "//F $1 $(facts "$here")"
}
"""
)


def records(answer: Answer) -> Iterator[tuple[bytes, list[bytes], tuple[bytes, bytes]]]:
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
        if line == b"//C":
            yield b"C", [], (b"", b"")
        elif line.startswith((b"//E ", b"//U ")) or b"//E".startswith(line):
            pending = line
        elif line.startswith(b"//L "):
            yield b"L", [], _lengths_and_texts(answer, line)
        elif line.startswith((b"//A ", b"//F ", b"//H ")):
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


def _lengths_and_texts(answer: Answer, line: bytes) -> tuple[bytes, bytes]:
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
