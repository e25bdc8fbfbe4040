# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identical tasks at one moment, and a selection that came out empty: nobody's debugger is ended by somebody else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, Played, pod_manifest

APP = "incident.test/app:nonroot"
TWINS = 3


def states(kubectl: Kubectl, pod: str) -> dict[str, str]:
    """The state of each ephemeral container of a pod, by its name."""
    statuses = kubectl.pod(pod)["status"].get("ephemeralContainerStatuses") or []
    return {entry["name"]: next(iter(entry["state"])) for entry in statuses}


def at_once(*tasks: Any) -> list[Played]:
    """What came of tasks that are begun together."""
    done: dict[int, Played] = {}

    def one(number: int, task: Any) -> None:
        done[number] = task()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [done[number] for number in range(len(tasks))]


@pytest.mark.parametrize("name", [None, "mine"])
def test_identical_fetches_that_end_their_debugger_end_only_their_own(
    kubectl: Kubectl, play: Play, call: Play, tmp_path: Path, name: str | None
) -> None:
    task = call if name else play
    pod = f"twins-{name or 'derived'}"
    kubectl.apply(pod_manifest(pod, APP))
    kubectl.wait_until_running(pod)
    debug = {"name": name} if name else {}

    def fetch(number: int) -> Played:
        dest = str(tmp_path / str(number))
        return task("proc_fs_fetch", pod=pod, src=["/etc/passwd"], dest=dest, keep_debugger=False, debug=debug)

    done = at_once(*(lambda number=number: fetch(number) for number in range(TWINS)))
    assert [played["failed_targets"] for played in done] == [[]] * TWINS
    assert [played["stats"]["files"] for played in done] == [1] * TWINS
    used = {played.target["debugger"] for played in done}
    assert len(used) == TWINS
    kept = task("ephemeral_debug", pod=pod, commands=["true"])
    assert (kept.target["reused"], kept.target["debugger"] in used) == (False, False)


def test_a_task_that_ends_its_debugger_does_not_end_the_one_that_others_share(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    kubectl.apply(pod_manifest("shared", APP))
    kubectl.wait_until_running("shared")
    own = call("ephemeral_debug", pod="shared", share=False)
    kept = call("ephemeral_debug", pod="shared")
    assert (own.target["reused"], kept.target["reused"]) == (False, False)
    fetched = call("proc_fs_fetch", pod="shared", src=["/etc/passwd"], dest=str(tmp_path), keep_debugger=False)
    assert (fetched.target["reused"], fetched.target["debugger"]) == (True, kept.target["debugger"])
    call("ephemeral_debug", targets=own["targets"], state="absent")
    assert states(kubectl, "shared") == {own.target["debugger"]: "terminated", kept.target["debugger"]: "running"}


def test_a_selector_that_came_out_empty_ends_nobodys_debugger(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("stranger", APP))
    kubectl.wait_until_running("stranger")
    found = call("ephemeral_debug", pod="stranger")
    for empty in ({"label_selectors": [""]}, {"field_selectors": [","]}, {"label_selectors": ""}, {"pod": ""}):
        refused = call("ephemeral_debug", **empty, state="absent", max_pods=50)
        assert (refused.failure["reason"], refused["changed"]) == ("InvalidRequest", False), empty
    assert states(kubectl, "stranger") == {found.target["debugger"]: "running"}


def test_a_command_with_commas_is_one(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("commas", APP))
    kubectl.wait_until_running("commas")
    looked = call("ephemeral_debug", pod="commas", commands="echo one,two,three")
    assert [command["stdout"] for command in looked.target["commands"]] == ["one,two,three\n"]
