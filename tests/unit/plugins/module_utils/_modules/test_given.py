# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""What Ansible makes of a task's arguments, through its own module class: lists, masks and what a refused task says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.incident.distroless.plugins.module_utils._modules import (
    debug_pod,
    ephemeral_debug,
    proc_fs_fetch,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module


def given(monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], **arguments: Any) -> Any:
    """A module as a task with these arguments makes it."""
    sent = {"ANSIBLE_MODULE_ARGS": {"_ansible_remote_tmp": "/tmp", "_ansible_tmpdir": "/tmp", **arguments}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(sent).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    return make_module(own)


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
