# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible's way to run a module, without AnsiballZ where that is the same.

ActionBase builds a module, hands it to a Python and decodes what it prints. Here the building and the handing over are
replaced, for a task that would run on this host, as this user, in this Python; what is before and after them stays Ansible's.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.executor import module_common
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import VARIABLE as PROGRESS_PATH
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import refused
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.forking import (
    SETTING,
    VARIABLE,
    Heard,
    can_fork,
    is_our_python,
    is_wanted,
    run_in_child,
)

# the class is loaded in the process that forks, before it forks the worker of a playbook's first task of this kind
with suppress(TypeError):
    if is_wanted(os.environ.get(SETTING)):
        can_fork()


class InProcess(ActionBase):  # type: ignore[misc]
    """An action whose module's task may run in a child of this process."""

    # the module's task: ends like a module, by SystemExit
    task: Callable[[], None]
    _heard: Heard | None = None
    _in_process = False

    def is_in_process(self, task_vars: Mapping[str, Any]) -> bool:
        """Return whether a child of this process can run the task and do what a new Python would. Raises AnsibleError."""
        host = self._variables_of_host(task_vars)
        given = {SETTING: os.environ.get(SETTING)} | {VARIABLE: self._templar.template(host.get(VARIABLE))}
        for name, value in given.items():
            try:
                if not is_wanted(value):
                    return False
            except TypeError as error:
                raise AnsibleActionFail(f"{name} is not a valid boolean: {value!r}.") from error
        return (
            self._connection.transport == "local"
            and self._connection.become is None
            and not self._task.async_val
            and not constants.DEFAULT_KEEP_REMOTE_FILES
            and not constants.config.get_config_value("PYTHON_MODULE_RLIMIT_NOFILE", variables=task_vars)
            and not self._has_environment()
            and is_our_python(self._interpreter(host))
            and can_fork()
        )

    def _variables_of_host(self, task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
        host = self._task.delegate_to
        found: Mapping[str, Any] = task_vars["ansible_delegated_vars"][host] if host else task_vars
        return found

    def _has_environment(self) -> bool:
        """Return whether the author of the playbook set environment variables for the task."""
        found: dict[str, Any] = {}
        self._compute_environment_string(found)
        return bool(found)

    def _interpreter(self, host: Mapping[str, Any]) -> object:
        """Return what ansible_python_interpreter says, or what was discovered; None where that is still to be done."""
        said = self._templar.template(constants.config.get_config_value("INTERPRETER_PYTHON", variables=host))
        if said and not str(said).startswith("auto"):
            return str(said).strip()
        return (host.get("ansible_facts") or {}).get("discovered_interpreter_python")

    @contextmanager
    def in_process(self, heard: Heard | None) -> Iterator[None]:
        """Let the module's task run in a child of this process until the block's end; show what it says meanwhile."""
        self._in_process, self._heard = True, heard
        try:
            yield
        finally:
            self._in_process, self._heard = False, None

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        # a task that nothing is transferred for needs no folder for it
        return self._in_process or bool(super()._is_pipelining_enabled(module_style, wrap_async))

    def _configure_module(self, module_name: str, module_args: Any, task_vars: Any) -> Any:
        """Return what ActionBase needs to know of a module; its code is replaced by its arguments."""
        if not self._in_process:
            return super()._configure_module(module_name, module_args, task_vars)
        data, name = _encoded(module_args), f"{module_name} in a child of this process"
        interpreter = f"#!{self._interpreter(self._variables_of_host(task_vars))}"
        if not hasattr(module_common, "_BuiltModule"):
            # before ansible-core 2.19
            return "new", interpreter, data, name
        built = module_common._BuiltModule(  # noqa: SLF001
            b_module_data=data, module_style="new", shebang=interpreter, serialization_profile="legacy"
        )
        return built, name

    def _low_level_execute_command(self, *words: Any, in_data: bytes | None = None, **keywords: Any) -> Any:
        """Return what a module printed, which Ansible decodes."""
        if not self._in_process or in_data is None:
            return super()._low_level_execute_command(*words, in_data=in_data, **keywords)
        environment = dict(os.environ)
        if self._heard:
            environment[PROGRESS_PATH] = self._heard.socket.getsockname()
        Display().vvv("FORK a child for the module's task", host=self._play_context.remote_addr)
        try:
            ended = run_in_child(type(self).task, in_data, self._loader.get_basedir(), environment, self._heard)
        except OSError as error:
            return _printed(_refusal(in_data, f"could not be started: {error.strerror}"), b"", 1)
        if ended.signal is not None and not ended.answer.endswith(b"\n"):
            return _printed(_refusal(in_data, f"was killed by {signal.Signals(ended.signal).name}"), b"", 1)
        return _printed(ended.answer or ended.stdout, ended.stderr, ended.status)


def _encoded(arguments: Mapping[str, Any]) -> bytes:
    """Return a module's arguments as they are handed to one. Raises AnsibleError."""
    parameters = {"ANSIBLE_MODULE_ARGS": arguments}
    try:
        try:
            from ansible.module_utils.common.json import Direction, get_module_encoder
        except ImportError:
            # before ansible-core 2.19
            from ansible.module_utils.common.json import AnsibleJSONEncoder

            return json.dumps(parameters, cls=AnsibleJSONEncoder, vault_to_text=True).encode()
        return json.dumps(parameters, cls=get_module_encoder("legacy", Direction.CONTROLLER_TO_MODULE)).encode()
    except TypeError as error:
        raise AnsibleError(f"Unable to pass options to module, they must be JSON serializable: {error}") from error


def _refusal(data: bytes, what: str) -> bytes:
    """Return the answer in place of a task that could give none."""
    arguments = json.loads(data)["ANSIBLE_MODULE_ARGS"]
    report = refused(arguments, Failure("TaskKilled", f"The process that works on this task {what}."))
    return json.dumps({**report.as_result(), "failed": True, "msg": report.message}).encode()


def _printed(stdout: bytes, stderr: bytes, status: int) -> dict[str, Any]:
    """Return what ActionBase knows of a command that ended."""
    out, err = (text.decode("utf-8", "replace") for text in (stdout, stderr))
    return {
        "rc": status,
        "stdout": out,
        "stdout_lines": out.splitlines(),
        "stderr": err,
        "stderr_lines": err.splitlines(),
    }
