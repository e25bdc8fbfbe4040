# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each module's action does on the controller: find, decrypt and anchor files, and show what the module says.

Without it the modules work as well, but for a kubeconfig in files/ or in a vault, for relative paths of dest, and in silence.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import MAX_LINE, VARIABLE, visible
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import refused
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.forking import Heard
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.in_process import InProcess
from ansible_collections.kubernetes.core.plugins.action.k8s_info import ActionModule as KubernetesAction

# those that print lines for people; a job of AWX has a terminal too, with a callback that makes events of everything
HUMAN_CALLBACKS = frozenset({"default", "debug", "minimal", "oneline", "yaml"})


def is_watched() -> bool:
    """Return whether a person sees on a terminal what this task prints."""
    callback = str(constants.DEFAULT_STDOUT_CALLBACK).rpartition(".")[2]
    controller = multiprocessing.parent_process()
    return callback in HUMAN_CALLBACKS and controller is not None and _has_terminal(controller.pid)


def _has_terminal(pid: int | None) -> bool:
    """Return whether a process's stdout is a terminal. A worker's own is /dev/null: since ansible-core 2.19 it is detached."""
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
def listener() -> Iterator[socket.socket | None]:
    """Return a socket for datagrams that has a path until the end. None where there can be none."""
    with ExitStack() as opened:
        try:
            # below the folder that ansible removes at its end, whatever becomes of this worker
            folder = tempfile.mkdtemp(prefix="live-", dir=constants.DEFAULT_LOCAL_TMP)
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            made = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            made.bind(str(Path(folder) / "s"))
        except OSError:
            # the path of a socket has at most 107 bytes, and not every file system knows sockets
            made = None
        yield made


@contextmanager
def listening(show: Callable[[str], None]) -> Iterator[str | None]:
    """Return the path of a socket whose datagrams are shown, one line each, until the end. None where there can be none."""
    with listener() as made, ExitStack() as opened:
        path = str(made.getsockname()) if made else None
        if made and path:
            thread = threading.Thread(target=_show, args=(made, show), daemon=True)
            thread.start()
            opened.callback(thread.join)
            opened.callback(_end, path)
        yield path


def _show(listener: socket.socket, show: Callable[[str], None]) -> None:
    while data := listener.recv(4 * MAX_LINE):
        show(_line(data))


def _line(data: bytes) -> str:
    return visible(data[: 4 * MAX_LINE].decode("utf-8", "replace"))


def _end(path: str) -> None:
    """Sends what nobody else sends, an empty datagram, behind all that was said."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as closer:
        closer.sendto(b"", path)


class Action(InProcess, KubernetesAction):  # type: ignore[misc]
    """Runs the module of the same name, with paths as the user of a playbook means them."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the task; its result is the module's."""
        # of kubernetes.core only the search for a kubeconfig: its run() has options of its own
        result: dict[str, Any] = ActionBase.run(self, tmp, task_vars)
        arguments = dict(self._task.args)
        in_background = bool(self._task.async_val) and not self._connection.has_native_async
        # elsewhere the module finds its files on that host
        if self._connection.transport == "local":
            try:
                arguments |= self._found(arguments.get("kubeconfig"), in_background=in_background)
            except AnsibleError as error:
                return {**result, **_failed(arguments, str(error))}
            arguments |= self._anchored(arguments)
        with self._shown_in_process() if self.is_in_process(task_vars or {}) else self._shown_of_module():
            answer = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=in_background)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # noqa: SLF001 - as every action does
        return {**result, **answer}

    @contextmanager
    def _shown_in_process(self) -> Iterator[None]:
        """Has the task run in a child of this process, and shows what it says while it works, where somebody watches."""
        with listener() if is_watched() else nullcontext() as made:
            show = partial(Display().display, screen_only=True)
            with self.in_process(Heard(made, lambda data: show(_line(data))) if made else None):
                yield

    @contextmanager
    def _shown_of_module(self) -> Iterator[None]:
        """Shows what the module says while it works, where it runs here and somebody watches."""
        if self._connection.transport != "local" or self._task.async_val or not is_watched():
            yield
            return
        own = self._task.environment
        with listening(partial(Display().display, screen_only=True)) as path:
            self._task.environment = [*(own or []), {VARIABLE: path}] if path else own
            try:
                yield
            finally:
                self._task.environment = own

    def _found(self, kubeconfig: object, *, in_background: bool) -> dict[str, Any]:
        """Return the option kubeconfig as the module needs it: found below files/, decrypted. Raises AnsibleError."""
        found: dict[str, Any] = {}
        if not kubeconfig:
            return found
        self.get_kubeconfig(kubeconfig, False, found)
        if in_background and isinstance(kubeconfig, str):
            given, ready = (text.split(os.pathsep) for text in (kubeconfig, found["kubeconfig"]))
            if any(self._find_needle("files", name) != path for name, path in zip(given, ready, strict=True)):
                found["kubeconfig"] = self._content(ready)
        return found

    def _content(self, paths: list[str]) -> object:
        """Return a decrypted kubeconfig as a dictionary: its temporary file goes while the module still runs in the background."""
        if len(paths) > 1:
            raise AnsibleActionFail("Several kubeconfig files of which one is encrypted cannot be used with async.")
        return yaml.safe_load(Path(paths[0]).read_text(encoding="utf-8"))

    def _anchored(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that hold relative paths of this host, anchored in the playbook's directory as ansible.builtin.fetch does."""
        anchored: dict[str, Any] = {}
        if arguments.get("dest"):
            anchored["dest"] = self._anchor(arguments["dest"])
        commands = arguments.get("commands")
        if isinstance(commands, list):
            anchored["commands"] = [
                {**entry, "dest": self._anchor(entry["dest"])}
                if isinstance(entry, Mapping) and entry.get("dest")
                else entry
                for entry in commands
            ]
        return anchored

    def _anchor(self, path: object) -> object:
        if not isinstance(path, str):
            return path
        expanded = os.path.expandvars(path)
        anchored = self._loader.path_dwim(expanded)
        # a path that names no file stays one, for the module to refuse
        return f"{anchored}/" if expanded.endswith("/") else anchored


def _failed(arguments: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Return the result of a task that could not begin, with the keys that the module's own has."""
    failure = Failure("InvalidRequest", f"kubeconfig: {message}", "Put it in files/, or give its absolute path.")
    report = refused(arguments, failure)
    return {**report.as_result(), "failed": True, "msg": report.message}
