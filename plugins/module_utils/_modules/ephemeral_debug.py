# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ephemeral_debug module's task: arguments -> targets -> debuggers -> commands -> result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import (
    Failure,
    after_change,
    failure_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import (
    Command,
    Ran,
    not_run,
    parse_commands,
    run_command,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    Request,
    is_numbered,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.diff import debugger_diff
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import (
    Attached,
    ensure,
    ensure_requested,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    take_up,
    wait_until_ended,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import is_ours
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
    debuggers,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.output_limit import limit_output
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import Shells, open_session
from ansible_collections.incident.distroless.plugins.module_utils._debugger.target_row import target_row, unseen_row
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import end_debugger
from ansible_collections.incident.distroless.plugins.module_utils._k8s import waiting
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_spec,
    make_module,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import (
    Report,
    gather,
    judge,
    run_module,
    was_changed,
)
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    FailedTarget,
    Target,
    parse_selection,
    ways_of_selecting,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.recheck import (
    how_it_ended,
    what_became,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import select


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each target. has_folders: a command's dest may be written for several, each in folders of its own."""

    request: Request
    wish: IdentityRequest
    commands: Sequence[Command]
    check_rc: bool
    wait: bool
    is_absent: bool
    is_check: bool
    wait_timeout: int
    name: str | None
    has_folders: bool


@dataclass(slots=True)
class Done:
    """What was done with one target: its row, whether anything changed, a command's failure, and what makes the diff, which costs more
    than a pod's answer and is seldom asked for."""

    row: dict[str, Any]
    changed: bool
    diff: Callable[[], dict[str, str]]
    failure: Failure | None = None


def argument_spec() -> dict[str, Any]:
    """Return the options of ephemeral_debug beside authentication and selection."""
    return {
        **debugger_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        # no_log keeps their env and stdin out of the invocation that Ansible itself logs to syslog
        "commands": {"type": "list", "elements": "raw", "default": [], "no_log": True},
        "check_rc": {"type": "bool", "default": True},
        "finished": {"type": "bool", "default": False},
        "share": {"type": "bool", "default": True},
        "wait": {"type": "bool", "default": True},
    }


def run() -> None:
    """Runs the task and ends it."""
    run_module(make_module(argument_spec()), work)


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure when there is nothing to work on."""
    params = module.params
    selection = parse_selection(params)
    plan = parse_plan(params, is_check=module.check_mode)
    if plan.is_absent and selection.targets == ():
        return Report(summary([], plan), False, [], [])
    cluster = connect(module, Deadline(plan.wait_timeout))
    selected = select(cluster, selection)
    outcomes = run_concurrently(partial(_work_on, cluster, plan), selected.targets, params["concurrency"])
    done, failed = gather(selected.targets, outcomes)
    gone, lost = (
        nothing_to_end(selected.failed) if plan.is_absent and selection.targets is not None else ([], selected.failed)
    )
    failed = [*lost, *failed]
    warnings = [*selected.warnings, *limit_output([entry.row for entry in done])]
    succeeded = sum(entry.failure is None for entry in done) + len(gone)
    message, failure = judge(
        failed, succeeded, continue_on_error=params["continue_on_error"], message=summary(done, plan)
    )
    fields: dict[str, Any] = {"diff": [entry.diff() for entry in done]} if module._diff else {}
    rows = [*(entry.row for entry in done), *gone]
    changed = any(entry.changed for entry in done) or was_changed(failed)
    return Report(message, changed, rows, failed, fields, warnings, failure)


def parse_plan(params: dict[str, Any], *, is_check: bool) -> Plan:
    """Return the plan in the module's parameters. Raises Failure InvalidRequest."""
    commands = parse_commands(params["commands"])
    is_absent = params["state"] == "absent"
    if commands and not params["wait"]:
        raise Failure(
            "InvalidRequest", "wait: false with commands: a command needs a debugger that runs.", "Remove wait: false."
        )
    if commands and is_absent:
        raise Failure("InvalidRequest", "state: absent with commands.", "Run the commands in a task before.")
    if params["concurrency"] < 1:
        raise Failure("InvalidRequest", "concurrency must be 1 or more.")
    request = parse_request(params, is_for_all=params["share"])
    check_seconds(request.ttl, "ttl")
    check_seconds(params["wait_timeout"], "wait_timeout")
    return Plan(
        request=request,
        wish=parse_wish(params),
        commands=commands,
        check_rc=params["check_rc"],
        wait=params["wait"],
        is_absent=is_absent,
        is_check=is_check,
        wait_timeout=params["wait_timeout"],
        name=params["name"],
        # by what was asked for and not by how many were found: a workload that scales must not move files
        has_folders=ways_of_selecting(params) != ["pod"] and len(params["targets"] or ()) != 1,
    )


def _work_on(cluster: Cluster, plan: Plan, target: Target) -> Done:
    started = time.monotonic()
    if plan.is_absent:
        ended = end_debuggers(
            cluster.until(Deadline(plan.wait_timeout)), target, plan.name, is_check=plan.is_check, wait=plan.wait
        )
        row = {**ended.row, "elapsed": round(time.monotonic() - started, 3)}
        return Done(row, bool(ended.names), ended.diff)
    in_time = cluster.until(Deadline(plan.wait_timeout))
    if plan.is_check or not plan.wait:
        attached = ensure_requested(in_time, target, plan.request, plan.wish, may_inject=not plan.is_check)
        row = target_row(attached, time.monotonic() - started)
        row["commands"] = [not_run(command) for command in plan.commands]
        would_run = any(command.changed or command.dest for command in plan.commands)
        return Done(row, not attached.reused or would_run, partial(_diff, attached))
    attached = ensure(in_time, target, plan.request, plan.wish)
    with after_change(is_changed=not attached.reused):
        if attached.session is not None:
            attached.session.close()
        return _run_commands(cluster, plan, attached, started)


@dataclass(slots=True)
class Row:
    """Commands that run one after the other, by their places among all: what came of them, and what ended it before its time."""

    commands: Sequence[tuple[int, Command]]
    ran: dict[int, Ran] = field(default_factory=dict)
    failure: Failure | None = None

    def begun(self) -> Sequence[tuple[int, Command]]:
        """Return those that were begun."""
        return self.commands[: len(self.ran) + (self.failure is not None)]


def _run_commands(cluster: Cluster, plan: Plan, attached: Attached, started: float) -> Done:
    target = attached.target
    every = list(enumerate(plan.commands))
    alone = [Row([entry]) for entry in every if entry[1].beside]
    lined_up = [Row([entry for entry in every if not entry[1].beside])]
    done = [
        outcome if isinstance(outcome, Row) else Row([], failure=outcome)
        for outcome in run_concurrently(
            partial(_run_row, cluster, plan, attached), [*lined_up, *alone], len(lined_up + alone)
        )
    ]
    failure = next((row.failure for row in done if row.failure is not None), None)
    if failure is None and plan.commands and attached.seen.started is not None:
        # a debugger that outlives its target tells nothing of its end
        failure = how_it_ended(cluster.until(Deadline(plan.wait_timeout)), target)
    ran = {index: outcome for row in done for index, outcome in row.ran.items()}
    rows = {index: ran[index].row for index in sorted(ran)}
    result = target_row(attached, time.monotonic() - started)
    result["commands"] = list(rows.values())
    wrote = any(outcome.wrote for outcome in ran.values())
    changed = not attached.reused or wrote or any(command.changed for row in done for _index, command in row.begun())
    return Done(result, changed, partial(_diff, attached), failure or _command_failure(plan, target, rows))


def _run_row(cluster: Cluster, plan: Plan, attached: Attached, row: Row) -> Row:
    target = attached.target
    folders = (target.namespace, target.pod, target.container) if plan.has_folders else ()

    def opening(silence: float) -> Session:
        in_time = cluster.until(Deadline(plan.wait_timeout))
        return open_session(in_time, target, attached.debugger.name, silence=silence)

    with Shells(opening) as shells:
        for index, command in row.commands:
            PROGRESS.say(target.label, f"{_title(index, command.name)} runs")
            try:
                ran = run_command(shells, command, attached.seen, folders)
            except Exception as lost:  # noqa: BLE001 - what the commands before have brought is kept, whatever this one met
                row.failure = what_became(cluster.until(Deadline(plan.wait_timeout)), target, failure_of(lost))
                break
            row.ran[index] = ran
            ended = "timed out" if ran.row["timed_out"] else f"rc {ran.row['rc']}"
            PROGRESS.say(target.label, f"{_title(index, command.name)}: {ended} after {ran.row['delta']} s")
    return row


def _title(index: int, name: str | None) -> str:
    """Return a command as messages name it: what it runs may be long, and secret."""
    return f"commands[{index}]" + (f" ({name})" if name else "")


def _command_failure(plan: Plan, target: Target, rows: Mapping[int, dict[str, Any]]) -> Failure | None:
    for index, row in rows.items():
        what = f"{target.label}: {_title(index, row['name'])}"
        if row["timed_out"]:
            return Failure(
                "CommandTimeout",
                f"{what} ran longer than its timeout of {plan.commands[index].timeout} s and was ended.",
            )
        if plan.check_rc and row["rc"] != 0:
            return Failure("CommandFailed", f"{what} ended with rc {row['rc']}: {row['stderr'][-500:].strip()}")
    return None


def _diff(attached: Attached) -> dict[str, str]:
    before = debuggers(attached.target.manifest)
    return debugger_diff(attached.target, before, before if attached.reused else [*before, attached.debugger])


def summary(done: Sequence[Done], plan: Plan) -> str:
    """Return one line that says what was done, or would be."""
    count = f"{len(done)} target{'s' if len(done) != 1 else ''}"
    would = "would be " if plan.is_check else ""
    if plan.is_absent:
        ended = sum(len(entry.row["ended"]) for entry in done)
        return f"{count}, {ended} debugger{'s' if ended != 1 else ''} {would}ended; entries of ended debuggers stay in the pod's spec"
    injected = sum(not entry.row["reused"] for entry in done)
    reused = len(done) - injected
    return f"{count}, {injected} debugger{'s' if injected != 1 else ''} {would}injected, {reused} reused"


# where the target does not run any more, none of its debuggers does: the kernel ended them with its PID namespace
_NOTHING_RUNS = ("NoTarget", "PodGone", "TargetNotRunning")


@dataclass(frozen=True, slots=True)
class Ended:
    """What was ended: the names of the debuggers, the target's row, and what makes its diff."""

    names: Sequence[str]
    row: dict[str, Any]
    diff: Callable[[], dict[str, str]]


def end_debuggers(cluster: Cluster, target: Target, name: str | None, *, is_check: bool, wait: bool) -> Ended:
    """Ends the debuggers that are meant: that of an earlier result, else the named one, else each of ours. One that has not started
    is waited for, since nothing else ends it; one that has no image yet, or is not to be waited for, is named in a warning.

    Raises Failure ConnectionLost, PodGone or WaitTimeout.
    """
    before = debuggers(target.manifest)
    meant = _meant(debuggers(target.manifest, target.container), target.debugger, name)
    stuck = [entry for entry in meant if entry.is_pending and (not wait or not _is_about_to_start(entry))]
    ending = [entry for entry in meant if entry not in stuck]
    for index, entry in enumerate(ending if not is_check else ()):
        with after_change(is_changed=index > 0):
            if entry.is_pending:
                take_up(cluster, target, entry)
            end_debugger(open_session(cluster, target, entry.name, has_outlet=False, until=cluster.deadline.moment))
    for entry in ending if wait and not is_check else ():
        with after_change():
            wait_until_ended(cluster, target, entry.name)
    names = [entry.name for entry in ending]
    warnings = [*target.warnings, *map(_stays_pending, stuck)]
    warnings += ["the ended debugger stays in the pod's spec: the API cannot remove it"] if names else []
    row = unseen_row(target, debugger=names[-1] if names else target.debugger, warnings=warnings)
    after = [Debugger(entry.manifest, {"terminated": {}}) if entry.name in names else entry for entry in before]
    return Ended(names, {**row, "ended": names}, partial(debugger_diff, target, before, after))


def _is_about_to_start(entry: Debugger) -> bool:
    return not waiting.lacks_image(entry.state) and not waiting.is_not_made(entry.state)


def _stays_pending(entry: Debugger) -> str:
    words = waiting.words(entry.state) or "the kubelet has not reported it yet"
    return (
        f"debugger {entry.name} has not started ({words}), so nothing can end it; "
        "if it ever starts it ends after its ttl, or by state: absent"
    )


def _meant(found: Sequence[Debugger], earlier: str | None, name: str | None) -> list[Debugger]:
    """Return those that run or may still start and are ours: the one of an earlier result, the named one, or all. A name stands for
    its numbered successors too, when it does not run itself: asking for it again made them."""
    ours = [entry for entry in found if (entry.is_running or entry.is_pending) and is_ours(entry.manifest)]
    wanted = earlier or name
    if not wanted:
        return ours
    exact = [entry for entry in ours if entry.name == wanted]
    return exact or [entry for entry in ours if earlier is None and is_numbered(wanted, entry.name)]


def nothing_to_end(failed: Sequence[FailedTarget]) -> tuple[list[dict[str, Any]], list[FailedTarget]]:
    """Return the rows of those targets of an earlier result that have ended meanwhile, which is what was asked for, and the rest."""
    gone = [entry for entry in failed if entry.failure.reason in _NOTHING_RUNS]
    return [_gone_row(entry) for entry in gone], [entry for entry in failed if entry not in gone]


def _gone_row(entry: FailedTarget) -> dict[str, Any]:
    who = {"namespace": entry.namespace, "pod": entry.pod, "container": entry.container}
    return {**unseen_row(None, debugger=None, warnings=[entry.failure.message]), **who, "ended": []}
