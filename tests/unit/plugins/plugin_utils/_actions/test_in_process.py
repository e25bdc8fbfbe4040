# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks a child of this process does, and which are left to Ansible and its modules."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.incident.distroless.plugins.plugin_utils._actions import in_process
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.forking import SETTING, VARIABLE, Ended
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.module_action import Action

OURS = {"ansible_python_interpreter": sys.executable}


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)


def action(*, transport: str = "local", become: object = None, **task: Any) -> Action:
    """The action of a task as an executor makes it, as far as the decision needs it."""
    made = object.__new__(Action)
    made._connection = SimpleNamespace(
        transport=transport, become=become, _shell=SimpleNamespace(env_prefix=lambda **_variables: "")
    )
    made._task = SimpleNamespace(**{"delegate_to": None, "async_val": 0, "environment": [], **task})
    made._templar = Templar(loader=DataLoader())
    made._loader = SimpleNamespace(get_basedir=lambda: "/")
    made._play_context = SimpleNamespace(remote_addr="localhost")
    return made


@pytest.mark.parametrize(
    "variables",
    [
        OURS,
        {"ansible_python_interpreter": "auto", "ansible_facts": {"discovered_interpreter_python": sys.executable}},
        {**OURS, VARIABLE: True},
        {**OURS, VARIABLE: "yes"},
        {**OURS, VARIABLE: ""},
    ],
)
def test_a_child_does_what_would_run_here_as_we_and_in_this_python(variables: dict[str, Any]) -> None:
    assert action().is_in_process(variables)
    assert action(environment=[None, {}]).is_in_process(variables)
    # what counts is the host that the task is delegated to
    delegated = {"ansible_delegated_vars": {"here": variables}, "ansible_python_interpreter": "/usr/bin/other"}
    assert action(delegate_to="here").is_in_process(delegated)


@pytest.mark.parametrize(
    "task", [{"transport": "ssh"}, {"become": "sudo"}, {"async_val": 30}, {"environment": [{"A": "b"}]}], ids=str
)
def test_a_module_does_what_runs_elsewhere_as_another_later_or_with_another_environment(task: dict[str, Any]) -> None:
    assert not action(**task).is_in_process(OURS)


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_python_interpreter": "/usr/bin/other"},
        {"ansible_python_interpreter": "auto"},
        {"ansible_python_interpreter": "auto", "ansible_facts": {"discovered_interpreter_python": "/usr/bin/other"}},
        {**OURS, VARIABLE: False},
        {**OURS, VARIABLE: "no"},
    ],
    ids=str,
)
def test_a_module_does_what_another_python_runs_and_what_the_user_wants(variables: dict[str, Any]) -> None:
    assert not action().is_in_process(variables)


def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "0")
    assert not action().is_in_process({**OURS, VARIABLE: True})


def test_files_that_are_to_be_kept_are_a_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    assert not action().is_in_process(OURS)


def test_a_word_that_is_neither_yes_nor_no_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnsibleActionFail, match=f"^{VARIABLE} is not a valid boolean: 'perhaps'"):
        action().is_in_process({**OURS, VARIABLE: "perhaps"})
    monkeypatch.setenv(SETTING, "perhaps")
    with pytest.raises(AnsibleActionFail, match=f"^{SETTING} is not a valid boolean"):
        action().is_in_process(OURS)


DATA = json.dumps({"ANSIBLE_MODULE_ARGS": {"namespace": "shop", "pod": "api-0"}}).encode()


def printed(monkeypatch: pytest.MonkeyPatch, ended: Ended | OSError) -> dict[str, Any]:
    """What Ansible is told that a module printed, of a child that ended so."""

    def run_in_child(*_arguments: object) -> Ended:
        if isinstance(ended, OSError):
            raise ended
        return ended

    monkeypatch.setattr(in_process, "run_in_child", run_in_child)
    monkeypatch.setattr(Action, "task", staticmethod(lambda: None), raising=False)
    made = action()
    with made.in_process(None):
        answer: dict[str, Any] = made._low_level_execute_command("", in_data=DATA)
    return answer


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(b"", b"", b"", -9, 9), "was killed by SIGKILL"),
        # cut off in the middle
        (Ended(b'\n{"changed": tr', b"", b"", -15, 15), "was killed by SIGTERM"),
        (OSError(11, "Resource temporarily unavailable"), "could not be started: Resource temporarily unavailable"),
    ],
)
def test_a_task_without_an_answer_fails_in_words(
    monkeypatch: pytest.MonkeyPatch, ended: Ended | OSError, words: str
) -> None:
    result = json.loads(printed(monkeypatch, ended)["stdout"])
    assert (result["failed"], result["changed"], result["targets"]) == (True, False, [])
    assert result["reason"] == "TaskKilled"
    assert words in result["msg"]
    (row,) = result["failed_targets"]
    assert (row["namespace"], row["pod"]) == ("shop", "api-0")


def test_an_answer_counts_whatever_came_of_the_child_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = printed(monkeypatch, Ended(b'\n{"changed": true}\n', b"noise", b"said", -9, 9))
    assert (answer["stdout"], answer["stderr"]) == ('\n{"changed": true}\n', "said")


def test_a_task_that_ended_without_a_word_shows_what_else_it_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = printed(monkeypatch, Ended(b"", b"noise", b"Fatal Python error", 1, None))
    assert (answer["rc"], answer["stdout"], answer["stderr"]) == (1, "noise", "Fatal Python error")
