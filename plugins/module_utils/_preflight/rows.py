# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found out before the night, row by row, and what it comes to for each use.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import visible

Answer = TypeVar("Answer")

# the worst first
STATUSES = ("missing", "denied", "unknown", "ok")

# of what an admission plugin says, which is as long as it likes
LONGEST = 600

# admission's answers, and the API's own, to what was asked for in a dry run
_DENIED = ("PodSecurityDenied", "AdmissionDenied", "QuotaExceeded", "InvalidRequest", "StaticPod", "WindowsNode")
# k8s.io/apiserver, admission/plugin/webhook/errors: it is said before the webhook is called
_NO_DRY_RUN = "does not support dry run"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at. needed_by: the uses that are not possible where it is missing or denied. next: what to do."""

    check: str
    status: str
    message: str
    next: str = ""
    namespace: str | None = None
    use: str | None = None
    needed_by: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        """Return the row of the module's result, in which what others have said is one printable line of bounded length."""
        return {
            "namespace": self.namespace,
            "use": self.use,
            "check": self.check,
            "status": self.status,
            "needed": bool(self.needed_by),
            "message": visible(self.message, LONGEST),
            "next": visible(self.next, LONGEST),
        }


def of_dry_run(failure: Failure) -> tuple[str, str, str]:
    """Return status, message and what to do for a dry run that was not let through."""
    if _NO_DRY_RUN in failure.message:
        return (
            "unknown",
            f"not asked: {failure.message}",
            "Its owner can set sideEffects to None or NoneOnDryRun; until then only a real injection, by day, tells.",
        )
    if failure.reason in _DENIED:
        return "denied", f"{failure.reason}: {failure.message}", failure.hint
    if failure.reason == "ApiUnsupported":
        return "missing", f"{failure.reason}: {failure.message}", failure.hint
    return unasked(failure)


def unasked(failure: Failure) -> tuple[str, str, str]:
    """Return status, message and what to do for what could not be asked; the hint of a missing permission names the verb."""
    return "unknown", f"could not be asked: {failure.reason}: {failure.message}", failure.hint


def attempt(ask: Callable[[], Answer]) -> Answer | Failure:
    """Return an answer, or the Failure that came in its place."""
    try:
        return ask()
    except Failure as failure:
        return failure


def inside(answer: object, *keys: str) -> Any:
    """Return what stands in an answer below these keys, None where there is no such place."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return answer


def verdicts(rows: Sequence[Row], namespaces: Iterable[str], uses: Sequence[str]) -> list[dict[str, str]]:
    """Return a row for each namespace and use: the worst of what the use needs there, and the checks that are no better."""
    found: list[dict[str, str]] = []
    for namespace in namespaces:
        for use in uses:
            ours = [row for row in rows if use in row.needed_by and row.namespace in (None, namespace)]
            worst = min((row.status for row in ours), key=STATUSES.index, default="unknown")
            why = "" if worst == "ok" else ", ".join(row.check for row in ours if row.status == worst)
            found.append({"namespace": namespace, "use": use, "status": worst, "because": why})
    return found


def is_impossible(status: str) -> bool:
    """Return whether a status says that a use is not possible, and not only that it is not known."""
    return status in ("missing", "denied")


def table(rows: Sequence[dict[str, Any]], verdict: Sequence[dict[str, str]]) -> list[str]:
    """Return lines for people: what is possible first, then each check in columns, with what to do below it."""
    lines = [
        f"{row['status']:<8}{row['use']} in {row['namespace']}" + (f": {row['because']}" if row["because"] else "")
        for row in verdict
    ]
    cells = [(row["status"], row["namespace"] or "-", row["use"] or "-", row["check"]) for row in rows]
    widths = [max((len(line[column]) for line in cells), default=0) for column in range(4)]
    for row, line in zip(rows, cells, strict=True):
        columns = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        lines.append(f"{columns}  {row['message']}")
        if row["next"]:
            lines.append(f"        next: {row['next']}")
    return lines
