# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""What Ansible makes of a task's arguments, through its own module class: lists, masks and what a refused task says."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.common.parameters import PASS_VARS
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules import (
    debug_pod,
    ephemeral_debug,
    evidence_api,
    pod_logs,
    proc_fs_fetch,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    MASK,
    make_module,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, run_module


def given(monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], *, selects: bool = True, **arguments: Any) -> Any:
    """A module as a task with these arguments makes it."""
    sent = {"ANSIBLE_MODULE_ARGS": {"_ansible_remote_tmp": "/tmp", "_ansible_tmpdir": "/tmp", **arguments}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(sent).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    return make_module(own, selects=selects)


LINE = "ps -o pid,user,args"


@pytest.mark.parametrize(
    ("room", "option"),
    [(ephemeral_debug, "commands"), (proc_fs_fetch, "src"), (debug_pod, "command"), (debug_pod, "args")],
)
def test_text_in_place_of_a_list_is_one_entry_whatever_it_looks_like(
    monkeypatch: pytest.MonkeyPatch, room: Any, option: str
) -> None:
    needed = {"dest": "/tmp"} if room is proc_fs_fetch else {}
    for text in (LINE, '["a", "b"]', "a\nb"):
        module = given(monkeypatch, room.argument_spec(), **needed, **{option: text})
        assert module.params[option] == [text]
    assert given(monkeypatch, room.argument_spec(), **needed, **{option: [LINE, "b"]}).params[option] == [LINE, "b"]
    assert given(monkeypatch, room.argument_spec(), **needed, **{option: ""}).params[option] == []


@pytest.mark.parametrize("option", ["label_selectors", "field_selectors", "targets"])
def test_a_variable_that_came_out_empty_is_not_given(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    for nothing in ("", " ", None):
        assert given(monkeypatch, ephemeral_debug.argument_spec(), **{option: nothing}).params[option] is None
    assert given(monkeypatch, ephemeral_debug.argument_spec(), **{option: []}).params[option] == []


def test_a_null_among_selectors_is_a_blank_one(monkeypatch: pytest.MonkeyPatch) -> None:
    module = given(monkeypatch, ephemeral_debug.argument_spec(), label_selectors=["a=b", None])
    assert module.params["label_selectors"] == ["a=b", ""]


@pytest.mark.parametrize(
    ("room", "nulls"),
    [
        (
            ephemeral_debug,
            ["image", "max_pods", "wait", "env", "custom", "patch", "commands", "ttl", "state", "finished"],
        ),
        (debug_pod, ["set_image", "command", "share_processes", "replace", "ttl"]),
        (proc_fs_fetch, ["debug", "src_b64", "exclude", "file_mode", "max_size", "max_files", "compare", "flat"]),
    ],
    ids=["ephemeral_debug", "debug_pod", "proc_fs_fetch"],
)
def test_an_option_that_is_null_is_not_given(monkeypatch: pytest.MonkeyPatch, room: Any, nulls: list[str]) -> None:
    needed = {"dest": "/tmp"} if room is proc_fs_fetch else {}
    plain = given(monkeypatch, room.argument_spec(), **needed).params
    assert given(monkeypatch, room.argument_spec(), **needed, **dict.fromkeys(nulls)).params == plain


def test_a_null_alias_takes_nothing_from_its_option(monkeypatch: pytest.MonkeyPatch) -> None:
    module = given(monkeypatch, ephemeral_debug.argument_spec(), container="app", target=None, debugger=None, name="d")
    assert (module.params["container"], module.params["name"]) == ("app", "d")


def test_nulls_in_debug_are_not_given_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_DISTROLESS_TTL", "77")
    debug = {"image": None, "ttl": None, "env": None, "custom": {"stdin": None}}
    params = given(monkeypatch, proc_fs_fetch.argument_spec(), dest="/tmp", debug=debug).params["debug"]
    # in what is the user's own a null has its meaning
    assert (params["image"], params["ttl"], params["env"]) == ("busybox:1.37", 77, {})
    assert params["custom"] == {"stdin": None}


def test_a_list_of_dictionaries_may_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"namespace": "shop", "pod": "api-0", "commands": [{"stdout": "a,b"}]}]
    assert given(monkeypatch, ephemeral_debug.argument_spec(), targets=json.dumps(rows)).params["targets"] == rows
    patch = [{"op": "add", "path": "/workingDir", "value": "/a,b"}]
    given_debug = {"debug": {"patch": json.dumps(patch)}, "dest": "/tmp"}
    assert given(monkeypatch, proc_fs_fetch.argument_spec(), **given_debug).params["debug"]["patch"] == patch


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dest": " "}, "dest is empty."),
        ({"src": ["/a", ""]}, "src[1] is empty."),
        ({"src_b64": [""]}, "src_b64[0] is empty."),
        ({"exclude": ["*.log", ""]}, "exclude[1] is empty."),
    ],
)
def test_a_path_of_nothing_is_refused_by_its_place(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], words: str
) -> None:
    needed = {"namespace": "shop", "pod": "api-0", "src": "/etc/passwd", "dest": "/tmp"}
    module = given(monkeypatch, proc_fs_fetch.argument_spec(), **{**needed, **wrong})
    with pytest.raises(Failure) as caught:
        proc_fs_fetch.parse_plan(module.params, is_check=False)
    assert (caught.value.reason, caught.value.message) == ("InvalidRequest", words)


def ended(capsys: pytest.CaptureFixture[str], module: Any, work: Any, nothing: dict[str, Any] | None = None) -> Any:
    """The result of a task that does this."""
    with pytest.raises(SystemExit):
        run_module(module, work, nothing)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


# newer releases of ansible-core leave the invocation out unless it is asked for
ASKED = {"_ansible_inject_invocation": True} if "inject_invocation" in PASS_VARS else {}
# each of them is a part of what a result holds
SECRETS = ["1", "shop", "", "e3b0c44298fc1c14"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_kubeconfig_in_memory_garbles_nothing_of_the_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    kubeconfig = {"users": [{"user": {"token": secret, "password": secret}}], "clusters": [{"token": ""}]}
    rows = [{"namespace": "shop", "pod": "api-0", "pid": 7100, "sha256": "e3b0c44298fc1c149afbf4c8996fb924"}]
    given_env = {"kubeconfig": kubeconfig, "env": {"X": secret}, **ASKED}
    module = given(monkeypatch, ephemeral_debug.argument_spec(), pod="api-0", namespace="shop", **given_env)
    result = ended(capsys, module, lambda _module: Report("1 target, 1 debugger injected", True, rows, []))
    assert (result["targets"], result["msg"]) == (rows, "1 target, 1 debugger injected")
    shown = result["invocation"]["module_args"]
    assert (shown["kubeconfig"], shown["env"], shown["pod"]) == (MASK, {"X": MASK}, "api-0")


def test_the_invocation_says_which_targets_were_given_and_nothing_of_what_ran_in_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "namespace": "shop",
        "pod": "api-0",
        "container": "app",
        "debugger": "d",
        "commands": [{"stdout": "hunter2"}],
    }
    module = given(monkeypatch, ephemeral_debug.argument_spec(), targets=[row], **ASKED)
    result = ended(capsys, module, lambda _module: Report("", False, [], []))
    pins = {"namespace": "shop", "pod": "api-0", "container": "app", "debugger": "d"}
    assert result["invocation"]["module_args"]["targets"] == [pins]
    assert module.params["targets"] == [row]


ROOMS = {
    ephemeral_debug: {},
    debug_pod: {},
    proc_fs_fetch: {"dest": "/tmp", "src": "/etc"},
    pod_logs: {"containers": [{"pod": "a"}]},
    evidence_api: {"pods": [{}], "dest": "/tmp"},
}


def promised(room: Any) -> set[str]:
    """Return the keys that a module's page says are always there."""
    name = room.__name__.rpartition(".")[2]
    page = importlib.import_module(f"ansible_collections.incident.distroless.plugins.modules.{name}")
    return {key for key, about in yaml.safe_load(page.RETURN).items() if about["returned"] == "always"}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__.rpartition(".")[2])
def test_a_refused_task_has_every_key_that_its_page_promises(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: Any
) -> None:
    selects = room not in (pod_logs, evidence_api)
    module = given(monkeypatch, room.argument_spec(), selects=selects, **ROOMS[room])
    monkeypatch.setattr(room, "make_module", lambda *_args, **_options: module)
    with pytest.raises(SystemExit):
        room.run()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert promised(room) <= result.keys()
    assert (result["failed"], result["reason"]) == (True, "InvalidRequest")


UNREADABLE = {"concurrency": "many", "zork": 1}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__.rpartition(".")[2])
@pytest.mark.parametrize("wrong", UNREADABLE)
def test_a_task_that_ansible_refuses_has_them_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: Any, wrong: str
) -> None:
    arguments = {**ROOMS[room], wrong: UNREADABLE[wrong], "host": "https://shop:1", **ASKED}
    sent = {"ANSIBLE_MODULE_ARGS": {"_ansible_remote_tmp": "/tmp", "_ansible_tmpdir": "/tmp", **arguments}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(sent).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit):
        room.run()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert promised(room) <= result.keys()
    assert (result["failed"], result["changed"], result["reason"]) == (True, False, "InvalidRequest")
    (failed,) = result["failed_targets"]
    assert wrong in failed["message"]
    assert failed["message"] in result["msg"]


def test_ansibles_refusal_garbles_nothing_and_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"namespace": "shop-1", "pod": "api-1", "env": {"X": "1"}, "max_pods": "many", **ASKED}
    with pytest.raises(SystemExit):
        given(monkeypatch, ephemeral_debug.argument_spec(), **arguments)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    (failed,) = result["failed_targets"]
    assert (failed["namespace"], failed["pod"]) == ("shop-1", "api-1")
    assert result["invocation"]["module_args"]["env"] == {"X": MASK}
    with pytest.raises(SystemExit):
        given(monkeypatch, proc_fs_fetch.argument_spec(), dest="/tmp", debug="{'env': {'X': 'hunter2'}, zork", **ASKED)
    assert "hunter2" not in capsys.readouterr().out


@pytest.mark.parametrize("room", [pod_logs, evidence_api], ids=lambda room: room.__name__.rpartition(".")[2])
def test_a_namespace_for_all_modules_of_the_group_is_taken(monkeypatch: pytest.MonkeyPatch, room: Any) -> None:
    module = given(monkeypatch, room.argument_spec(), selects=False, namespace="shop", **ROOMS[room])
    assert module.params["namespace"] == "shop"


def test_what_names_no_namespace_is_in_the_one_for_all() -> None:
    entry = {"pod": "api-0", "container": "app"}
    assert pod_logs.parse(0, entry, "shop").namespace == "shop"
    assert pod_logs.parse(0, {**entry, "namespace": "own"}, "shop").namespace == "own"
    with pytest.raises(Failure, match="lacks"):
        pod_logs.parse(0, entry, None)


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"concurrency": -1}, {"log_lines": 0}, {"timeout": 0}])
def test_numbers_that_nothing_can_be_done_with_are_refused(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, int]
) -> None:
    arguments = {"pods": [{"namespace": "shop", "pod": "a"}], "dest": "/tmp", **wrong}
    module = given(monkeypatch, evidence_api.argument_spec(), selects=False, **arguments)
    with pytest.raises(Failure) as caught:
        evidence_api.work(module)
    assert caught.value.reason == "InvalidRequest"
    assert next(iter(wrong)) in caught.value.message
