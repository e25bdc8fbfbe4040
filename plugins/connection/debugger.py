# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers of pods as hosts of Ansible, by way of their debuggers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: debugger
short_description: Run tasks in the debugger of a container
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - A host is a container of a pod. The first task finds its debugger or injects one, as M(incident.distroless.ephemeral_debug)
    does, and the next ones find it again.
  - M(ansible.builtin.raw) and M(ansible.builtin.script) need no more than a shell in the debug image. Any other module
    needs Python in it, M(ansible.builtin.command), M(ansible.builtin.fetch) and M(ansible.builtin.copy) too.
  - A command has the variables E(TARGET_PID), the main process of the target, and E(TARGET_ROOT), its root filesystem.
  - What a task leaves lies below the debugger's own C(ansible_remote_tmp), never in the target. Files are proven by sha256 on both ends.
  - The inventory plugin P(incident.distroless.pods#inventory) makes such hosts.
notes:
  - A task that is ended by its time-out has its processes ended in the debugger. A line that is lost makes the host unreachable.
  - In check mode a debugger that runs is used, and none is injected. Where none runs the host is unreachable.
  - C(/proc/<pid>/root) reads as a link to C(/). A module that resolves a path itself before it opens it, such as
    M(ansible.builtin.stat), is in the debugger's own root by that.
  - C(async) leaves a process that the target's first process would have to reap, which few do.
  - What C(become) asks for is refused. Who the debugger is is said by O(identity) and O(run_as_user).
  - A file is put there by pieces of text, at some MB/s. To bring many or large files home use
    M(incident.distroless.proc_fs_fetch).
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
extends_documentation_fragment:
  - connection_pipelining
options:
  namespace:
    description: The namespace of the pod.
    type: str
    vars:
      - name: ansible_debugger_namespace
  pod:
    description: The name of the pod.
    type: str
    vars:
      - name: ansible_debugger_pod
  container:
    description: The container to look into. Its default is the one of the annotation C(kubectl.kubernetes.io/default-container), else the first.
    type: str
    vars:
      - name: ansible_debugger_container
  image:
    description: The debug image. It needs C(sh), for modules Python as well; its default is C(busybox:1.37).
    type: str
    env:
      - name: INCIDENT_DISTROLESS_IMAGE
    vars:
      - name: ansible_debugger_image
  image_pull_policy:
    description: When the node pulls the image.
    type: str
    choices: [Always, IfNotPresent, Never]
    env:
      - name: INCIDENT_DISTROLESS_IMAGE_PULL_POLICY
    vars:
      - name: ansible_debugger_image_pull_policy
  name:
    description: The name of the debugger. Its default is derived from the request, so that each task finds the one that runs.
    type: str
    vars:
      - name: ansible_debugger_name
  profile:
    description: The security settings of the debugger, as those of M(incident.distroless.ephemeral_debug).
    type: str
    choices: [auto, general, baseline, restricted, netadmin, sysadmin]
    env:
      - name: INCIDENT_DISTROLESS_PROFILE
    vars:
      - name: ansible_debugger_profile
  identity:
    description: Who the debugger runs as, as for M(incident.distroless.ephemeral_debug).
    type: str
    choices: [auto, image, match, elevated]
    vars:
      - name: ansible_debugger_identity
  allow_elevated:
    description: Whether O(identity=auto) may be root with SYS_PTRACE when nothing less can read the target.
    type: raw
    vars:
      - name: ansible_debugger_allow_elevated
  run_as_user:
    description: The uid to run as.
    type: raw
    vars:
      - name: ansible_debugger_run_as_user
  run_as_group:
    description: The gid to run as.
    type: raw
    vars:
      - name: ansible_debugger_run_as_group
  env:
    description: Environment variables of the debugger, a mapping. They stand in the pod.
    type: raw
    vars:
      - name: ansible_debugger_env
  custom:
    description: Fields of a container that are merged into the debugger, as C(kubectl debug --custom) does; a mapping.
    type: raw
    vars:
      - name: ansible_debugger_custom
  patch:
    description: JSON Patch operations on the finished container, a list.
    type: raw
    vars:
      - name: ansible_debugger_patch
  ttl:
    description: After how many seconds the debugger ends by itself; an hour by default.
    type: raw
    env:
      - name: INCIDENT_DISTROLESS_TTL
    vars:
      - name: ansible_debugger_ttl
  wait_timeout:
    description: How many seconds to wait until the debugger runs; 120 by default.
    type: raw
    vars:
      - name: ansible_debugger_wait_timeout
  max_pods:
    description: How many pods the hosts of a play may be at most, which is looked at before anything is injected.
    type: raw
    default: 50
    vars:
      - name: ansible_debugger_max_pods
  play_hosts:
    description: The hosts of the play, which Ansible sets.
    type: list
    elements: str
    vars:
      - name: ansible_play_hosts_all
  kubeconfig:
    description: A kubeconfig by its path, or its content as a mapping.
    type: raw
    env:
      - name: K8S_AUTH_KUBECONFIG
    vars:
      - name: ansible_debugger_kubeconfig
  context:
    description: The name of a context of the kubeconfig.
    type: str
    env:
      - name: K8S_AUTH_CONTEXT
    vars:
      - name: ansible_debugger_context
  host:
    description: The URL of the API server.
    type: str
    env:
      - name: K8S_AUTH_HOST
    vars:
      - name: ansible_debugger_host
  api_key:
    description: A token.
    type: str
    env:
      - name: K8S_AUTH_API_KEY
    vars:
      - name: ansible_debugger_api_key
  username:
    description: A name for HTTP Basic authentication.
    type: str
    env:
      - name: K8S_AUTH_USERNAME
    vars:
      - name: ansible_debugger_username
  password:
    description: A password for HTTP Basic authentication.
    type: str
    env:
      - name: K8S_AUTH_PASSWORD
    vars:
      - name: ansible_debugger_password
  client_cert:
    description: Path of a client certificate.
    type: str
    env:
      - name: K8S_AUTH_CERT_FILE
    vars:
      - name: ansible_debugger_client_cert
  client_key:
    description: Path of its key.
    type: str
    env:
      - name: K8S_AUTH_KEY_FILE
    vars:
      - name: ansible_debugger_client_key
  ca_cert:
    description: Path of the certificates that the API server's is verified by.
    type: str
    env:
      - name: K8S_AUTH_SSL_CA_CERT
    vars:
      - name: ansible_debugger_ca_cert
  validate_certs:
    description: Whether the API server's certificate is verified.
    type: raw
    env:
      - name: K8S_AUTH_VERIFY_SSL
    vars:
      - name: ansible_debugger_validate_certs
  proxy:
    description: The URL of an HTTP proxy.
    type: str
    env:
      - name: K8S_AUTH_PROXY
    vars:
      - name: ansible_debugger_proxy
  no_proxy:
    description: Hosts that are reached without it.
    type: str
    env:
      - name: K8S_AUTH_NO_PROXY
    vars:
      - name: ansible_debugger_no_proxy
  proxy_headers:
    description: Headers for the proxy, a mapping.
    type: raw
    vars:
      - name: ansible_debugger_proxy_headers
  persist_config:
    description: Whether refreshed tokens are written into the kubeconfig.
    type: raw
    env:
      - name: K8S_AUTH_PERSIST_CONFIG
    vars:
      - name: ansible_debugger_persist_config
  impersonate_user:
    description: Who to act as.
    type: str
    env:
      - name: K8S_AUTH_IMPERSONATE_USER
    vars:
      - name: ansible_debugger_impersonate_user
  impersonate_groups:
    description: The groups to act as, a list.
    type: raw
    env:
      - name: K8S_AUTH_IMPERSONATE_GROUPS
    vars:
      - name: ansible_debugger_impersonate_groups
"""

EXAMPLES = r"""
# a static inventory; the plugin incident.distroless.pods makes one
shop:
  hosts:
    api:
      ansible_debugger_pod: api-0
    worker:
      ansible_debugger_pod: worker-0
      ansible_debugger_container: worker
      ansible_debugger_image: python:3.13-alpine
      ansible_python_interpreter: /usr/local/bin/python3
  vars:
    ansible_connection: incident.distroless.debugger
    ansible_debugger_namespace: shop
"""


from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._hosts.container import Container, Place, pods_of
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import Source
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import KINDS
from ansible_collections.incident.distroless.plugins.plugin_utils._options.inventory import (
    AUTHENTICATION,
    authentication,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Number, Refused
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Place as Named

Answer = TypeVar("Answer")

_DEBUG = (
    *("image", "image_pull_policy", "name", "profile", "identity", "allow_elevated", "run_as_user", "run_as_group"),
    *("env", "custom", "patch", "ttl", "wait_timeout"),
)
# what a task may do about, where the line is as it should be
_OF_THE_TASK = ("CommandFailed", "DestUnwritable", "ImageLacksTool", "InvalidRequest", "LimitExceeded", "TooManyPods")
# of a command that the shell did not find
_NOT_FOUND = 127


class Connection(ConnectionBase):  # type: ignore[misc]
    """The connection."""

    transport = "incident.distroless.debugger"
    has_pipelining = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._container: Container | None = None

    def _connect(self) -> Connection:
        """Find the debugger or inject it."""
        if self.become is not None:
            raise AnsibleError("become: not in a debugger. Who it is is said by ansible_debugger_identity.")
        if self._container is None:
            opened = self._made()
            self._guarded(opened.open)
            self._container, self._connected = opened, True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a shell line. Return its exit code and what it printed."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        container = self._opened()
        ended = self._guarded(lambda: container.run(cmd, in_data))
        if ended.status == _NOT_FOUND and (in_data or "AnsiballZ_" in cmd) and b"python" in ended.stdout + ended.stderr:
            raise AnsibleError(
                f"The debug image {container.image} has no Python, which every module but raw and script needs. Set "
                "ansible_debugger_image to one that has it, such as python:3.13-slim, and ansible_python_interpreter, or use raw."
            )
        return ended.status, ended.stdout, ended.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Bring a file of the controller there."""
        super().put_file(in_path, out_path)
        container = self._opened()
        if not Path(in_path).is_file():
            raise AnsibleFileNotFound(f"{in_path}: no such file")
        self._guarded(lambda: container.put(Path(in_path), out_path))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Bring a file from there to the controller."""
        super().fetch_file(in_path, out_path)
        container = self._opened()
        self._guarded(lambda: container.fetch(in_path, Path(out_path)))

    def close(self) -> None:
        """End the remote shell. The debugger stays."""
        if self._container is not None:
            self._container.close()
        self._container, self._connected = None, False

    def _opened(self) -> Container:
        self._connect()
        if self._container is None:
            raise AnsibleConnectionFailure("The connection is closed.")
        return self._container

    def _guarded(self, call: Callable[[], Answer]) -> Answer:
        """Return what a call returns. Raises AnsibleError, AnsibleConnectionFailure where the host cannot be reached any more."""
        try:
            return call()
        except Failure as failure:
            kind = AnsibleError if failure.reason in _OF_THE_TASK else AnsibleConnectionFailure
            raise kind(f"{failure.reason}: {failure.message} {failure.hint}") from None
        except OSError as error:
            raise AnsibleError(f"{error.filename}: {error.strerror}") from error

    def _made(self) -> Container:
        notes: list[str] = []
        try:
            params = authentication({name: self.get_option(name) for name in AUTHENTICATION}, notes)
            debug = KINDS["debug"]().take(
                {name: self.get_option(name) for name in _DEBUG}, Named("ansible_debugger", notes=notes)
            )
            most = Number(1).take(self.get_option("max_pods"), Named("ansible_debugger_max_pods", notes=notes))
        except Refused as refused:
            raise AnsibleError(str(refused)) from refused
        for note in notes:
            Display().warning(note)
        words = {name: str(self.get_option(name) or "").strip() for name in ("namespace", "pod", "container")}
        if missing := [f"ansible_debugger_{name}" for name in ("namespace", "pod") if not words[name]]:
            raise AnsibleError(f"{' and '.join(missing)}: not given, so that nobody knows which pod the host is.")
        if (count := pods_of(self.get_option("play_hosts") or ())) > most:
            raise AnsibleError(
                f"TooManyPods: the hosts of this play are {count} pods, and ansible_debugger_max_pods is {most}. Nothing was "
                "injected. Narrow the hosts, or raise it."
            )
        is_check = bool(getattr(self._play_context, "check_mode", False))
        place = Place(words["namespace"], words["pod"], words["container"] or None, debug, is_check)
        return Container(Source("", params), place, Display().warning)
