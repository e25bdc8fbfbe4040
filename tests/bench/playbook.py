# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task run by ansible-playbook, as a user runs it; the module's process tells its own time and memory."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import Sample
from measuring import Spent, Trouble, spent
from ways import Way

# first on the module's import path: Python runs the sitecustomize.py there before anything else
INSIDE = Path(__file__).with_name("inside")
TASK_FAILED = 2
SHOWN = re.compile(r"^\w+: \[localhost\](?:: FAILED!)? => (?:\(item=.*?\) => )?(\{.*\})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Played:
    """A task's result and what it took."""

    result: dict[str, Any]
    sample: Sample


def play(way: Way, folder: Path, module: str, options: Mapping[str, Any], loop: Sequence[str] = ()) -> Played:
    """Runs one task, or one for each `{{ item }}` of loop, whose last result is then given.

    `folder` is for the playbook and what is noted. Raises Trouble when the task fails.
    """
    played = attempt(way.prefix, way.environment, folder, {module: options, **({"loop": loop} if loop else {})})
    if played.result["failed"]:
        raise Trouble(str(played.result.get("msg")))
    return played


def attempt(prefix: Sequence[str], environment: Mapping[str, str], folder: Path, task: Mapping[str, Any]) -> Played:
    """Runs one task that may fail; `failed` of its result says whether it did. Raises Trouble when there is no result."""
    notes = folder / "noted"
    notes.unlink(missing_ok=True)
    variables = {"ansible_python_interpreter": str(_interpreter(folder, notes))}
    hosts = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": [task]}
    book = folder / "play.json"
    book.write_text(json.dumps([hosts]), encoding="utf-8")
    settings = {
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    # -v shows the result; a second task that saves it would cost a third of a second
    words = [*prefix, program, "-v", str(book)]
    whole = spent(words, environment={**settings, **environment}, fine=(0, TASK_FAILED))
    result = shown_result(whole.printed)
    return Played(result, sample(whole, result, notes.read_text(encoding="utf-8").splitlines()))


def plain(way: Way, folder: Path, module: str = "", options: Mapping[str, Any] | None = None) -> Sample:
    """Runs one task as a user does, or without a module one that says a word; of it only the whole time is known.

    In `play` and `attempt` the module has an interpreter of its own, which notes what it takes, so that no child of Ansible's may do
    its work.
    """
    task: dict[str, Any] = {module: options or {}} if module else {"ansible.builtin.debug": {"msg": "a word"}}
    hosts = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    book = folder / "plain.json"
    book.write_text(json.dumps([hosts]), encoding="utf-8")
    words = [*way.prefix, str(Path(sys.executable).with_name("ansible-playbook")), str(book)]
    quiet = {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    return spent(words, environment={**quiet, **way.environment}).sample()


def sample(whole: Spent, result: Mapping[str, Any], notes: Sequence[str]) -> Sample:
    """Return what a task took; `notes`: a line of sitecustomize.py for each process of a module, one after the other."""
    noted = [json.loads(line) for line in notes]
    statistics: Mapping[str, Any] = result.get("stats") or {}
    elapsed = [target["elapsed"] for target in result.get("targets") or () if "elapsed" in target]
    return Sample(
        seconds=whole.seconds,
        inside=sum(process["seconds"] for process in noted),
        elapsed=statistics.get("elapsed", max(elapsed, default=None)),
        peak=max(process["peak"] for process in noted),
        cpu=whole.cpu,
        moved=statistics.get("transferred_bytes"),
    )


def shown_result(printed: str) -> dict[str, Any]:
    """The last result that ansible-playbook -v printed. Raises Trouble when there is none."""
    found = SHOWN.findall(printed)
    if not found:
        raise Trouble(f"ansible-playbook showed no result: {printed[-2000:]}")
    result: dict[str, Any] = json.loads(found[-1])
    return {**result, "failed": "FAILED!" in printed}


def _interpreter(folder: Path, notes: Path) -> Path:
    path = folder / "python"
    words = f"PYTHONPATH={shlex.quote(str(INSIDE))} BENCH_NOTES={shlex.quote(str(notes))} exec {shlex.quote(sys.executable)}"
    path.write_text(f'#!/bin/sh\n{words} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
    return path
