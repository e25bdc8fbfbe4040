# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of one container and its pod when it is judged, and what single parts of that say.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    container_spec,
    container_status,
    container_statuses,
    containers,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import outlived_grace, seconds
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.last_words import (
    LastWords,
    clean,
    last_words,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

Row = Mapping[str, Any]
# ends of which the message is not the app's: it did not begin, or nobody saw how it ended
START_ERRORS = ("StartError", "ContainerCannotRun")
LOST = ("ContainerStatusUnknown", "Unknown")
# events come late, and several in one
LATE = 60
# what was told longer ago says nothing of how late events come now
LATELY = 300
# what is so for a moment is no trouble: a roll-out, a load balancer that has yet to look
A_MOMENT = 30


@dataclass(frozen=True, slots=True)
class View:
    """What is known. life: of container_life; events: the rows of the fact, oldest first; words: None where no log was read, and
    no_words why; node: None where it was not read; now: RFC 3339, of the API server's clock; within: seconds that are recent;
    memory: what the kernel counts of the run that goes on (cgroup_memory), None where nobody looked inside; says: the last words of
    the container that has to come first, or of itself, while it runs."""

    pod: Row
    life: Row
    events: Sequence[Row]
    words: LastWords | None
    node: Row | None
    now: str
    within: int
    no_words: str = ""
    memory: Row | None = None
    says: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.life["name"])

    @property
    def spec(self) -> Row:
        """The container's own part of the pod's spec."""
        return container_spec(self.pod, self.name)

    @property
    def status(self) -> Row:
        """Return what the pod's status has of the container."""
        return container_status(self.pod, self.name)

    @property
    def end(self) -> Row:
        """The container's last end, as the API has it; empty where it has none."""
        rows = ((self.status.get(key) or {}).get("terminated") for key in ("state", "lastState"))
        return next(filter(None, rows), {})

    @property
    def left(self) -> tuple[str, ...]:
        """Return what the container wrote as its termination message, without what it said in its log as well."""
        text = "" if self.end.get("reason") in (*START_ERRORS, *LOST) else str(self.end.get("message") or "")
        said = set(self.words.lines) if self.words else set()
        return tuple(line for line in last_words([clean(line) for line in text.split("\n")]).lines if line not in said)

    def age(self, moment: object) -> int | None:
        """Return the seconds since a moment, None where it is not known."""
        return seconds(str(moment), self.now) if moment else None

    def about(self, *reasons: str) -> list[Row]:
        """Return the events of these reasons that are about the container, or about none in particular."""
        return [row for row in self.events if row["reason"] in reasons and row["container"] in (None, self.name)]

    def of_last_run(self, rows: Sequence[Row]) -> list[Row]:
        """Return those of events that belong to the run that ended, as far as their times say."""
        began = seconds(rows[0]["time"], self.now) if rows else None
        run = self.life["ran_seconds"] or 0
        ended = self.age(self.life["ended_at"])
        if began is None or ended is None:
            return list(rows)
        return [row for row in rows if (self.age(row["time"]) or 0) <= ended + run + LATE]

    @property
    def tells_of_last_run(self) -> bool:
        """Return whether the kubelet told of the last run that it began: then it told of its end as well."""
        return bool(self.of_last_run(self.about("Started")[-1:]))

    @property
    def lacks_events_of_last_run(self) -> bool:
        """Return whether the kubelet told of earlier runs that they began, and not of the last one: its events are bounded."""
        return bool(self.about("Started")) and not self.tells_of_last_run

    @property
    def late(self) -> int:
        """Return by how many seconds the latest events were told late. A kubelet sends them one after the other, and no more than
        eventRecordQPS a second: of a node with much to tell they come minutes late, in their order."""
        told = [(self.age(row["time"]), row["late"]) for row in self.events]
        return max((late for age, late in told if age is not None and age - late <= LATELY), default=0)

    @property
    def runs_after_all(self) -> bool:
        """Return whether an init container that could not be started at first has been running for a while: that healed."""
        run = self.life["running_seconds"]
        return self.life["kind"] == "init" and self.end.get("reason") in START_ERRORS and (run or 0) > LATE

    @property
    def is_asked_later(self) -> bool:
        """Return whether no container that runs and is not ready was asked yet whether it is, for its probe's initialDelaySeconds."""
        began = {
            row["name"]: row["state"]["running"].get("startedAt")
            for row in container_statuses(self.pod)
            if not row.get("ready") and "running" in (row.get("state") or {})
        }
        probes = {name: container_spec(self.pod, name).get("readinessProbe") for name in began}
        return bool(began) and all((self.age(at) or 0) <= _delay(probes[name]) for name, at in began.items())

    def of_deletion(self) -> Iterator[str]:
        """Return sentences of the pod's deletion, where it was deleted."""
        about = self.pod["metadata"]
        if until := about.get("deletionTimestamp"):
            yield f"The pod was deleted, and has until {until}."
        if outlived_grace(self.pod, self.life["exit_code"], self.life["ended_at"]):
            yield "It took no note of SIGTERM, and the kubelet killed it after its grace period."

    def unhealthy_rows(self, kind: str) -> list[Row]:
        """Return the events of failed probes of that kind (Liveness, Readiness, Startup)."""
        return [row for row in self.about("Unhealthy") if row["message"].startswith(kind)]

    def unhealthy(self, kind: str) -> Row | None:
        """Return the last event of a failed probe of that kind, rather with its answer."""
        rows = self.unhealthy_rows(kind)
        answered = [row for row in rows if row["message"].startswith(f"{kind} probe failed")]
        return next(reversed(answered or rows), None)


def condition(thing: Row, kind: str) -> Row:
    """Return the condition of that type of a pod or a node; empty where it has none."""
    rows = (thing.get("status") or {}).get("conditions") or ()
    return next((row for row in rows if row.get("type") == kind), {})


def said_of(row: Row) -> str:
    """Return a condition's reason and message, as far as it has them."""
    return printable(": ".join(str(row[key]) for key in ("reason", "message") if row.get(key)))


def unmet_gates(pod: Row) -> Iterator[tuple[str, Row]]:
    """Return the readiness gates that are not True, each with its condition (empty where nobody set it)."""
    for gate in pod["spec"].get("readinessGates") or ():
        row = condition(pod, gate["conditionType"])
        if row.get("status") != "True":
            yield printable(str(gate["conditionType"])), row


def described(probe: Row) -> str:
    """Return what a probe asks, in a word or two."""
    if "httpGet" in probe:
        asked = probe["httpGet"]
        return f"{asked.get('scheme', 'HTTP')} :{asked.get('port')}{asked.get('path', '/')}"
    if "exec" in probe:
        return " ".join(map(str, probe["exec"].get("command") or ()))
    kind = next((key for key in ("tcpSocket", "grpc") if key in probe), "")
    return f"{'TCP' if kind == 'tcpSocket' else kind} :{(probe.get(kind) or {}).get('port')}"


def told_of(answer: Row, probe: Row) -> str:
    """Return what the kubelet says of a failed probe and how often, and what was asked where its words do not hold that."""
    told = f"{answer['message']} ({answer['count']} times)"
    asked = described(probe)
    # a status code, or what a command printed, tells neither path nor program
    return told if not probe or asked.rpartition(" ")[2] in answer["message"] else f"{told}; it asks for {asked}"


def if_not_asked(answer: Row | None) -> str:
    """Return what to do where a probe did not fail but could not be asked, which the kubelet takes for no answer; else ""."""
    if answer is None or " probe errored" not in answer["message"]:
        return ""
    if any(words in answer["message"] for words in ("executable file not found", "no such file or directory")):
        return (
            "The probe's command is not in the image: one without a shell has neither sh nor curl. Ask by httpGet, tcpSocket or grpc, "
            "or bring a program along that asks."
        )
    return "Check what the message names: the probe itself could not be run."


def patience(probe: Row) -> int:
    """Return the seconds after which a startup probe that goes on failing ends its container."""
    return int(probe.get("initialDelaySeconds") or 0) + int(probe.get("periodSeconds") or 10) * int(
        probe.get("failureThreshold") or 3
    )


def _delay(probe: Row | None) -> int:
    """Return the seconds within which a probe asks for the first time; -1 where it asks at once, or is none."""
    delay = int((probe or {}).get("initialDelaySeconds") or 0)
    return delay + int((probe or {}).get("periodSeconds") or 10) if delay else -1


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The limit in force ("" where there is none), whose it is (container, pod), and what the spec wishes instead."""

    value: str
    whose: str
    wish: str
    pending: str


def memory_limit(pod: Row, name: str) -> MemoryLimit:
    """Return the limit of memory that a container lives under: the kubelet's own word before the spec's, then the pod's."""
    asked, given = container_spec(pod, name), container_status(pod, name)
    wish = _memory(asked)
    own = _memory(given) if "resources" in given else wish
    pending = next((row for kind in ("PodResizePending", "PodResizeInProgress") if (row := condition(pod, kind))), {})
    words = f"{pending['type']} {said_of(pending)}".strip() if pending else ""
    if own:
        return MemoryLimit(own, "container", wish if wish != own else "", words)
    # the kubelet's sum over the containers is in the status too where the pod has no limit of its own
    whole = _memory(pod["spec"]) and (_memory(pod.get("status") or {}) or _memory(pod["spec"]))
    return MemoryLimit(whole, "pod" if whole else "", "", words)


def _memory(thing: Row) -> str:
    return str(((thing.get("resources") or {}).get("limits") or {}).get("memory") or "")


def waiting_for(pod: Row, name: str) -> list[str]:
    """Return the containers that cannot begin before that one: those behind an init container or a sidecar."""
    order = [row["name"] for row in pod["spec"].get("initContainers") or ()]
    if name not in order:
        return []
    apps = [row["name"] for row in containers(pod) if row["name"] not in order]
    return apps + order[order.index(name) + 1 :]
