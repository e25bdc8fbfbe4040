# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real shells of this machine in the place of the debugger's: the same programs, carried by pipes instead of a websocket."""

from __future__ import annotations

import os
import resource
import selectors
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.job import Job
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    OUTLET,
    Session,
    exec_command,
    new_nonce,
)


@dataclass(frozen=True)
class Shell:
    """A shell as argv, and the environment that makes its tools the ones on PATH."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def _busybox_tools() -> str:
    """A directory in which every tool is busybox, as its image has it."""
    busybox = shutil.which("busybox")
    made = Path(busybox).stat().st_mtime_ns if busybox else 0
    tools = Path(tempfile.gettempdir()) / f"busybox-tools-{os.getuid()}-{made}"
    if busybox and not (tools / "sh").exists():
        tools.mkdir(exist_ok=True)
        subprocess.run([busybox, "--install", "-s", str(tools)], check=True)
    return str(tools)


def _shells() -> dict[str, Shell]:
    tools = _busybox_tools()
    shells = {
        name: Shell((path,), {"PATH": os.environ["PATH"]}) for name in ("dash", "bash") if (path := shutil.which(name))
    }
    if shutil.which("busybox"):
        shells["ash"] = Shell((f"{tools}/sh",), {"PATH": tools})
    return shells


# every shell that this machine has; the debug image's is busybox
SHELLS = _shells()


class Pipes:
    """A transport over the pipes of a local process."""

    hears_end = True

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None, **options: object) -> None:
        self.process = subprocess.Popen(
            list(argv),
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            **options,
        )  # type: ignore[call-overload]
        self._selector = selectors.DefaultSelector()
        for channel, stream in ((1, self.process.stdout), (2, self.process.stderr)):
            self._selector.register(stream, selectors.EVENT_READ, channel)
        self._buffer = bytearray(32768)

    def send(self, data: bytes) -> None:
        """See Transport.send."""
        assert self.process.stdin is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self.process.stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise Failure("ConnectionLost", f"stdin: {error}; the shell's end: {self.process.poll()}") from error

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive."""
        while self._selector.get_map():
            ready = self._selector.select(timeout)
            if not ready:
                raise Failure("WaitTimeout", f"nothing came for {timeout:g} s")
            key = ready[0][0]
            size = os.readv(key.fd, [self._buffer])
            if size:
                return key.data, memoryview(self._buffer)[:size]
            self._selector.unregister(key.fileobj)
        self.process.wait()
        return None

    def keep_alive(self) -> None:
        """See Transport.keep_alive."""

    def close(self) -> None:
        """Drops the connection: the remote side sees the end of stdin."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        self._selector.close()
        if self.process.poll() is None:
            self.process.wait()

    @property
    def exit_code(self) -> int | None:
        """The shell's exit code, None while it runs."""
        return self.process.poll()


def limited_to(room: int, uid: int) -> Callable[[], None]:
    """Return what makes a process one of a user who may have so many."""

    def limit() -> None:
        # of this user there is no other process, so the limit is exact
        resource.setrlimit(resource.RLIMIT_NPROC, (room, room))
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)

    return limit


def for_anybody(shell: str, base: Path) -> tuple[list[str], str]:
    """A shell and its tools where any user may run them."""
    if shell == "dash":
        return ["/bin/dash"], os.environ["PATH"]
    folder = base / "busybox"
    folder.mkdir()
    busybox = shutil.copy(shutil.which("busybox") or "busybox", folder / "busybox")
    subprocess.run([busybox, "--install", "-s", str(folder)], check=True)
    folder.chmod(0o755)
    return [str(folder / "sh")], str(folder)


def reader(job: Job) -> JobOutput:
    """Return what a job prints, for tests of how it is read: nobody else gets to it but by the methods of Job."""
    return job._printed


def open_session(
    shell: str,
    *,
    timeout: float = 60.0,
    inside: Sequence[str] = (),
    has_outlet: bool = False,
    outlet: Pipes | None = None,
    carried_by: type[Pipes] = Pipes,
) -> Session:
    """A session in a shell of this machine; inside is a command that starts it elsewhere, such as nsenter; outlet is one
    that runs already; carried_by carries each of its streams."""
    nonce = new_nonce()
    kind = SHELLS[shell]
    env = {**os.environ, **kind.env, "LC_ALL": "C.UTF-8"}

    def start(words: Sequence[str]) -> Pipes:
        return carried_by([*inside, *kind.argv, *words[1:]], env)

    def open_outlet() -> Pipes:
        return outlet or start(OUTLET)

    return Session(
        start(exec_command(nonce)),
        nonce,
        timeout=timeout,
        open_outlet=open_outlet if has_outlet or outlet is not None else None,
    )


# a user that owns nothing here; who is no root is one already
SETPRIV = shutil.which("setpriv") or "setpriv"


NOBODY = (SETPRIV, "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
