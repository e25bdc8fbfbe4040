# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event filter of ansible-rulebook: takes Alertmanager's webhook message apart, and lets nothing through that could be run.

What a rulebook hands to a playbook are extra variables, and Ansible runs what looks like a template in them. An alert's text
comes from whoever names pods, or reaches the webhook. So what chooses a pod is proven to be a name; an alert's own name, which can
be any text, is told without what a template is made of; annotations, the other labels and the request's headers stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

DOCUMENTATION = r"""
---
short_description: Events that choose a pod, and nothing else, out of Alertmanager's message
description:
  - >-
    Takes the message that Alertmanager posts to a webhook, and gives one event for each pod that its firing alerts are about, and each
    playbook that they choose; alerts that are about a container's resources give one for each container.
  - >-
    An event has the keys C(namespace), C(pod) and C(container) (empty where the alerts name none, or several), which are names by the
    rules of Kubernetes; C(triage), one of C(pod), C(crashloop), C(disk), C(network), C(process), by the label C(triage) or the alert's name;
    C(alertname), the first alert's name, and C(reason), a sentence with the names of all, both as text in which no template can stand.
  - >-
    The labels C(exported_namespace), C(exported_pod) and C(exported_container) win over those without the prefix, which then name who reports.
  - >-
    Before each of these comes one with the key C(heard), a sentence for the log, since a throttle drops events without a word.
  - >-
    An alert that chooses no pod or no playbook, and a message that is none, gives an event with the key C(refused), a sentence that names
    the alert and says why.
options:
  max_alerts:
    description:
      - >-
        The most events that one message gives. Alerts that no event is given for are refused, each by its name; those about what is looked into
        anyway are not counted.
    type: int
    default: 100
  triage:
    description: Names of alerts of your own, each with the word of the playbook that it chooses.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    host: 0.0.0.0
    port: 5000
  filters:
    - incident.distroless.alerts:
        triage:
          Disk of a pod is full: disk
"""

# RFC 1123, as the API server checks them (k8s.io/apimachinery, util/validation)
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
SHAPES = {"namespace": LABEL, "pod": SUBDOMAIN, "container": LABEL}
WORDS = ("pod", "crashloop", "disk", "network", "process")
# their playbooks look into the pod, which has one case then; the others' into one container
OF_PODS = ("pod", "crashloop")
# of kubernetes-mixin and of Awesome Prometheus alerts
KNOWN = {
    "KubePodCrashLooping": "pod",
    "KubePodNotReady": "pod",
    "KubeContainerWaiting": "pod",
    "KubernetesPodCrashLooping": "pod",
    "KubernetesPodNotHealthy": "pod",
    "KubernetesContainerOomKiller": "pod",
    "CPUThrottlingHigh": "process",
}
MAX_TEXT = 100
MAX_NAMES = 5
# what a template is made of
HARMLESS = str.maketrans("{}", "()")


def main(event: dict[str, Any], max_alerts: int = 100, triage: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """The events of one message; those that were resolved give none."""
    payload = event.get("payload")
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(alerts, list):
        return [{"refused": "This is no message of Alertmanager: it has no list of alerts."}]
    known = {**KNOWN, **(triage or {})}
    firing = [
        _event(alert, known, f"{number} of {len(alerts)}")
        for number, alert in enumerate(alerts, 1)
        if not _is_resolved(alert)
    ]
    events = _together(firing, max_alerts)
    cut = payload.get("truncatedAlerts")
    if isinstance(cut, int) and cut > 0:
        events.append(
            {"refused": f"Alertmanager left {cut} more alerts out of its message; see max_alerts of its webhook."}
        )
    return events


def _is_resolved(alert: object) -> bool:
    return isinstance(alert, dict) and alert.get("status") == "resolved"


def _together(events: Iterable[dict[str, str]], most: int) -> list[dict[str, str]]:
    """Return one event for all those that one look answers, at most so many, and the refused ones as they are."""
    found: dict[tuple[str, ...], list[dict[str, str]]] = {}
    looks = 0
    for number, event in enumerate(events):
        refused = ("refused", str(number))
        if "refused" in event:
            found[refused] = [event]
            continue
        container = "" if event["triage"] in OF_PODS else event["container"]
        look = (event["namespace"], event["pod"], event["triage"], container)
        if look in found:
            found[look].append(event)
        elif looks < most:
            found[look] = [event]
            looks += 1
        else:
            about = f"Alert {event['alertname']} about {event['namespace']}/{event['pod']}"
            found[refused] = [{"refused": f"{about}: one message is answered by {most} looks at most."}]
    return [event for same in found.values() for event in _told(_merged(same))]


def _told(event: dict[str, str]) -> list[dict[str, str]]:
    """Return with an event one for the log: of those that a throttle holds back ansible-rulebook says nothing."""
    if "refused" in event:
        return [event]
    return [{"heard": f"{event['reason']} about {event['namespace']}/{event['pod']}: {event['triage']}."}, event]


def _merged(same: list[dict[str, str]]) -> dict[str, str]:
    first = same[0]
    if "refused" in first:
        return first
    named = dict.fromkeys(
        event["alertname"] + (f" ({event['container']})" if event["container"] else "") for event in same
    )
    names = [*named][:MAX_NAMES] + ([f"{len(named) - MAX_NAMES} more"] if len(named) > MAX_NAMES else [])
    containers = {event["container"] for event in same}
    return {
        **first,
        "container": first["container"] if len(containers) == 1 else "",
        "reason": f"Alert{'s' if len(named) > 1 else ''} {', '.join(names)}",
    }


def _event(alert: object, known: Mapping[str, str], place: str) -> dict[str, str]:
    """Return the event of an alert, or why there is none. place: which of the message's it is, for one that has no name."""
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict) or not labels:
        return {"refused": f"Alert {place} of the message has no labels."}
    name = _text(labels.get("alertname"))
    given, prefix = _chosen(labels)
    missing = [f"{prefix}{key}" for key in ("namespace", "pod") if given[key] is None]
    if missing:
        whose = " Its label pod is that of who reports the alert." if prefix and labels.get("pod") else ""
        return {"refused": f"Alert {name}: {_labels(missing, 'is', 'are')} missing.{whose}"}
    wrong = [
        f"{prefix}{key}"
        for key, value in given.items()
        if value is not None and not (isinstance(value, str) and SHAPES[key].fullmatch(value))
    ]
    if wrong:
        # the value itself is what must not get any further
        return {"refused": f"Alert {name}: {_labels(wrong, 'holds', 'hold')} what is no name."}
    word = labels.get("triage") or known.get(str(labels.get("alertname")))
    if word not in WORDS:
        why = "is missing, and its name is not known" if word is None else f"is none of {', '.join(WORDS)}"
        return {
            "refused": f"Alert {name} about {given['namespace']}/{given['pod']} chooses no playbook: its label triage {why}."
        }
    return {
        "alertname": name,
        "namespace": str(given["namespace"]),
        "pod": str(given["pod"]),
        "container": str(given["container"] or ""),
        "triage": str(word),
    }


def _chosen(labels: Mapping[object, object]) -> tuple[dict[str, object], str]:
    """Return the labels that choose a pod, None for one that is not there, and their prefix.

    Where a scraped metric has a label that its target has too, Prometheus puts exported_ before the metric's own, and the plain one names the
    target, such as kube-state-metrics (kubernetes-mixin#728). No label of one is mixed with those of the other, but for a namespace
    that stands once.
    """
    # an empty label is one that is not there
    there = {key: value for key, value in labels.items() if value not in (None, "")}
    prefix = "exported_" if there.keys() & {"exported_namespace", "exported_pod"} else ""
    given = {key: there.get(f"{prefix}{key}") for key in SHAPES}
    given["namespace"] = given["namespace"] or there.get("namespace")
    given["container"] = there.get("exported_container", given["container"])
    # cAdvisor's name of a pod's sandbox
    if given["container"] == "POD":
        given["container"] = None
    return given, prefix


def _labels(names: list[str], one: str, many: str) -> str:
    return f"the label {names[0]} {one}" if len(names) == 1 else f"the labels {' and '.join(names)} {many}"


def _text(value: object) -> str:
    """Return a rule's name, in whatever form it comes, as one short line in which no template can stand."""
    words = "" if value is None else str(value)
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in words).translate(HARMLESS).split())
    return (line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]}...") or "without a name"
