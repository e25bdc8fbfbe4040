# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a debugger from inside, since the API has no way to: its own main process gets SIGTERM, and nothing else does.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import lifetime
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import Debugger
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import (
    Process,
    parse_processes,
    run_text,
)
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session

# the processes of our own container: those in the same cgroups as this shell, all lines alike, since on cgroup v1 one
# controller alone may put everything into `/`
_LIST_OWN = rb"""
cgroups_of() {
  cgroups=
  while IFS= read -r line; do cgroups="$cgroups$line/"; done 2>/dev/null <"$1/cgroup"
}
cgroups_of /proc/self
own=$cgroups
for dir in /proc/[0-9]*; do
  cgroups_of "$dir"
  [ "$cgroups" = "$own" ] || continue
  stat=
  read -r stat 2>/dev/null <"$dir/stat"
  printf 'process %s\ncgroup own\n' "$stat"
done
"""

# In the session's own shell, with every job reaped: with the debugger the kernel ends this shell too, and a child that it
# had left would be the target's, which may never reap it. The start time once more, right before the signal: a pid can
# be another process's by now.
_TERMINATE = rb"""
terminate() {
  wait
  stat= started=$2
  read -r stat 2>/dev/null <"/proc/$1/stat"
  set -- "$1" ${stat##*)}
  [ "${21-}" != "$started" ] || kill -TERM "$1"
}
"""


def end_debugger(session: Session) -> None:
    """Ends the debugger that the session runs in. The session is closed. Raises Failure ConnectionLost before the signal."""
    try:
        process = own_main_process(parse_processes(run_text(session, _LIST_OWN)))
        if process is not None:
            _terminate(session, process)
    finally:
        session.close()


def _terminate(session: Session, process: Process) -> None:
    try:
        session.define(_TERMINATE + b"terminate %d %d\n" % (process.pid, process.started))
        session.finish()
    except Failure as failure:
        # with its main process the container goes, and this very stream with it
        if failure.reason != "ConnectionLost":
            raise


def named_ttl(debugger: Debugger, now: float, failure: Failure) -> Failure:
    """Return the failure of a debugger's stream, with a hint that names its ttl where that was over (now: the API's clock)."""
    left = debugger.seconds_left(now)
    if failure.reason == "ConnectionLost" and left is not None and left <= 1:
        ttl = lifetime(debugger.manifest)
        failure.hint = f"Debugger {debugger.name} ended after its ttl of {ttl} s: raise ttl, or run the task again."
    return failure


def own_main_process(processes: Iterable[Process]) -> Process | None:
    """Return the debugger's main process: of its own processes the first whose parent is outside. None when it has ended."""
    own = {process.pid: process for process in processes}
    outermost = [process for process in own.values() if process.parent not in own and process.command == "sleep"]
    return min(outermost, key=lambda process: process.started, default=None)
