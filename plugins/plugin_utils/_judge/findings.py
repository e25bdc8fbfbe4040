# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a case says: what is judged of each target, sorted, counted, with the evidence behind each finding, and when what
happened; the content of findings.json.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import when
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import container_spec
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import file_of
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import DERIVED
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import (
    DEFAULT_WITHIN,
    Known,
    gather_facts,
    is_about,
    label,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    READ,
    VERDICTS,
    Analyzer,
    Judgement,
    analyze,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

SCHEMA = 1
# what coverage says of a fact that is not missing
WHOLE, IN_PART = "whole", "in part"
# Lines of what a container said before it ended. The report shows the last of them; what begins a secret that goes over many lines,
# such as a key, has to be among them so that it is known for one
MAX_SAID = 80
# rows of a table in the report; the parsed file beside the raw one has all of them
MAX_ROWS = 200

Finding = dict[str, Any]


def judge(
    folder: CaseFolder,
    collected: Mapping[str, Any],
    analyzers: list[Analyzer],
    settings: Mapping[str, Any],
    *,
    keeps: bool,
) -> dict[str, Any]:
    """Return the content of findings.json for what was collected (collected.json) in a case folder.

    keeps: write what was parsed, and the API's objects, beside the raw files. Raises OSError where that cannot be, and ValueError
    for a setting of the wrong type.
    """
    within = _within(settings)
    role = collected["role"]
    outside = outside_of(collected)
    findings: list[Finding] = [
        failed_finding(role, since_listed(failed, collected))
        for failed in collected["failed_targets"]
        if not any(is_about(failed, target) for target in outside.values())
    ]
    if collected["ended"] is None:
        findings.append(unfinished_finding(collected))
    findings += clock_findings(collected)
    entries: list[Entry] = []
    facts: dict[str, dict[str, Any]] = {}
    seen: dict[str, dict[str, str]] = {}
    inside = inside_facts(collected["collectors"])
    for target in collected["targets"]:
        known = gather_facts(collected, target, folder.read, within)
        files = _keep(folder, target, known, collected["collectors"]) if keeps else {}
        made = analyzers
        if label(target) in outside:
            made = [analyzer for analyzer in analyzers if not inside.intersection(analyzer.needs)]
            findings.append(outside_finding(collected, target, len(analyzers) - len(made)))
        judged = analyze({**known.facts, "role": role}, made, settings)
        findings += findings_of(role, target, judged, files)
        entries += timeline(known.facts, target)
        facts[label(target)] = known.facts
        seen[label(target)] = _coverage(collected["collectors"], known)
    return {
        **document(collected, findings, entries, facts),
        "coverage": seen,
        "last_words": {name: said for name, found in facts.items() if (said := _last_words(found))},
    }


def _coverage(collectors: Iterable[Mapping[str, Any]], known: Known) -> dict[str, str]:
    """Return by the title of each thing that was to be looked at whether it was seen whole, in part, or not and why."""
    names = {row["name"]: printable(str(row.get("title") or row["name"])) for row in collectors}
    return {title: known.missing.get(name, IN_PART if name in known.cut else WHOLE) for name, title in names.items()}


def _last_words(facts: Mapping[str, Any]) -> list[str]:
    """Return what a container that something is wrong with said last."""
    health = facts.get("health")
    return list(facts.get("last_run") or ())[-MAX_SAID:] if health and not health["is_well"] else []


def _within(settings: Mapping[str, Any]) -> int:
    value = settings.get("within_seconds", DEFAULT_WITHIN)
    # what a playbook templates is text before ansible-core 2.19
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(
            f"The setting within_seconds is not valid: expected a whole number of seconds from 0 up, got {value!r}."
        )
    return value


def _keep(
    folder: CaseFolder, target: Mapping[str, Any], known: Known, collectors: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[str, str]]:
    """Write what is known of a target; return the evidence: name -> path, sha256."""
    paths = {row["name"]: file_of(row, target) for row in collectors if not row["api"]}
    files = {row["name"]: (paths[row["name"]], row["dest_sha256"]) for row in target["commands"] if row["dest_sha256"]}
    for row in collectors:
        if row.get("file") and row["name"] in known.facts:
            files[row["name"]] = (paths[row["name"]], hashlib.sha256(folder.read(paths[row["name"]])).hexdigest())
    for name, value in known.objects.items():
        if isinstance(value, str):
            path = f"{label(target)}/{name}.txt"
            files[name] = (path, folder.write(path, value))
        else:
            path = f"{label(target)}/{name}.json"
            files[name] = (path, folder.write_json(path, value))
    for row in target["commands"]:
        if row["name"] in known.facts:
            folder.write_json(f"{label(target)}/{row['name']}.json", known.facts[row["name"]])
    return files


def findings_of(
    role: str, target: Mapping[str, Any], judgements: Iterable[Judgement], files: Mapping[str, tuple[str, str]]
) -> list[Finding]:
    """Return the findings of one target. files: name of a collector -> its path in the case folder and sha256."""
    return [
        {
            "role": role,
            "analyzer": judgement.analyzer,
            "target": label(target),
            "verdict": judgement.verdict,
            "title": judgement.title,
            "message": judgement.message,
            "next": judgement.next,
            "severity": judgement.severity,
            "evidence": _evidence(judgement.needs, files),
        }
        for judgement in judgements
    ]


def _evidence(needs: Iterable[str], files: Mapping[str, tuple[str, str]]) -> list[dict[str, str]]:
    names = dict.fromkeys(source for name in needs for source in DERIVED.get(name, (name,)))
    return [{"collector": name, "path": files[name][0], "sha256": files[name][1]} for name in names if name in files]


def since_listed(failed: Mapping[str, Any], collected: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a failed target; of a pod that an inventory knew and that is gone, with what to do about that."""
    inventory = collected.get("inventory")
    if not inventory or failed["reason"] != "NoTarget":
        return failed
    following = (
        f"It was in the inventory of {times_of(inventory)}, and is gone since. List again to see what took its place."
    )
    return {**failed, "hint": following}


def times_of(inventory: Mapping[str, Any]) -> str:
    """Return when the inventory was made that the hosts of a case are from, in words."""
    times = [str(time) or "an unknown time" for time in inventory["listed"]]
    return " to ".join(dict.fromkeys(times)) or "an unknown time"


def failed_finding(role: str, failed: Mapping[str, Any]) -> Finding:
    """Return the finding that stands for a target that could not be looked into (an entry of failed_targets)."""
    names = (failed.get("namespace"), failed.get("pod"), failed.get("container"))
    return {
        "role": role,
        "analyzer": "reached",
        "target": "/".join(str(name) for name in names if name),
        "verdict": "unknown",
        "title": "A pod could not be looked into",
        "message": printable(f"{failed['reason']}: {failed['message']}"),
        "next": printable(failed.get("hint") or ""),
        "severity": 100,
        "evidence": [],
    }


def unreached(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return of a findings.json the failed targets of which nothing was looked at, not even what the API says of them."""
    return [row for row in case["failed_targets"] if not any(is_about(row, target) for target in case["targets"])]


def inside_facts(collectors: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of the facts that only a look inside tells."""
    own = {row["name"] for row in collectors if not row["api"]}
    return frozenset(own | {name for name, sources in DERIVED.items() if own.intersection(sources)})


def outside_of(collected: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return, by their labels, the targets of which only the API told, in a case that is about such ones too."""
    if not collected.get("outside_too"):
        return {}
    return {label(target): target for target in collected["targets"] if not target["commands"]}


def outside_finding(collected: Mapping[str, Any], target: Mapping[str, Any], left: int) -> Finding:
    """Return the finding that a target was not looked into, why, and how many checks were not made for that."""
    failed = next((row for row in collected["failed_targets"] if is_about(row, target)), None)
    looked = [
        row["container"] for row in collected["targets"] if row["pod_uid"] == target["pod_uid"] and row["commands"]
    ]
    if failed:
        why, following = f"{failed['reason']}: {failed['message']}", failed.get("hint") or ""
    else:
        why = f"Of this pod {', '.join(looked) or 'another container'} was to be looked into."
        following = f"Name {target['container']} in {collected['role']}_container to look into it."
    return {
        **failed_finding(collected["role"], {**target, "reason": "", "message": "", "hint": following}),
        "target": label(target),
        "title": "What only a look inside tells was out of sight",
        "message": printable(
            f"{why} What the API says was judged; checks that need a look inside and were not made: {left}."
        ),
        # what is known leads
        "severity": 90,
    }


def unfinished_finding(collected: Mapping[str, Any]) -> Finding:
    """Return the finding of a case whose acquisition was cut off: what is not here may only not have been looked at."""
    return {
        "role": collected["role"],
        "analyzer": "ended",
        "target": printable(collected["case_id"]),
        "verdict": "unknown",
        "title": "The acquisition did not end",
        "message": "The acquisition was cut off: what was taken until then is here, and nothing is said of the rest.",
        "next": "See the last line of acquisition.jsonl for how far it came, seal it as it is, and take a new case.",
        "severity": 100,
        "evidence": [],
    }


# a difference that changes no judgement is not worth a line
MAX_SKEW = 30


def clock_findings(collected: Mapping[str, Any]) -> list[Finding]:
    """Return the finding that the clocks differ, where they do: times of the API are then judged by the API's own clock."""
    offset = round(float(collected.get("clock_offset") or 0))
    if abs(offset) <= MAX_SKEW:
        return []
    which = "ahead of" if offset < 0 else "behind"
    return [
        {
            "role": collected["role"],
            "analyzer": "clock",
            "target": printable(collected["case_id"]),
            "verdict": "warn",
            "title": "The clock here and the API server's differ",
            "message": f"The clock here is {abs(offset)} s {which} the API server's; what the API says is judged by the latter.",
            "next": "Set the clock of the machine that the play runs on (NTP).",
            "severity": 35,
            "evidence": [],
        }
    ]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return what is wrong first, then what was not seen, then what passed; in each the higher severity first, then by target."""
    return sorted(findings, key=lambda entry: (READ.index(entry["verdict"]), -entry["severity"], entry["target"]))


def counts(findings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many findings there are of each verdict."""
    verdicts = [entry["verdict"] for entry in findings]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def worst(findings: Iterable[Mapping[str, Any]]) -> str:
    """Return the verdict of all together; of none at all it is unknown."""
    found = {entry["verdict"] for entry in findings}
    return next((verdict for verdict in VERDICTS if verdict in found), "unknown")


def document(
    collected: Mapping[str, Any],
    findings: Iterable[Finding],
    timeline: Iterable[Mapping[str, Any]],
    facts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the content of findings.json. facts: label of a target -> its facts."""
    ordered = in_order(findings)
    return {
        "schema": SCHEMA,
        **{key: collected[key] for key in ("role", "case_id", "examiner", "reason", "started", "ended")},
        "verdict": worst(ordered),
        "counts": counts(ordered),
        "targets": [_target(target, facts.get(label(target), {})) for target in collected["targets"]],
        "failed_targets": collected["failed_targets"],
        **({"inventory": collected["inventory"]} if collected.get("inventory") else {}),
        "findings": ordered,
        "timeline": sorted(timeline, key=lambda entry: when(entry["time"])),
        "facts": {name: _tables(found) for name, found in facts.items()},
        "left_out": {name: _left_out(found) for name, found in facts.items()},
    }


def _target(target: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("name", "rc", "start", "end", "timed_out", "dest_size", "dest_sha256")
    # what people call it; image is the debugger's
    spec = container_spec(facts["pod"], target["container"]) if "spec" in facts.get("pod", {}) else {}
    return {
        **target,
        "target_image": spec.get("image"),
        "commands": [{key: row.get(key) for key in kept} for row in target["commands"]],
    }


def _tables(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that a report can show: long lists cut, and no objects of the API, logs or listings, which are files of their own."""
    own = ("target", "pod", "node", "log", "previous_log", "last_run", "cut", "stale", "unread", "etc_files")
    return {name: _short(value) for name, value in facts.items() if name not in own}


def _short(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: part[:MAX_ROWS] if isinstance(part, list) else part for key, part in value.items()}
    return value[:MAX_ROWS] if isinstance(value, list) else value


def _left_out(facts: Mapping[str, Any]) -> dict[str, int]:
    """Return by the name of a fact how many of its rows are not here; without those that are here with all of them."""
    lengths = {name: len(rows_of(value)) for name, value in facts.items()}
    return {name: length - MAX_ROWS for name, length in lengths.items() if length > MAX_ROWS}


def rows_of(value: Any) -> list[Any]:
    """Return the rows of a table: a fact that is a list, or the first list in one that is a dictionary."""
    if isinstance(value, Mapping):
        value = next((part for part in value.values() if isinstance(part, list)), [])
    return value if isinstance(value, list) else []


# of one target; the events of a pod that crashes for a week are counted by the API, not repeated
MAX_ENTRIES = 200

Entry = dict[str, Any]


def timeline(facts: Mapping[str, Any], target: Mapping[str, Any]) -> list[Entry]:
    """Return the entries of one target, the oldest first: time (RFC 3339), target, source (event, container, acquisition), text."""
    name = label(target)
    entries = [
        {"time": time, "target": name, "source": source, "text": text}
        for time, source, text in (*_of_events(facts), *_of_container(facts, target), *_of_us(target))
        if time
    ]
    return sorted(entries, key=lambda entry: when(entry["time"]))[-MAX_ENTRIES:]


def _of_events(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for event in facts.get("events", ()):
        times = f" ({event['count']} times)" if event["count"] > 1 else ""
        yield event["time"], "event", f"{event['reason']}: {event['message']}{times}"


def _of_container(facts: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    status = facts.get("pod", {}).get("status") or {}
    for entry in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if entry["name"] != target["container"]:
            continue
        for state in (entry.get("state") or {}, entry.get("lastState") or {}):
            if running := state.get("running"):
                yield running.get("startedAt"), "container", f"{entry['name']} started"
            if ended := state.get("terminated"):
                yield ended.get("startedAt"), "container", f"{entry['name']} started"
                why = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}"
                yield ended.get("finishedAt"), "container", f"{entry['name']} ended: {why}"


def _of_us(target: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not target["reused"]:
        yield target["started_at"], "acquisition", f"Debugger {target['debugger']} started, from {target['image']}"
    for command in target["commands"]:
        how = "timed out" if command["timed_out"] else f"ended with {command['rc']}"
        yield command["start"], "acquisition", f"Collector {command['name']} ran and {how}"
