# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows on the controller's terminal what a module says while it works.

Only where a person watches: a module's process can be told nothing but by its environment, and what it says would be noise
in a log or in the events of a job.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ansible import constants
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import MAX_LINE, visible

# those that print lines for people; a job of AWX has a terminal too, with a callback that makes events of everything
HUMAN_CALLBACKS = frozenset({"default", "debug", "minimal", "oneline", "yaml"})


def is_watched() -> bool:
    """Whether a person sees on a terminal what this task prints."""
    callback = str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2]
    controller = multiprocessing.parent_process()
    return callback in HUMAN_CALLBACKS and controller is not None and _has_terminal(controller.pid)


def _has_terminal(pid: int | None) -> bool:
    """Whether a process's stdout is a terminal. A worker's own is /dev/null: since ansible-core 2.19 it is detached."""
    try:
        # never to become this session's controlling terminal
        descriptor = os.open(f"/proc/{pid}/fd/1", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def listening(show: Callable[[str], None]) -> Iterator[str | None]:
    """The path of a socket whose datagrams are shown, one line each, until the end. None where there can be none."""
    with ExitStack() as opened:
        path = _listen(show, opened)
        yield path


def _listen(show: Callable[[str], None], opened: ExitStack) -> str | None:
    try:
        # below the folder that ansible removes at its end, whatever becomes of this worker
        folder = tempfile.mkdtemp(prefix="live-", dir=constants.DEFAULT_LOCAL_TMP)
        opened.callback(shutil.rmtree, folder, ignore_errors=True)
        listener = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        path = str(Path(folder) / "s")
        listener.bind(path)
    except OSError:
        # the path of a socket has at most 107 bytes, and not every file system knows sockets
        return None
    thread = threading.Thread(target=_show, args=(listener, show), daemon=True)
    thread.start()
    opened.callback(thread.join)
    opened.callback(_end, path)
    return path


def _show(listener: socket.socket, show: Callable[[str], None]) -> None:
    while data := listener.recv(4 * MAX_LINE):
        show(visible(data.decode("utf-8", "replace")))


def _end(path: str) -> None:
    """Sends what nobody else sends, an empty datagram, behind all that was said."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as closer:
        closer.sendto(b"", path)
