# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event filter for Alertmanager: names come through, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.extensions.eda.plugins.event_filter.alerts import main
from hypothesis import given
from hypothesis import strategies as st

GOOD = {"alertname": "KubePodCrashLooping", "namespace": "shop", "pod": "api-0.a", "container": "app"}
HOSTILE = [
    "{{ lookup('pipe', 'id') }}",
    "{% for a in b %}{% endfor %}",
    "{#",
    "api-0\n",
    "\napi-0",
    "api-0\r\nb: c",
    "../../etc",
    "a/b",
    "..",
    "-e",
    "--limit=all",
    "api-0'",
    'api-0"',
    "a b",
    "$(id)",
    "`id`",
    "a;id",
    "@/etc/passwd",
    "!unsafe x",
    "\x00",
    "\u0430pi",
    "API",
    "a" * 254,
    "",
    None,
    1,
    True,
    ["api-0"],
    {"a": "b"},
]

# what is a name after all, of that label
FINE = [("alertname", "API"), ("container", ""), ("triage", "")]


def message(*labels: Any, status: str = "firing") -> dict[str, Any]:
    alerts = [{"status": status, "labels": row, "annotations": {"summary": "{{ 7 * 7 }}"}} for row in labels]
    return {
        "payload": {"version": "4", "status": status, "alerts": alerts},
        "meta": {"headers": {"User-Agent": "{{ 7 }}"}},
    }


def test_an_alert_gives_the_names_that_choose_a_pod_and_nothing_else() -> None:
    assert main(message({**GOOD, "severity": "{{ bad }}"})) == [{**GOOD, "triage": ""}]


def test_an_alert_about_a_whole_pod_names_no_container() -> None:
    assert (
        main(message({**GOOD, "container": ""}, {key: GOOD[key] for key in GOOD if key != "container"}))
        == [{**GOOD, "container": "", "triage": ""}] * 2
    )


def test_each_firing_alert_is_an_event_and_a_resolved_one_is_none() -> None:
    events = message(GOOD, {**GOOD, "pod": "api-1", "triage": "disk"})
    events["payload"]["alerts"].append({"status": "resolved", "labels": GOOD})
    assert [(event["pod"], event["triage"]) for event in main(events)] == [("api-0.a", ""), ("api-1", "disk")]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("label", ["alertname", "namespace", "pod", "container", "triage"])
def test_what_is_no_name_is_refused_and_not_repeated(label: str, value: Any) -> None:
    (event,) = main(message({**GOOD, label: value}))
    if (label, value) in FINE:
        assert event[label] == value
    else:
        assert event in [
            {"refused": f"The label {label} of an alert {why}."} for why in ("holds what is no name", "is missing")
        ]


@pytest.mark.parametrize("body", [None, [], "x", 1, {}, {"alerts": None}, {"alerts": {"a": 1}}], ids=repr)
def test_what_is_no_message_of_alertmanager_is_said_to_be_none(body: Any) -> None:
    assert main({"payload": body}) == [{"refused": "This is no message of Alertmanager: it has no list of alerts."}]


@pytest.mark.parametrize("alert", [None, "x", {}, {"labels": None}, {"labels": []}], ids=repr)
def test_an_alert_without_labels_is_refused(alert: Any) -> None:
    assert main({"payload": {"alerts": [alert]}}) == [{"refused": "An alert has no labels."}]


def test_a_message_with_too_many_alerts_is_cut_and_says_so() -> None:
    events = main(message(*[GOOD] * 5), max_alerts=2)
    assert len(events) == 3
    assert events[-1] == {"refused": "The message holds 5 alerts; those after the first 2 were left."}


@given(st.dictionaries(st.sampled_from([*GOOD, "triage"]), st.text() | st.none() | st.integers()))
def test_no_text_gets_through_that_ansible_could_read_as_anything_but_a_name(labels: dict[str, Any]) -> None:
    for event in main(message(labels)):
        values = [value for key, value in event.items() if key != "refused"]
        assert all(
            value.isascii() and value.replace("-", "").replace(".", "").replace("_", "").isalnum()
            for value in values
            if value
        )
