# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event filter of ansible-rulebook: takes Alertmanager's webhook message apart, and lets nothing through but names of Kubernetes.

What a rulebook hands to a playbook are extra variables, and Ansible runs what looks like a template in them. An alert's text
comes from whoever names pods, or reaches the webhook. So each alert becomes an event of its own with the few labels that choose
a pod, each proven to be a name; annotations, the other labels and the request's headers stay behind.
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

DOCUMENTATION = r"""
---
short_description: Events that choose a pod, and nothing else, out of Alertmanager's message
description:
  - Takes the message that Alertmanager posts to a webhook, and gives one event for each firing alert.
  - >-
    An event has the keys C(alertname), C(namespace), C(pod), C(container) and C(triage), the last two of which are empty where
    the alert has no such label. All of them are names by the rules of Prometheus and Kubernetes. Nothing else of the message is
    in it.
  - An alert without such names, and a message that is none, gives an event with the key C(refused), a sentence that says why.
options:
  max_alerts:
    description: The most alerts that are taken out of one message. The others are refused.
    type: int
    default: 100
"""

EXAMPLES = r"""
- eda.builtin.webhook:
    host: 0.0.0.0
    port: 5000
  filters:
    - incident.distroless.alerts:
"""

# of Prometheus' own alerts and of nearly all others: a metric's name
ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
# RFC 1123, as the API server checks them (k8s.io/apimachinery, util/validation)
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
SHAPES = {"alertname": ALERT, "namespace": LABEL, "pod": SUBDOMAIN, "container": LABEL, "triage": LABEL}
# many alerts are about a pod as a whole; with `triage` an alert of one's own chooses the playbook
OPTIONAL = ("container", "triage")


def main(event: dict[str, Any], max_alerts: int = 100) -> list[dict[str, str]]:
    """The events of one message; those that were resolved give none."""
    payload = event.get("payload")
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(alerts, list):
        return [{"refused": "This is no message of Alertmanager: it has no list of alerts."}]
    events = [_event(alert) for alert in alerts[:max_alerts] if not _is_resolved(alert)]
    if len(alerts) > max_alerts:
        events.append(
            {"refused": f"The message holds {len(alerts)} alerts; those after the first {max_alerts} were left."}
        )
    return events


def _is_resolved(alert: object) -> bool:
    return isinstance(alert, dict) and alert.get("status") == "resolved"


def _event(alert: object) -> dict[str, str]:
    labels = alert.get("labels") if isinstance(alert, dict) else None
    if not isinstance(labels, dict):
        return {"refused": "An alert has no labels."}
    names: dict[str, str] = {}
    for name in SHAPES:
        value = labels.get(name, "" if name in OPTIONAL else None)
        if not _is_name(value, name):
            # the value itself is what must not get any further
            why = "is missing" if value is None else "holds what is no name"
            return {"refused": f"The label {name} of an alert {why}."}
        names[name] = value
    return names


def _is_name(value: object, label: str) -> TypeGuard[str]:
    if value == "" and label in OPTIONAL:
        return True
    return isinstance(value, str) and SHAPES[label].fullmatch(value) is not None
