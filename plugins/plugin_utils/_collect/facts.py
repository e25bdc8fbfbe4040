# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts of one target: what its collectors printed, parsed, and what the API said of it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch, rfc3339, when
from ansible_collections.incident.distroless.plugins.module_utils._k8s.logs import is_lost
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import container_status, is_sibling
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import TooLarge
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.api_answers import (
    NEVER_ASKED,
    answer,
    is_event_of,
    named,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import file_of
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import (
    DERIVATIONS,
    DERIVED,
    Derivation,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import (
    event_row,
    owners,
    volumes,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import container_life
from ansible_collections.incident.distroless.plugins.plugin_utils._health.diagnosis import diagnose
from ansible_collections.incident.distroless.plugins.plugin_utils._health.evidence import LATE, View
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.file_hashes import compared_files
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.last_words import clean, last_words
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import completeness, printable

# of a log, for the analyzers; the file beside them has all that was read
MAX_LINES = 200
# the default of the setting within_seconds
DEFAULT_WITHIN = 3600
# what evidence_api keeps beside the objects
RECORD = "record.json"
# the files that are compared with a healthy pod's
ETC = "etc_files"
# the fact of a pod that is not there any more
GONE: dict[str, Any] = {"uid": None, "node": None, "phase": None, "is_deleted": True, "is_gone": True, "containers": []}
# facts that are the API's, and old where nobody has heard of the node
OF_THE_KUBELET = ("pod", "container", "health")


@dataclass(slots=True)
class Known:
    """What is known of one target: facts for the analyzers, objects of the API as they came, why something is missing, the names
    of those facts that are not whole, why facts are of another time than they speak of, and what was taken and is too large."""

    facts: dict[str, Any] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    stale: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def label(target: Mapping[str, Any]) -> str:
    """Return how a target is called: namespace/pod/container."""
    return f"{target['namespace']}/{target['pod']}/{target['container']}"


def gather_facts(
    collected: Mapping[str, Any],
    target: Mapping[str, Any],
    read: Callable[[str], bytes],
    within: int = DEFAULT_WITHIN,
) -> Known:
    """Return all that was collected of a target (a row of ephemeral_debug). read gives the bytes of a file in the case folder.

    A collector that failed is no fact; it is in `missing`, with why. within: seconds for which trouble is recent.
    """
    known = Known()
    ran = {row["name"]: row for row in target["commands"]}
    why = _why_not_all_ran(collected["failed_targets"], target)
    for collector in collected["collectors"]:
        name = collector["name"]
        if gone := _why_no_maker(known, collected["collectors"], collector, target):
            known.missing[name] = gone
            continue
        try:
            if collector["api"]:
                _ask(known, collected, target, name)
            else:
                if not collector.get("file"):
                    _check(ran.get(name), collector, why)
                printed = read(file_of(collector, target))
                known.facts[name] = PARSERS[collector["parser"]](printed)
                if _is_cut(collector, printed, known.facts[name]):
                    known.cut.append(name)
        except FileNotFoundError:
            if collector["parser"] == "pod_state" and _is_gone(collector, target, read):
                known.facts[name] = GONE
                continue
            known.missing[name] = f"it could not be had: there is no {file_of(collector, target)}"
        except (ValueError, OSError, LookupError) as error:
            known.missing[name] = printable(str(error))
            if isinstance(error, TooLarge):
                known.unread.append(name)
    if "pod" in known.missing:
        known.missing |= dict.fromkeys(("volumes", "owners", "container"), known.missing["pod"])
    _take_last_run(known)
    known.facts["target"] = {key: value for key, value in target.items() if key != "commands"}
    known.facts["target"]["beside"] = [row["pod"] for row in _beside(collected, target)]
    _take_health(known, collected, target, within)
    _doubt_what_restarted(known, target)
    for name, derivation in DERIVATIONS.items():
        _derive(known, name, derivation)
    _compare_files(known, collected, target, read)
    known.facts["missing"] = known.missing
    known.facts["cut"] = known.cut
    known.facts["stale"] = known.stale
    known.facts["unread"] = known.unread
    return known


def _beside(collected: Mapping[str, Any], target: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the same container of other pods that were looked into as well."""
    place = (target["namespace"], target["container"])
    rows = (
        row for row in collected.get("targets", ()) if (row["namespace"], row["container"]) == place and row["commands"]
    )
    return [row for row in rows if row["pod"] != target["pod"]]


def _compare_files(
    known: Known, collected: Mapping[str, Any], target: Mapping[str, Any], read: Callable[[str], bytes]
) -> None:
    """Add to the comparison with a healthy pod what differs in files of /etc. Nothing is injected into a pod for that: both were to be
    looked into."""
    found = known.facts.get("comparison")
    if not found or not (ETC in known.facts or ETC in known.missing):
        return
    other = next((row for row in _beside(collected, target) if row["pod"] == found["pod"]), None)
    try:
        if other is None:
            raise ValueError(f"{found['pod']} was not to be looked into")
        if ETC in known.missing:
            raise ValueError(f"here {known.missing[ETC]}")
        collector = next(row for row in collected["collectors"] if row["name"] == ETC)
        ran = {row["name"]: row for row in other["commands"]}
        _check(ran.get(ETC), collector, _why_not_all_ran(collected["failed_targets"], other))
        rows, said = compared_files(known.facts[ETC], PARSERS[collector["parser"]](read(file_of(collector, other))))
    except (ValueError, OSError, LookupError, TypeError) as error:
        rows, said = [], f"files of /etc were not compared: {printable(str(error))}"
    known.facts["comparison"] = {**found, "differences": [*found["differences"], *rows], "files": said}


def now_of(collected: Mapping[str, Any]) -> str:
    """Return the moment of the judgement on the API server's clock, whose times are those of objects and events."""
    ours = collected["ended"] or collected["looked"]
    offset = collected.get("clock_offset") or 0
    return rfc3339(epoch(ours) + float(offset)) if offset else str(ours)


def _is_cut(collector: Mapping[str, Any], printed: bytes, value: Any) -> bool:
    """Return whether a collector left out some of what there was."""
    if isinstance(value, Mapping) and "is_complete" in value:
        return not value["is_complete"]
    # of these the content is the pod's, or a program's
    return collector["parser"] not in ("archive", "pcap", "text") and not completeness(printed)["is_complete"]


def _derive(known: Known, name: str, derivation: Derivation) -> None:
    """Add a fact that is read off others, or why it is missing, where all of them were asked for."""
    sources = DERIVED[name]
    if not all(source in known.facts or source in known.missing for source in sources):
        return
    if gone := next((known.missing[source] for source in sources if source in known.missing), None):
        known.missing[name] = gone
        return
    try:
        known.facts[name] = derivation.of(known.facts)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # a collector of the user's own has the name and another parser
        known.missing[name] = f"it cannot be read off {' and '.join(sources)}: {type(error).__name__}"
        return
    if any(source in known.cut for source in derivation.cut_by(known.facts)):
        known.cut.append(name)


def _why_not_all_ran(failed: Iterable[Mapping[str, Any]], target: Mapping[str, Any]) -> str:
    """Return what ended the look into a target, as words that go on after others; "" where nothing did."""
    rows = (row for row in failed if is_about(row, target))
    return next((f": {row['reason']}: {row['message'].rstrip('.')}" for row in rows), "")


def is_about(failed: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Return whether a row of failed_targets is about a target; of a pod that was not even begun with it names no container."""
    names = (failed.get("namespace"), failed.get("pod"), failed.get("container") or target["container"])
    return names == (target["namespace"], target["pod"], target["container"])


def _is_gone(collector: Mapping[str, Any], target: Mapping[str, Any], read: Callable[[str], bytes]) -> bool:
    """Return whether the API said that there is no such pod, by the record that evidence_api keeps of what it asked."""
    folder = str(collector["file"]).partition("/")[0]
    try:
        rows = json.loads(read(f"{folder}/{RECORD}"))["requests"]
        path = f"/api/v1/namespaces/{target['namespace']}/pods/{target['pod']}"
        return any(row["request"] == f"GET {path}" and row["reason"] in ("PodGone", "NoTarget") for row in rows)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _why_no_maker(
    known: Known, collectors: Iterable[Mapping[str, Any]], reader: Mapping[str, Any], target: Mapping[str, Any]
) -> str | None:
    """Return why what a collector would read of another one's file is missing: a part of it, or nothing, is no fact either."""
    if reader["api"] or not reader.get("file"):
        return None
    path = file_of(reader, target)
    makers = (
        row["name"] for row in collectors if not row["api"] and not row.get("file") and file_of(row, target) == path
    )
    return next((known.missing[name] for name in makers if name in known.missing), None)


def _check(row: Mapping[str, Any] | None, collector: Mapping[str, Any], why: str) -> None:
    """Raises ValueError where the collector's command has no output to go by."""
    if row is None:
        raise ValueError(f"the command did not run{why}")
    if row["timed_out"]:
        raise ValueError(f"the command took longer than {collector['timeout']} s")
    if row["rc"] != 0:
        said = row["stderr"].strip().splitlines()
        raise ValueError(f"the command ended with {row['rc']}{': ' + said[-1] if said else ''}")


def _take_last_run(known: Known) -> None:
    """Take what the container printed before it last ended, and in the run before that, which often tells why; of one that never
    ended, what it prints now."""
    if not any(name in known.facts or name in known.missing for name in DERIVED["last_run"]):
        return
    life = known.facts.get("container")
    names = _logs_of_the_end(life)
    logs = [known.facts[name] for name in names if name in known.facts and not is_lost(known.facts[name])]
    if life and life["state"] == "waiting":
        # both are of the run that ended last (pkg/kubelet, validateContainerLogStatus), or the second is of one that began since
        del logs[1:]
    if logs:
        lines = [printable(line) for log in logs for line in log.split("\n") if line.strip()]
        known.facts["last_run"] = lines[-MAX_LINES:]
    elif life and not life["has_ended"] and life["state"] != "running":
        known.facts["last_run"] = []
    else:
        why = known.missing.get(names[-1]) or known.facts.get(names[-1], NEVER_ASKED)
        known.missing["last_run"] = printable(why.strip())


def _said_by(collected: Mapping[str, Any], target: Mapping[str, Any], container: str) -> tuple[str, ...]:
    """Return what a container of the target's pod says now, the last of it; nothing where its log was not read."""
    place = {"namespace": target["namespace"], "pod": target["pod"], "container": container}
    try:
        log = answer(collected["api"], api="log", **place)["text"]
    except ValueError:
        return ()
    return () if is_lost(log) else last_words([clean(line) for line in log.split("\n")]).lines


def _take_health(known: Known, collected: Mapping[str, Any], target: Mapping[str, Any], within: int) -> None:
    """Take what is known of the container's health, of which a pod's object is enough to begin with."""
    if "container" not in known.facts:
        known.missing |= {"health": known.missing["container"]} if "container" in known.missing else {}
        return
    log, why = _log_of_the_end(known)
    words = None if log is None else last_words([clean(line) for line in log.split("\n")])
    life, node = known.facts["container"], known.facts.get("node")
    # a collector of the user's own can have the name and another parser
    memory = known.facts.get("memory_use")
    counted = memory if isinstance(memory, Mapping) and life["state"] == "running" and "limit_met" in memory else None
    # an app keeps no other container waiting
    first = life["waits_for"] or (life["name"] if life["kind"] != "app" else "")
    says = _said_by(collected, target, first) if first else ()
    events, now = known.facts.get("events", ()), now_of(collected)
    view = View(known.facts["pod"], life, events, words, node, now, within, why, counted, says)
    found = diagnose(view)
    known.facts["health"] = found.as_fact()
    if view.late > LATE:
        known.stale["events"] = f"they come {view.late} s late, or the clock of the node is behind"
    if found.stale:
        known.stale |= dict.fromkeys(OF_THE_KUBELET, found.stale)


def _log_of_the_end(known: Known) -> tuple[str | None, str]:
    """Return the log of the run that ended last, or None and why there is none."""
    life = known.facts["container"]
    names = ("previous_log",) if life["state"] == "running" else ("log", "previous_log")
    for name in names:
        if name in known.facts and known.facts[name].strip() and not is_lost(known.facts[name]):
            return known.facts[name], ""
    if life["state"] != "running" and "log" in known.facts and not is_lost(known.facts["log"]):
        # it was read and is empty; what the run before it said is not needed for that, and the kubelet has removed it by then
        return "", ""
    gone = next((known.missing[name] for name in names if name in known.missing), "")
    lost = next((known.facts[name] for name in names if name in known.facts and is_lost(known.facts[name])), "")
    why = printable((gone or lost).strip())
    return (None, why) if why else ("", "")


def _doubt_what_restarted(known: Known, target: Mapping[str, Any]) -> None:
    """Note where the container that was looked into is not the one that the API spoke of."""
    if "pod" not in known.facts or not target["commands"]:
        return
    seen = container_status(known.facts["pod"], target["container"]).get("containerID")
    looked = target.get("container_id")
    if looked and seen != looked:
        known.stale |= dict.fromkeys(OF_THE_KUBELET, "the container was started after the API was asked")


def _logs_of_the_end(life: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the logs that may hold the last words. What a container says that runs again is about a run that did not end."""
    runs_again = life and life["has_ended"] and life["state"] == "running"
    return ("previous_log",) if runs_again else DERIVED["last_run"]


def _ask(known: Known, collected: Mapping[str, Any], target: Mapping[str, Any], name: str) -> None:
    """Takes one API source's answer into what is known. Raises ValueError where there is none."""
    answers = collected["api"]
    if name in ("log", "previous_log"):
        found = answer(
            answers, api=name, namespace=target["namespace"], pod=target["pod"], container=target["container"]
        )
        known.facts[name] = known.objects[name] = found["text"]
    elif name == "node":
        found = answer(answers, api=name, name=target["node"])
        known.facts[name] = known.objects[name] = named(found["objects"], target["node"])
    elif name == "siblings":
        # of several pods of a namespace all were asked for already
        wanted = {"namespace": target["namespace"]}
        all_of_it = {"api": "pod", "name": None, **wanted}
        has_all = any(all(row.get(key) == value for key, value in all_of_it.items()) for row in answers)
        found = answer(answers, **(all_of_it if has_all else {"api": name, **wanted}))
        others = found["objects"]
        if has_all and (own := next((row for row in others if row["metadata"]["name"] == target["pod"]), None)):
            # not a thousand others for each of a thousand targets
            others = [row for row in others if is_sibling(own, row)]
        known.facts[name] = [without_values(entry) for entry in others]
    elif name == "events":
        found = answer(answers, api=name, namespace=target["namespace"])
        about = [event for event in found["objects"] if is_event_of(event, target)]
        known.objects[name] = about
        known.facts[name] = sorted(map(event_row, about), key=lambda event: when(event["time"]))
    else:
        pod = named(answer(answers, api="pod", namespace=target["namespace"])["objects"], target["pod"])
        known.objects["pod"] = known.facts["pod"] = without_values(pod)
        known.facts["volumes"] = volumes(pod, target["container"])
        known.facts["owners"] = owners(pod)
        known.facts["container"] = container_life(pod, target["container"], now_of(collected))
