# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a task runs and ends: every module's work goes through here, and every failure is shown here.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, failure_of
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget, Target


class Finished(Protocol):
    """What was done with one target."""

    @property
    def failure(self) -> Failure | None:
        """Return why the target counts as failed although something was done; None if it does not."""


Done = TypeVar("Done", bound=Finished)


@dataclass(slots=True)
class Report:
    """What a task did. fields are the module's own keys of the result; failure_message is set when the task fails."""

    message: str
    changed: bool
    targets: list[dict[str, Any]]
    failed: list[FailedTarget]
    fields: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: Failure | None = None

    def as_result(self) -> dict[str, Any]:
        """Return the task's result; the same keys whether it failed or not."""
        result = {
            "changed": self.changed,
            "targets": self.targets,
            "failed_targets": [entry.as_result() for entry in self.failed],
            **self.fields,
        }
        if self.failure is not None:
            result |= {"reason": self.failure.reason, "hint": self.failure.hint}
        return result


def run_module(module: Any, work: Callable[[Any], Report], nothing: Mapping[str, Any] | None = None) -> None:
    """Run work and end the task with its report.

    module is an AnsibleK8SModule; nothing has the module's own keys of the result as they are where nothing was done.
    """
    own = dict(nothing or {})
    stopped = None
    try:
        report = work(module)
    except Failure as failure:
        report = refused(module.params, failure, own)
    except Exception as error:  # noqa: BLE001 - a defect of ours ends the task in words too
        report = refused(module.params, failure_of(error), own)
    except KeyboardInterrupt:
        # the threads are daemons: none of them is waited for
        stopped = "Interrupted. What ran in the pods ends with its connection; a debugger that was injected ends after its ttl."
    # outside of the except blocks: fail_json adds the traceback of an exception that is being handled
    if stopped is not None:
        module.fail_json(msg=stopped, changed=False, targets=[], failed_targets=[], **own)
        return
    for warning in report.warnings:
        module.warn(warning)
    if report.failure is not None:
        module.fail_json(msg=report.message, **report.as_result())
    else:
        module.exit_json(msg=report.message, **report.as_result())


def refused(params: Mapping[str, Any], failure: Failure, fields: Mapping[str, Any] | None = None) -> Report:
    """Return the report of a task that failed before it had targets to work on; fields are the module's own keys."""
    row = FailedTarget(params.get("namespace"), params.get("pod"), params.get("container"), failure)
    return Report(
        f"{failure.reason}: {failure.message} {failure.hint}",
        failure.changed,
        [],
        [row],
        dict(fields or {}),
        failure=failure,
    )


def gather(targets: Sequence[Target], outcomes: Sequence[Done | Failure]) -> tuple[list[Done], list[FailedTarget]]:
    """Return what was done, and the targets that failed, before anything was done or after. outcomes has one for each target."""
    done: list[Done] = []
    failed: list[FailedTarget] = []
    for target, outcome in zip(targets, outcomes, strict=True):
        if not isinstance(outcome, Failure):
            done.append(outcome)
        failure = outcome if isinstance(outcome, Failure) else outcome.failure
        if failure is not None:
            failed.append(FailedTarget(target.namespace, target.pod, target.container, failure))
    return done, failed


def was_changed(failed: Sequence[FailedTarget]) -> bool:
    """Return whether a target failed after something had been changed."""
    return any(entry.failure.changed for entry in failed)


def judge(
    failed: Sequence[FailedTarget], succeeded: int, *, continue_on_error: bool, message: str
) -> tuple[str, Failure | None]:
    """Return the task's message, and its failure when it fails: any failed target does, unless the user goes on past them and one
    succeeded."""
    if not failed or (continue_on_error and succeeded):
        return message, None
    first = failed[0].failure
    others = f" ({len(failed)} of {len(failed) + succeeded} targets failed)" if len(failed) + succeeded > 1 else ""
    return f"{first.reason}: {first.message} {first.hint}{others}", first
