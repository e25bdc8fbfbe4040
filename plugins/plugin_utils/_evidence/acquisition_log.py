# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a bundle came to be: what was done in which order, what that changed in the target, and how far the clocks were apart.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch, when
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import label
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.processes import counters

Row = dict[str, Any]
Given = Mapping[str, Any]

CLOCK = "clock"
# folders of the case
BEFORE, AFTER, FETCHED = "api_before", "api_after", "fetched_files"


@dataclass(frozen=True, slots=True)
class Acquired:
    """What the tasks left behind, as far as they came.

    collected: collected.json, in which `looked` and `ended` are None until the pods were looked into and all was taken;
    before and after: the records of evidence_api, {} where there is none; fetch: when files were fetched and what came of it,
    {} where none were; files: rows of the fetch's manifests, each with its target's label; clocks: label of a target -> what its
    collector `clock` printed.
    """

    collected: Given
    before: Given = field(default_factory=dict)
    after: Given = field(default_factory=dict)
    fetch: Given = field(default_factory=dict)
    files: Sequence[Given] = ()
    clocks: Mapping[str, bytes] = field(default_factory=dict)


def log_rows(acquired: Acquired) -> Iterator[Row]:
    """Return the rows of the acquisition log, in the order in which it was done. Times are RFC 3339 in UTC, of this host's clock.

    Those of an acquisition that goes on begin with those of before: what is written down once is never told otherwise.
    """
    collected = acquired.collected
    yield {
        "time": collected["started"],
        "action": "open",
        "case_id": collected["case_id"],
        "examiner": collected["examiner"],
        "reason": collected["reason"],
    }
    if acquired.before:
        yield {
            "time": acquired.before["requests"][0]["start"],
            "action": "identify",
            "who": acquired.before["who"],
            "cluster": acquired.before["cluster"],
        }
    yield from _of_record(BEFORE, acquired.before)
    yield from sorted(_of_look(collected), key=lambda row: when(row["time"]))
    for entry in acquired.files:
        yield _of_file(entry, acquired.fetch)
    yield from _of_record(AFTER, acquired.after)


def _of_record(folder: str, record: Given) -> Iterator[Row]:
    for row in record.get("requests", ()):
        yield {
            "time": row["start"],
            "end": row["end"],
            "action": "ask",
            "target": f"{row['namespace']}/{row['pod']}" if row["pod"] else None,
            "command": row["request"],
            "rc": 0 if row["reason"] is None else 1,
            "reason": row["reason"],
            "message": row["message"],
            "path": f"{folder}/{row['path']}" if row["path"] else None,
            "size": row["size"],
            "sha256": row["sha256"],
            "audit_id": row["audit_id"],
            "api_date": row["date"],
            "api_offset": row["offset"],
        }


def _of_look(collected: Given) -> Iterator[Row]:
    titles = {row["name"]: row for row in collected["collectors"]}
    for target in collected["targets"]:
        yield _of_debugger(target, collected["looked"])
        for command in target["commands"]:
            yield _of_command(target, command, titles.get(command["name"], {}))
    for failed in collected["failed_targets"]:
        keys = ("namespace", "pod", "container")
        yield {
            "time": collected["looked"],
            "action": "refused",
            "target": "/".join(str(failed[key]) for key in keys if failed.get(key)),
            "reason": failed["reason"],
            "message": failed["message"],
        }


def _of_debugger(target: Given, looked: str) -> Row:
    """Return the row of a debugger. It was there by the time of its first command; when it started is said by the node's clock."""
    times = [command["start"] for command in target["commands"] if command.get("start")]
    keys = ("pod_uid", "node", "container_id", "image_id", "debugger", "image", "profile", "identity", "isolation")
    return {
        "time": min(times, key=when, default=looked),
        "debugger_started": target["started_at"],
        "action": "reuse" if target["reused"] else "inject",
        "target": label(target),
        **{key: target.get(key) for key in keys},
    }


def _of_command(target: Given, row: Given, collector: Given) -> Row:
    return {
        "time": row["start"],
        "end": row["end"],
        "action": "run",
        "target": label(target),
        "collector": row["name"],
        "command": collector.get("command") or collector.get("argv"),
        "rc": row["rc"],
        "timed_out": row["timed_out"],
        "path": f"{label(target)}/{row['name']}.{collector.get('suffix', 'txt')}" if row["dest_sha256"] else None,
        "size": row["dest_size"],
        "sha256": row["dest_sha256"],
    }


def _of_file(entry: Given, fetch: Given) -> Row:
    keys = ("target", "src", "src_b64", "type", "status", "reason", "size", "sha256")
    return {
        "time": fetch.get("start"),
        "end": fetch.get("end"),
        "action": "fetch",
        **{key: entry.get(key) for key in keys},
        **_path_of_file(entry),
    }


def _path_of_file(entry: Given) -> Row:
    """Return where in the case folder a fetched file lies, {} where none came. A manifest has full paths, and a case can be moved."""
    folder = f"{FETCHED}/{entry['target']}/"
    found: Row = {}
    if entry.get("dest"):
        found["path"] = folder + entry["dest"].partition(f"/{folder}")[2]
    if entry.get("dest_b64"):
        exact = folder.encode() + b64decode(entry["dest_b64"]).partition(f"/{folder}".encode())[2]
        found["path_b64"] = b64encode(exact).decode("ascii")
    return found


def changes(acquired: Acquired) -> list[Row]:
    """Return what the acquisition changed in the targets; each: target (None: any of them), what (a word), message."""
    found: list[Row] = []
    if acquired.collected["ended"] is None:
        message = (
            "The acquisition did not end. What it did after the last line of its log is not known: a debugger may have been "
            "added to the pods, commands may have run in it, and files may have been read."
        )
        found.append({"target": None, "what": "unfinished", "message": message})
    for target in acquired.collected["targets"]:
        name, debugger = label(target), target["debugger"]
        uid = (target.get("identity") or {}).get("uid")
        if target["reused"]:
            message = f"The debugger {debugger} was there already; the pod's spec was not changed."
        else:
            message = (
                f"The ephemeral container {debugger} ({target['image']}) was added to the pod's spec, and with it the "
                "pod's managedFields, resourceVersion and status. The API cannot remove it."
            )
        found.append({"target": name, "what": "pod_spec", "message": message})
        if fields := target.get("mutated_by_admission"):
            message = f"Admission changed fields of the debugger: {', '.join(fields)}."
            found.append({"target": name, "what": "admission", "message": message})
        count = len(target["commands"])
        message = (
            f"{count} commands ran in the debugger, as processes of uid {uid} in the target's PID namespace. They spent the "
            "pod's CPU, memory and pid limits."
        )
        found.append({"target": name, "what": "processes", "message": message})
        own = [entry for entry in acquired.files if entry["target"] == name]
        moved = sum(bool(entry.get("atime_changed_by_us")) for entry in own)
        if own:
            message = f"Reading files moved the access time of {moved} of {len(own)}; the fetch's manifest has those from before."
            found.append({"target": name, "what": "atimes", "message": message})
        folders = "Folders that were listed can have a new access time; executables and mapped files were read as well."
        found.append({"target": name, "what": "reads", "message": folders})
    return found


def clocks(acquired: Acquired) -> dict[str, Any]:
    """Return how far other clocks were ahead of this host's, in seconds, each with its uncertainty: api (or None), and nodes by name."""
    rows = [
        {key: row[key] for key in ("offset", "uncertainty")}
        for record in (acquired.before, acquired.after)
        for row in record.get("requests", ())
        if row["offset"] is not None
    ]
    nodes: dict[str, Row] = {}
    for target in acquired.collected["targets"]:
        command = next((row for row in target["commands"] if row["name"] == CLOCK), None)
        printed = acquired.clocks.get(label(target))
        if command and printed and command["rc"] == 0:
            nodes[target["node"]] = node_clock(printed, command)
    return {"api": _best(rows), "nodes": nodes}


def _best(rows: Iterable[Row]) -> Row | None:
    return min(rows, key=lambda row: float(row["uncertainty"]), default=None)


def node_clock(printed: bytes, command: Given) -> Row:
    """Return a node's clock from the lines `date`, `btime` and `uptime` (seconds) that a command printed, whose row tells when.

    Raises ValueError where they are not understood.
    """
    said = counters(printed)
    values = {name: said.get(name) for name in ("date", "btime", "uptime")}
    if not isinstance(values["date"], int):
        raise ValueError("the clock's date is not understood")
    begun = epoch(command["start"])
    delta = float(command["delta"])
    # both are cut to the second: what they mean is half a second later, give or take as much
    return {
        "offset": round(values["date"] + 0.5 - (begun + 0.5 + delta / 2), 3),
        "uncertainty": round(1.0 + delta / 2, 3),
        "booted": values["btime"],
        "uptime": values["uptime"],
    }


def manifest(acquired: Acquired, versions: Given, sealed: Given) -> Row:
    """Return the content of manifest.json. versions: of what was used; sealed: what is known when it is sealed (log, links, counts)."""
    collected = acquired.collected
    keys = (
        "pod_uid",
        "node",
        "container_id",
        "image_id",
        "restart_count",
        "target_started_at",
        "pid",
        "debugger",
        "image",
    )
    more = ("profile", "identity", "target_identity", "isolation", "reused", "started_at")
    record = acquired.before or acquired.after
    return {
        "schema": 1,
        "is_complete": collected["ended"] is not None,
        **{key: collected[key] for key in ("role", "case_id", "examiner", "reason", "started", "ended")},
        "who": record.get("who"),
        "cluster": record.get("cluster"),
        "versions": {**versions, "kubernetes": (record.get("cluster") or {}).get("version")},
        "clocks": clocks(acquired),
        "targets": [
            {"target": label(target), **{key: target.get(key) for key in (*keys, *more)}}
            for target in collected["targets"]
        ],
        "failed_targets": collected["failed_targets"],
        "changes": changes(acquired),
        **sealed,
    }
