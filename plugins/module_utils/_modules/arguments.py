# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules share, as argument specs, and the module class that keeps what is secret in them secret.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    PROFILES,
    Request,
    variables,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._modules.forked import answering
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import refused
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

Spec = dict[str, Any]


def selection_spec() -> Spec:
    """Return the options that select targets, the same in every module."""
    return {
        "namespace": {"type": "str"},
        "pod": {"type": "str"},
        "workload": {"type": "str"},
        "label_selectors": {"type": "list", "elements": "str"},
        "field_selectors": {"type": "list", "elements": "str"},
        "targets": {"type": "list", "elements": "dict"},
        "container": {"type": "str", "aliases": ["target"]},
        "max_pods": {"type": "int", "default": 10},
        "concurrency": {"type": "int", "default": 8},
        "continue_on_error": {"type": "bool", "default": False},
    }


def debugger_spec() -> Spec:
    """Return what to inject; the values that a site sets once come from the environment."""
    return {
        "image": {"type": "str", "default": "busybox:1.37", "fallback": (env_fallback, ["INCIDENT_DISTROLESS_IMAGE"])},
        "image_pull_policy": {
            "type": "str",
            "choices": ["Always", "IfNotPresent", "Never"],
            "fallback": (env_fallback, ["INCIDENT_DISTROLESS_IMAGE_PULL_POLICY"]),
        },
        "name": {"type": "str", "aliases": ["debugger"]},
        "profile": {
            "type": "str",
            "choices": ["auto", *PROFILES],
            "default": "auto",
            "fallback": (env_fallback, ["INCIDENT_DISTROLESS_PROFILE"]),
        },
        "identity": {"type": "str", "choices": ["auto", "image", "match", "elevated"], "default": "auto"},
        "allow_elevated": {"type": "bool", "default": False},
        "run_as_user": {"type": "int"},
        "run_as_group": {"type": "int"},
        # no_log keeps the values out of the invocation that Ansible itself logs to syslog
        "env": {"type": "dict", "default": {}, "no_log": True},
        "custom": {"type": "dict", "default": {}, "no_log": True},
        "patch": {"type": "list", "elements": "dict", "default": [], "no_log": True},
        "ttl": {"type": "int", "default": 3600, "fallback": (env_fallback, ["INCIDENT_DISTROLESS_TTL"])},
        "wait_timeout": {"type": "int", "default": 120},
    }


def debugger_defaults() -> dict[str, Any]:
    """Return the values of debugger_spec's options when none is given: the environment's, else the defaults."""
    values: dict[str, Any] = {}
    for option, spec in debugger_spec().items():
        _function, variables = spec.get("fallback", (None, []))
        found = next((os.environ[variable] for variable in variables if variable in os.environ), None)
        values[option] = spec.get("default") if found is None else found
    return values


def parse_request(params: Mapping[str, Any], *, is_for_all: bool = True) -> Request:
    """Return what to run, from options as in debugger_spec: for whoever asks for the same, or for this task alone.

    Raises Failure InvalidRequest.
    """
    try:
        ttl = int(params["ttl"])
    except ValueError as error:
        raise Failure("InvalidRequest", f"ttl: expected a number of seconds, got {params['ttl']!r}.") from error
    if ttl < 1:
        raise Failure("InvalidRequest", "ttl must be 1 second or more.")
    if params["profile"] not in ("auto", *PROFILES):
        raise Failure("InvalidRequest", f"profile {params['profile']!r} is none of auto, {', '.join(PROFILES)}.")
    words = tuple(params[key] for key in ("profile", "identity", "allow_elevated", "run_as_user", "run_as_group"))
    return Request(
        image=params["image"],
        image_pull_policy=params["image_pull_policy"],
        ttl=ttl,
        env=variables(params["env"], "env"),
        custom=params["custom"],
        patch=tuple(params["patch"]),
        name=params["name"],
        words=words,
        owner=None if is_for_all else secrets.token_hex(8),
    )


def parse_wish(params: Mapping[str, Any]) -> IdentityRequest:
    """Return who to be, from options as in debugger_spec."""
    return IdentityRequest(
        profile=params["profile"],
        identity=params["identity"],
        allow_elevated=params["allow_elevated"],
        run_as_user=params["run_as_user"],
        run_as_group=params["run_as_group"],
    )


class _NothingToScrub(set[str]):
    """The no_log values of a module that masks by itself: kubernetes.core 6.6 puts those of a kubeconfig in after the module was
    made, an empty one among them, at which Ansible puts asterisks between all characters of the result."""

    def add(self, element: str, /) -> None:
        """Adds nothing."""

    def update(self, *others: Any) -> None:
        """Adds nothing."""


class QuietModule(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule that masks secret options where they are shown, and nowhere else.

    Ansible scrubs each no_log value as a substring of the whole result: `env: {X: "1"}` would turn pids and hashes into
    asterisks. So the values are taken out of its list, and the invocation is masked here, leaf by leaf.
    """

    params: dict[str, Any]

    def __init__(self, nothing: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        self.is_container_ambiguous = False
        self._nothing = dict(nothing or {})
        self._is_checked = False
        super().__init__(**kwargs)
        self._is_checked = True
        self.no_log_values: set[str] = _NothingToScrub()
        if self.is_container_ambiguous:
            failure = Failure(
                "InvalidRequest",
                "container and target are the same option and were given different values.",
                "container (or target) is the one to look into; name names the debugger.",
            )
            report = refused(self.params, failure, nothing)
            self.fail_json(report.message, **report.as_result())

    def _load_params(self) -> None:
        super()._load_params()
        self.params = as_lists(without_nulls(self.params, self.argument_spec), self.argument_spec)
        # Ansible lets an alias silently win over its option, and this pair is easily taken for debugger and target
        names = {str(self.params[key]) for key in ("container", "target") if self.params.get(key) is not None}
        self.is_container_ambiguous = len(names) > 1

    def exit_json(self, **kwargs: Any) -> None:
        """Ends the task with a result."""
        with answering():
            super().exit_json(**{"invocation": self._shown(), **kwargs})

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """Fails the task with a result."""
        if not self._is_checked:
            # Ansible refuses an option: the words are its own, and no secret is in them
            words = str(remove_values(msg, self.no_log_values)).rstrip(".")
            report = refused(self.params, Failure("InvalidRequest", f"{words}."), self._nothing)
            self.no_log_values = _NothingToScrub()
            msg, kwargs = report.message, {**report.as_result(), **kwargs}
        with answering():
            nothing = {"changed": False, "targets": [], "failed_targets": [], **self._nothing}
            super().fail_json(msg, **{"invocation": self._shown(), **nothing, **kwargs})

    def _log_invocation(self) -> None:
        # Ansible's own writes a kubeconfig in memory and a password in a URL to syslog: their options are not no_log
        words = {key: str(value) for key, value in masked(self.params, self.argument_spec).items()}
        self.log("Invoked with " + " ".join(f"{key}={word}" for key, word in words.items()), log_args=words)

    def _shown(self) -> dict[str, Any]:
        return {"module_args": masked(self.params, self.argument_spec)}


# which target a row of an earlier result is
_PINS = ("namespace", "pod", "pod_uid", "container", "container_id", "debugger")
# where a comma is as good as any other character
_ONE_ENTRY = ("args", "command", "commands", "src")
# where a variable that came out empty is likely, and means that the option is not given
_MAY_COME_EMPTY = ("field_selectors", "label_selectors", "targets")


def without_nulls(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return params without options that are null, in a dictionary of options too: a variable that is null says nothing, where
    Ansible would let a null alias win over its option, make a text of it, or refuse it."""
    return {
        name: without_nulls(value, options)
        if isinstance(value, dict) and (options := (spec.get(name) or {}).get("options"))
        else value
        for name, value in params.items()
        if value is not None or name.startswith("_ansible_")
    }


def as_lists(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return params with those values of lists made plain that Ansible would take for others: it splits text at commas, makes
    an entry of `''` and the word `None` of an entry that is null."""
    made = dict(params)
    for name, value in params.items():
        option = spec.get(name) or {}
        if isinstance(value, dict) and option.get("options"):
            made[name] = as_lists(value, option["options"])
        if option.get("type") != "list":
            continue
        if option.get("elements") == "dict" and isinstance(value, str) and value.strip():
            made[name] = _json_list(value)
        elif name in _ONE_ENTRY and isinstance(value, str):
            made[name] = [value] if value else []
        elif name in _MAY_COME_EMPTY and isinstance(value, str) and not value.strip():
            made[name] = None
        elif name in _MAY_COME_EMPTY and isinstance(value, list):
            made[name] = ["" if entry is None else entry for entry in value]
    return made


def _json_list(text: str) -> object:
    """Return the list that is the text in JSON, else the text, for Ansible to refuse."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return listed if isinstance(listed, list) else text


def masked(params: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return params with every leaf of a no_log option replaced; names of keys stay, so that a reader sees what was set."""
    shown: dict[str, Any] = {}
    for key, value in params.items():
        option = spec.get(key) or {}
        if option.get("no_log"):
            shown[key] = _outline(key, value)
        elif isinstance(value, dict) and option.get("options"):
            shown[key] = masked(value, option["options"])
        elif isinstance(value, str) and option.get("type") == "dict" and option.get("options"):
            # text that is no dictionary, with whatever its author wanted to keep secret
            shown[key] = MASK
        elif key in ("targets", "pods") and isinstance(value, list):
            # rows of an earlier result: what says which they are, and none of what ran in them
            shown[key] = [_pins(row) for row in value]
        elif key == "kubeconfig" and not isinstance(value, str | None):
            # its content instead of its path
            shown[key] = MASK
        elif key in ("host", "proxy") and isinstance(value, str):
            # kubernetes.core takes credentials in these URLs and does not call them secret
            shown[key] = re.sub(r"//[^/]*@", f"//{MASK}@", value)
        else:
            shown[key] = value
    return shown


def _pins(row: Any) -> Any:
    return {key: row[key] for key in _PINS if key in row} if isinstance(row, dict) else row


def _outline(key: str, value: Any) -> Any:
    """Return what may be shown of a secret option: the names of variables, commands without their variables' values and stdin."""
    if not value:
        return value
    if key == "env" and isinstance(value, dict):
        return dict.fromkeys(value, MASK)
    if key == "commands" and isinstance(value, list):
        return [
            {word: _outline(word, part) if word in ("env", "stdin") else part for word, part in entry.items()}
            if isinstance(entry, dict)
            else entry
            for entry in value
        ]
    return MASK


PACE_SPEC: Spec = {"requests_per_second": {"type": "float", "default": 0.0}}


def make_module(own_spec: Spec, *, selects: bool = True, nothing: Mapping[str, Any] | None = None) -> Any:
    """Return the module object for options of its own beside authentication, and beside selection where it selects targets;
    nothing has the module's own keys of the result as they are where nothing was done.

    Fails the task when an option cannot be read, and when a library is missing.
    """
    return AnsibleK8SModule(
        module_class=partial(QuietModule, nothing),
        argument_spec={**AUTH_ARG_SPEC, **PACE_SPEC, **(selection_spec() if selects else {}), **own_spec},
        supports_check_mode=True,
    )
