# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case in few words: lines for the end of a play, Markdown for chat, and what set_stats hands to the next job.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import VERDICTS
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import counts, times_of, worst
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Rule, own_rules

MAX_LINES = 20
# a chat takes no more in one message
MAX_MARKDOWN = 4000
MAX_MESSAGE = 600
MAX_WIDTH = 300
# AWX keeps what set_stats sets in one row of its database, for all pods of a job together
MAX_STATS_FINDINGS = 5


def telling(rules: tuple[Rule, ...] = ()) -> Redactor:
    """Return what replaces secrets in all that people and later tasks are told of a case. Addresses stay: a finding is about them.
    rules: a user's, beside the collection's own."""
    return Redactor(secrets.token_bytes(32), (*own_rules(), *rules), hides_addresses=False)


def without_secrets(case: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return the content of findings.json as people are told it. What a pod said stands whole in the case's own files alone."""
    findings = [
        {**_told({**finding, "evidence": []}, redactor), "evidence": finding["evidence"]}
        for finding in case["findings"]
    ]
    facts = {
        label: {name: _told(fact, redactor) for name, fact in found.items()} for label, found in case["facts"].items()
    }
    rest = {
        key: _told(case[key], redactor)
        for key in ("reason", "targets", "failed_targets", "timeline", "coverage")
        if key in case
    }
    said = {label: _lines_told(lines, redactor) for label, lines in case.get("last_words", {}).items()}
    return {**case, **rest, "last_words": said, "findings": findings, "facts": facts}


def _lines_told(lines: Sequence[str], redactor: Redactor) -> list[str]:
    """Return lines of a log without their secrets, of which one can go over many lines."""
    text = redactor.text("\n".join(lines).encode("utf-8", "surrogatepass"))
    return text.decode("utf-8", "surrogatepass").split("\n") if lines else []


def _told(value: Any, redactor: Redactor) -> Any:
    """Return a value without its secrets; a list is looked at row by row where it can have one at all."""
    if redactor.is_plain(json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")):
        return value
    return [_told(row, redactor) for row in value] if isinstance(value, list) else redactor.value(value)


def summary_lines(case: Mapping[str, Any], path: str) -> list[str]:
    """Return at most 20 lines that say what was found (case: the content of findings.json), the worst first."""
    head, found = (
        [heading(case), *_inventory(case)],
        [entry for entry in case["findings"] if entry["verdict"] != "pass"],
    )
    passed = [entry for entry in case["findings"] if entry["verdict"] == "pass"]
    wrong = [line for entry in found for line in _lines_of(entry)]
    room = MAX_LINES - 1 - len(head)
    body = wrong + [_line(entry) for entry in passed]
    if len(body) > room and len(passed) > 1:
        # a choice of them would tell nothing
        body = [*wrong, f"pass    {len(passed)} checks, each with what it saw: see report.html"]
    if len(body) > room:
        body = [*body[: room - 1], "... more in findings.json and summary.md"]
    return [*head, *body, f"Case: {path}"]


def _inventory(case: Mapping[str, Any]) -> list[str]:
    """Return the line that says what inventory the targets are from, where they are from one."""
    if not (inventory := case.get("inventory")):
        return []
    count = inventory["hosts"]
    what = "1 host" if count == 1 else f"{count} hosts"
    if cluster := _cluster(case):
        what += f" of {cluster}"
    return [f"Inventory of {times_of(inventory)}: {what}; pods that came later are not among them."]


def _cluster(case: Mapping[str, Any]) -> str:
    """Return what an inventory of several clusters calls the one that the targets are in; empty where it names none."""
    return printable(str(case.get("inventory", {}).get("cluster", "")))


def heading(case: Mapping[str, Any]) -> str:
    """Return one line: the verdict, and what it was found in."""
    said = ", ".join(f"{case['counts'][verdict]} {verdict}" for verdict in VERDICTS if case["counts"][verdict])
    looked, failed = len(case["targets"]), len(case["failed_targets"])
    of = f"{looked} target{'s' if looked != 1 else ''}" + (f", {failed} not reached" if failed else "")
    return f"{case['role']}: {case['verdict']} ({said or 'no findings'}) in {of}"


def _lines_of(finding: Mapping[str, Any]) -> Iterator[str]:
    yield _line(finding)
    if finding["next"]:
        yield _cut(f"        next: {finding['next']}")


def _line(finding: Mapping[str, Any]) -> str:
    return _cut(f"{finding['verdict']:7} {finding['target']}: {finding['message']}")


def _cut(line: str) -> str:
    return line if len(line) <= MAX_WIDTH else f"{line[: MAX_WIDTH - 4]} ..."


def markdown(case: Mapping[str, Any], path: str = "") -> str:
    """Return the case as short Markdown, of at most MAX_MARKDOWN characters but for its path, where it is, which is never cut.

    What comes from a pod is escaped: it makes no link, no picture and calls nobody. What is left out is said.
    """
    head = [f"# {_plain(heading(case))}", ""]
    head += [f"Case {_plain(case['case_id'])}, {case['started']} {_until(case)}.", ""]
    head += [text for line in _inventory(case) for text in (_plain(line), "")]
    if case["reason"]:
        head += [f"Reason: {_at_most(case['reason'])}", ""]
    place = f"Case: {_plain(path)}" if path else ""
    count = len(case["findings"])
    left = MAX_MARKDOWN - len("\n".join([*head, place])) - len(_more(count)) - 3
    shown: list[str] = []
    # of thousands few have room: no more are written out than that
    for entry in map(_entry, case["findings"]):
        left -= len(entry) + 1
        if left < 0:
            break
        shown.append(entry)
    more = [_more(count - len(shown))] if len(shown) < count else []
    return "\n".join([*head, *shown, *more, *(["", place] if place else [])]) + "\n"


def _entry(entry: Mapping[str, Any]) -> str:
    said = f"- **{entry['verdict']}** {_plain(entry['target'])}: {_at_most(entry['message'])}"
    following = f"\n  Next: {_at_most(entry['next'])}" if entry["next"] and entry["verdict"] != "pass" else ""
    return said + following


def _more(count: int) -> str:
    return f"- {count} more findings are in findings.json and report.html."


def _at_most(text: str) -> str:
    """Return a text for Markdown, of at most MAX_MESSAGE characters with all that escaping adds to it."""
    text = " ".join(text.split())
    if len(text) <= MAX_MESSAGE and len(whole := _plain(text)) <= MAX_MESSAGE:
        return whole
    # a character becomes ten at most, as one of those that turn the direction of writing does
    kept = MAX_MESSAGE
    while len(cut := f"{_plain(text[:kept])} ...") > MAX_MESSAGE:
        kept -= max(1, (len(cut) - MAX_MESSAGE) // 10)
    return cut


def _until(case: Mapping[str, Any]) -> str:
    return f"to {case['ended']}" if case["ended"] else "and cut off"


def _plain(text: str) -> str:
    """Return a text as one line that a chat shows as it is."""
    escaped = re.sub(r"([\\`*_\[\]<>|~#!&])", r"\\\1", printable(text))
    # of @here, @channel and https:// a zero-width space leaves text that no chat reacts to
    return escaped.replace("@", "@\u200b").replace("://", ":\u200b//")


def stats(case: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return what set_stats keeps: label of a target -> role -> verdict, counts, the worst findings and where the case is.

    A target of an inventory of several clusters is called as its host is, <cluster>/<label>: its twin in another one has a verdict of
    its own, and what set_stats is given twice under one name is what came last.
    """
    cluster = _cluster(case)
    by_target: dict[str, list[Mapping[str, Any]]] = {}
    for finding in case["findings"]:
        name = f"{cluster}/{finding['target']}" if cluster else finding["target"]
        by_target.setdefault(name, []).append(finding)
    return {
        target: {
            case["role"]: {
                "verdict": worst(found),
                "counts": counts(found),
                "findings": _worst_of(found),
                "case_id": case["case_id"],
                "path": path,
            }
        }
        for target, found in by_target.items()
    }


def _worst_of(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {key: _cut(entry[key]) for key in ("analyzer", "verdict", "message", "next")}
        for entry in findings[:MAX_STATS_FINDINGS]
        if entry["verdict"] != "pass"
    ]


def is_failure(verdict: str, fail_on: str, *, has_unreached: bool = False) -> bool:
    """Return whether a play ends with failure for this verdict. warn: for anything but pass; what is not known is no pass.

    fail: for fail, and for unknown where a target was not looked at at all (has_unreached).
    """
    failing = {
        "never": (),
        "fail": ("fail", "unknown") if has_unreached else ("fail",),
        "warn": ("fail", "unknown", "warn"),
    }
    return verdict in failing[fail_on]
