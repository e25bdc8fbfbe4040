# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that the target's processes hold open though they are deleted: what leaky log rotation and intruders leave.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import KERNEL, MAX_FILES, SECRET, Item
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Entry,
    TargetFiles,
    parse_entry,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, is_below_any
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.stat_protocol import misunderstood, records

# fs/d_path.c puts it behind the path of what has no name any more; a file that is there can be called so as well
DELETED = b" (deleted)"
# a process may have a million files open; each of these costs the debugger a few forks
_MOST = 10_000

# `[ -f` follows /proc/<pid>/fd/<n> to the open file itself: fifos, sockets and devices are left alone. A process that has
# ended and is not reaped has no files; one that keeps us out says so. The one `ls` spares a readlink for each open file
# of the many processes that hold nothing deleted. The name in stat is the process's own choice, newlines and `) Z` included:
# what counts stands behind the last bracket of all its lines.
_PROGRAM = rb"""
held() { # of process $1
  line=
  while IFS= read -r more || [ -n "$more" ]; do line="$line$more "; done 2>/dev/null <"/proc/$1/stat"
  case ${line##*) } in ''|[ZX]*) return ;; esac
  if ! { [ -r "/proc/$1/fd" ] && [ -d "/proc/$1/root/." ]; }; then echo "//D $1"; return; fi
  # a process that went has no list; an ls that was killed or not started has said nothing
  listed=$(ls -l "/proc/$1/fd/" 2>/dev/null)
  [ $? -lt 126 ] || exit 3
  case $listed in *'(deleted)'*) ;; *) return ;; esac
  for file in "/proc/$1/fd/"*; do
    [ -f "$file" ] || continue
    text=$(readlink -n "$file" && echo x)
    sound $?
    text=${text%x}
    case $text in *' (deleted)') ;; *) continue ;; esac
    mount=
    while read -r key value; do [ "$key" != mnt_id: ] || mount=$value; done 2>/dev/null <"/proc/$1/fdinfo/${file##*/}"
    said=$(facts "$file" -L)
    sound $?
    printf '//O %s %s %s %s\n' "$1" "${file##*/}" "${mount:--}" "$said"
    printf '//L %s %s\n%s%s\n' ${#file} ${#text} "$file" "$text"
  done
}
"""


@dataclass(frozen=True, slots=True)
class Held:
    """An open file: text is what its link says, mount the id of its mount, entry what stat says of it, by its link's path."""

    pid: int
    descriptor: int
    mount: int
    text: bytes
    entry: Entry


@dataclass(frozen=True, slots=True)
class Holdings:
    """What was found; mounts are the ids of those that nobody's mountinfo has and that may be read from all the same."""

    items: tuple[Item, ...]
    mounts: frozenset[int]


def survey_held(files: TargetFiles, pids: Sequence[int], policy: ReadPolicy) -> Holdings:
    """The regular files that processes hold open though deleted, each once. Raises Failure when the connection breaks."""
    held: list[Held] = []
    denied: list[int] = []
    cut: list[Item] = []
    try:
        for answer in _ask(files, sorted(pids)):
            if isinstance(answer, Held):
                held.append(answer)
            else:
                denied.append(answer)
    except Failure as failure:
        if failure.reason != "LimitExceeded":
            raise
        cut.append(Item(b"/proc", None, None, "held", MAX_FILES))
    found = judge(_nameless(files, held), denied, policy)
    return replace(found, items=(*cut, *found.items))


def judge(held: Iterable[Held], denied: Iterable[int], policy: ReadPolicy) -> Holdings:
    """An item for each open file, with the reason for those that must be left out. denied are processes that keep us out."""
    items = [Item(b"/proc/%d/fd" % pid, None, None, "held", "PermissionDenied") for pid in denied]
    known = {mount.id for mount in policy.points.values()}
    mounts: set[int] = set()
    seen: set[tuple[int, int]] = set()
    for file in sorted(held, key=lambda file: (file.pid, file.descriptor)):
        if (file.entry.dev, file.entry.ino) in seen:
            continue
        seen.add((file.entry.dev, file.entry.ino))
        reason = None
        if file.mount in policy.secret_ids or is_below_any(file.text, policy.hidden):
            reason = SECRET
        elif file.mount in policy.readable_ids:
            pass
        elif file.mount in known:
            reason = KERNEL
        elif file.text.startswith(b"/memfd:") and file.entry.nlink == 0:
            # A memfd lies on a mount that only the kernel has (mm/shmem.c, shm_mnt): no mountinfo proves it. What proves it
            # is that one of the target's own processes, told by its cgroup, holds the inode, which never had a name. That
            # inode, by device and number, is all that is read from there.
            mounts.add(file.mount)
        else:
            # handed over by a process of another mount namespace, or on a mount that was taken away
            reason = "Escaped"
        items.append(Item(file.entry.path, file.text, file.entry, "held", reason))
    return Holdings(tuple(items), frozenset(mounts))


def _nameless(files: TargetFiles, held: Sequence[Held]) -> list[Held]:
    """Those of held that have no name. A link count does not tell: of an image's own file that was deleted, it stays 1."""
    doubtful = [file for file in held if file.entry.nlink and file.text.startswith(b"/")]
    named = {
        (file.pid, file.descriptor)
        for file, found in zip(doubtful, files.walk([file.text for file in doubtful]), strict=True)
        if isinstance(found, Entry) and (found.dev, found.ino) == (file.entry.dev, file.entry.ino)
    }
    return [file for file in held if (file.pid, file.descriptor) not in named]


def _ask(files: TargetFiles, pids: Sequence[int]) -> Iterator[Held | int]:
    """The open files whose links call them deleted, and the processes that may not be looked into."""
    job = files.session.run(_PROGRAM + b"".join(b"held %d\n" % pid for pid in pids) + b"exit 0\n")
    fields: list[bytes] = []
    for number, (kind, said, (path, text)) in enumerate(job.read(records)):
        if number > 2 * _MOST:
            job.give_up()
            raise Failure("LimitExceeded", f"The target holds more than {_MOST} deleted files open.")
        if kind == b"D":
            yield _one_of(said[0], pids)
        elif kind == b"O":
            fields = said
        elif kind == b"L" and len(fields) > 4:
            # one that was closed in between has no facts
            yield _held(fields, pids, path, text)
            fields = []


def _held(fields: Sequence[bytes], pids: Sequence[int], path: bytes, text: bytes) -> Held:
    pid, descriptor, mount = _one_of(fields[0], pids), _number(fields[1]), _number(fields[2])
    if path != b"/proc/%d/fd/%d" % (pid, descriptor) or not text.endswith(DELETED):
        raise misunderstood(path)
    entry = parse_entry(path, b" ".join(fields[3:]))
    if entry.type != "file":
        raise misunderstood(path)
    return Held(pid, descriptor, mount, text, entry)


def _one_of(field: bytes, pids: Sequence[int]) -> int:
    number = _number(field)
    if number not in pids:
        raise misunderstood(field)
    return number


def _number(field: bytes) -> int:
    if not field.isdigit() or len(field) > 10:
        raise misunderstood(field)
    return int(field)
