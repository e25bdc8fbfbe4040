# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container of a pod as a host of Ansible: its debugger found or injected, commands run in it, files put there and fetched.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import MAX_SECONDS, Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import (
    MAX_STDIN,
    Command,
    check_target,
    run_command,
    script_for,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached, ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import Shells, open_session
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import Source
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import STDOUT
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import make_target
from ansible_collections.incident.distroless.plugins.module_utils._targets.recheck import what_became
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import get_pod

# what of a file travels in one script: escaped it is five times as long at most, which is what a command may have as stdin
PIECE = MAX_STDIN // 4
# of what a module or a command of the play prints
MAX_OUTPUT = 256 << 20
# where tasks leave what they leave by default is below the user's home, and most debug images have none for the target's uid
_HOME = '[ -w "${HOME:-}" ] || export HOME=/tmp'
# what a shell says of a tool that is not there
_NOT_FOUND = 127


@dataclass(frozen=True, slots=True)
class Place:
    """Which container is meant; None for the pod's default one. debug has the options of a debugger that were given."""

    namespace: str
    pod: str
    container: str | None
    debug: Mapping[str, Any] = field(repr=False)
    is_check: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    status: int
    stdout: bytes
    stderr: bytes


class Container:
    """The way into a container by its debugger, which is looked for with the first that is asked of it."""

    def __init__(self, source: Source, place: Place, warn: Callable[[str], None]) -> None:
        self._source, self._place, self._warn = source, place, warn
        self._cluster: Cluster | None = None
        self._attached: Attached | None = None
        self._shells = Shells(self._opening)

    @property
    def image(self) -> str:
        """Return the image of the debugger."""
        return str(self._found().debugger.manifest.get("image"))

    def open(self) -> None:
        """Find the debugger or inject it. Raises Failure with the reason why there is none."""
        params = {**debugger_defaults(), **self._place.debug}
        request, wish = parse_request(params), parse_wish(params)
        deadline = Deadline(int(params["wait_timeout"]), "ansible_debugger_wait_timeout")
        self._cluster = connect(self._source.warn_by(self._warn), deadline)
        target = make_target(
            get_pod(self._cluster, self._place.namespace, self._place.pod), self._place.container or None
        )
        attached = ensure(self._cluster, target, request, wish, may_inject=not self._place.is_check)
        if attached.session is None:
            why = f"{target.label}: no debugger runs in it, and check mode injects none."
            raise Failure("NoTarget", why, "Run a task without check mode first, or leave this host out.")
        # the shell that has just looked at the target is the first task's: another one would cost it an exec and a look
        attached.session.timeout = float(MAX_SECONDS)
        self._attached = attached
        self._shells.keep(attached.session)

    def run(self, line: str, stdin: bytes | None = None) -> Ended:
        """Run a shell line, whose TARGET_PID and TARGET_ROOT are the target's. Raises Failure where it did not come to its end."""
        line = f"{_HOME}\n{line}"
        if stdin is None or len(stdin) <= PIECE:
            return self._run(Command(run=line, stdin=stdin))
        # it is longer than what a shell holds at once: by a file in a folder of its own, which goes with it
        made = self._run(Command(run="umask 077; mktemp -d"))
        if made.status:
            raise self._lacks("mktemp", made)
        folder = made.stdout.rstrip(b"\n").decode("utf-8", "surrogateescape")
        try:
            self._append(f"{folder}/stdin", stdin)
            # its own shell would take the rest of a line for more than it is
            return self._run(Command(run=("sh", "-c", 'exec sh -c "$1" <"$2"', "sh", line, f"{folder}/stdin")))
        finally:
            self._run(Command(run=("rm", "-rf", folder)))

    def put(self, local: Path, remote: str) -> None:
        """Bring a file there; it has its name when its bytes are proven. Raises Failure, and OSError for the file here."""
        part = f"{remote}.{secrets.token_hex(4)}.part"
        digest = hashlib.sha256()
        try:
            self._expect(Command(run=("sh", "-c", 'umask 077; : >"$1"', "sh", part)))
            with local.open("rb") as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    self._append(part, piece)
            _compare(self._expect(Command(run=("sh", "-c", 'sha256sum <"$1"', "sh", part))), digest.hexdigest(), remote)
            self._expect(Command(run=("mv", "-f", "--", part, remote)))
        except BaseException:
            if self._is_whole():
                self._run(Command(run=("rm", "-f", "--", part)))
            raise

    def fetch(self, remote: str, local: Path) -> None:
        """Bring a file here; it has its name when its bytes are proven. Raises Failure."""
        part = local.absolute().with_name(f".{secrets.token_hex(8)}.part")
        read = Command(run=("cat", "--", remote), dest=str(part), timeout=MAX_SECONDS, max_stdout=0, shared=True)
        try:
            try:
                row = run_command(self._shells, read, self._found().seen).row
            except Failure as failure:
                raise self._what_became(failure) from failure
            if row["rc"] != 0:
                raise Failure("CommandFailed", f"{remote}: {row['stderr'][-300:].strip()}")
            # of one that has grown meanwhile the part that came
            told = self._expect(
                Command(run=("sh", "-c", 'head -c "$1" <"$2" | sha256sum', "sh", str(row["dest_size"]), remote))
            )
            _compare(told, str(row["dest_sha256"]), remote)
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """End the remote shell. The debugger stays."""
        self._shells.__exit__()
        self._shells = Shells(self._opening)

    def _found(self) -> Attached:
        if self._attached is None:
            self.open()
        if self._attached is None:
            raise RuntimeError("open came to nothing")
        return self._attached

    def _is_whole(self) -> bool:
        """Return whether the line still answers as far as is known."""
        return self._shells.has(is_shared=True)

    def _opening(self, silence: float) -> Session:
        attached = self._found()
        if self._cluster is None:
            raise RuntimeError("nothing is open")
        seconds = self._cluster.deadline.seconds
        in_time = self._cluster.until(Deadline(seconds, self._cluster.deadline.option))
        session = open_session(in_time, attached.target, attached.debugger.name)
        try:
            check_target(session, attached.seen)
        except BaseException:
            session.close()
            raise
        # a command may be silent for as long as it likes; pings tell whether the line is there
        session.timeout = silence
        return session

    def _run(self, command: Command) -> Ended:
        said = {1: bytearray(), 2: bytearray()}

        def take(channel: int, chunk: memoryview) -> None:
            if sum(map(len, said.values())) + len(chunk) > MAX_OUTPUT:
                raise Failure(
                    "LimitExceeded",
                    f"A command printed more than {MAX_OUTPUT} bytes.",
                    "Write it to a file, and fetch that.",
                )
            said[channel] += chunk

        script = script_for(command, self._found().seen)
        session = self._shells.take(MAX_SECONDS, is_shared=True)
        status = None
        try:
            status = session.run(script).copy(take)
        except Failure as failure:
            raise self._what_became(failure) from failure
        finally:
            if status is None:
                # whatever broke in, a time-out of the task among it: the remote side ends what runs
                session.close()
            else:
                self._shells.keep(session)
        return Ended(status, bytes(said[STDOUT]), bytes(said[2]))

    def _what_became(self, failure: Failure) -> Failure:
        if self._cluster is None:
            return failure
        return what_became(self._cluster.until(Deadline(30)), self._found().target, failure)

    def _expect(self, command: Command) -> Ended:
        ended = self._run(command)
        if ended.status == _NOT_FOUND:
            raise self._lacks(str(command.run[0]), ended)
        if ended.status:
            words = ended.stderr[-300:].decode("utf-8", "replace").strip()
            raise Failure("CommandFailed", f"{command.run[0]} ended with {ended.status}: {words}")
        return ended

    def _lacks(self, tool: str, ended: Ended) -> Failure:
        words = ended.stderr[-300:].decode("utf-8", "replace").strip()
        return Failure("ImageLacksTool", f"The debug image {self.image} has no {tool} that works: {words}")

    def _append(self, path: str, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            self._expect(Command(run=("sh", "-c", 'umask 077; cat >>"$1"', "sh", path), stdin=piece))


def _compare(told: Ended, digest: str, name: str) -> None:
    """Raises Failure ConnectionLost where what sha256sum told is another digest."""
    there = told.stdout.split(b" ")[0][:64].decode("ascii", "replace")
    if there != digest:
        why = f"{name}: its sha256 there is {there}, and here {digest}: it was changed meanwhile, or on its way."
        raise Failure("ConnectionLost", why)


def pods_of(hosts: Sequence[str]) -> int:
    """Return how many pods hosts are at least, by their names: of those that the inventory plugin made the container is the last part."""
    return len({name.rpartition("/")[0] if name.count("/") >= 2 else name for name in hosts if name != "localhost"})
