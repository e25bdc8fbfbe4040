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
CRASH = {**GOOD, "triage": "pod", "reason": "Alert KubePodCrashLooping (app)"}
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

# what is a name after all, or no label at all, of that label
FINE = [("container", ""), ("container", None)]


def message(*labels: Any, status: str = "firing") -> dict[str, Any]:
    alerts = [{"status": status, "labels": row, "annotations": {"summary": "{{ 7 * 7 }}"}} for row in labels]
    return {
        "payload": {"version": "4", "status": status, "alerts": alerts},
        "meta": {"headers": {"User-Agent": "{{ 7 }}"}},
    }


def asked(given: dict[str, Any], **options: Any) -> list[dict[str, str]]:
    """The events but for those of the log."""
    return [event for event in main(given, **options) if "heard" not in event]


def test_what_a_throttle_may_drop_is_told_for_the_log() -> None:
    heard = "Alert KubePodCrashLooping (app) about shop/api-0.a: pod."
    assert main(message(GOOD, GOOD)) == [{"heard": heard}, CRASH]
    assert "heard" not in main(message({**GOOD, "pod": ""}))[0]


def test_an_alert_gives_the_names_that_choose_a_pod_and_nothing_else() -> None:
    assert asked(message({**GOOD, "severity": "{{ bad }}"})) == [CRASH]


def test_an_alert_about_a_whole_pod_names_no_container() -> None:
    for labels in (
        {**GOOD, "container": ""},
        {**GOOD, "container": "POD"},
        {key: GOOD[key] for key in GOOD if key != "container"},
    ):
        assert asked(message(labels)) == [{**CRASH, "container": "", "reason": "Alert KubePodCrashLooping"}]


def test_a_resolved_alert_gives_no_event() -> None:
    events = message(GOOD, {**GOOD, "pod": "api-1", "triage": "disk"})
    events["payload"]["alerts"].append({"status": "resolved", "labels": {**GOOD, "pod": "api-2"}})
    assert [(event["pod"], event["triage"]) for event in asked(events)] == [("api-0.a", "pod"), ("api-1", "disk")]


def test_all_alerts_about_a_pods_crash_are_one_event_that_names_them_all() -> None:
    second = {**GOOD, "alertname": "KubePodNotReady", "container": "sidecar"}
    (event,) = asked(message(GOOD, second, GOOD))
    assert event == {
        **CRASH,
        "container": "",
        "reason": "Alerts KubePodCrashLooping (app), KubePodNotReady (sidecar)",
    }
    (event,) = asked(message(*[{**GOOD, "alertname": f"Crash {n}", "triage": "crashloop"} for n in range(7)]))
    assert event["reason"].endswith("Crash 4 (app), 2 more")


def test_an_alert_about_what_another_container_uses_is_an_event_of_its_own() -> None:
    throttled = {**GOOD, "alertname": "CPUThrottlingHigh"}
    events = asked(
        message(throttled, {**throttled, "container": "sidecar"}, {**throttled, "alertname": "A", "triage": "process"})
    )
    assert [(event["container"], event["triage"], event["reason"]) for event in events] == [
        ("app", "process", "Alerts CPUThrottlingHigh (app), A (app)"),
        ("sidecar", "process", "Alert CPUThrottlingHigh (sidecar)"),
    ]


def test_alerts_about_other_pods_and_for_other_playbooks_stay_apart() -> None:
    labels = [GOOD, {**GOOD, "namespace": "other"}, {**GOOD, "pod": "api-1"}]
    labels += [{**GOOD, "triage": word} for word in ("crashloop", "disk")]
    assert len(asked(message(*labels))) == 5


SCRAPED = {**GOOD, "namespace": "monitoring", "pod": "kube-state-metrics-0", "container": "kube-state-metrics"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            {"exported_namespace": "shop", "exported_pod": "api-0", "exported_container": "app"},
            ("shop", "api-0", "app"),
        ),
        # who reports has a container, the pod that is meant is named as a whole
        ({"exported_namespace": "shop", "exported_pod": "api-0"}, ("shop", "api-0", "")),
        ({"exported_pod": "api-0"}, ("monitoring", "api-0", "")),
        ({"exported_container": "app"}, ("monitoring", "kube-state-metrics-0", "app")),
        # an empty one is none
        ({"exported_namespace": "", "exported_pod": ""}, ("monitoring", "kube-state-metrics-0", "kube-state-metrics")),
    ],
)
def test_labels_that_were_exported_win(labels: dict[str, str], expected: tuple[str, str, str]) -> None:
    (event,) = asked(message({**SCRAPED, **labels}))
    assert (event["namespace"], event["pod"], event["container"]) == expected


def test_an_alert_about_a_namespace_is_none_about_the_pod_that_reports_it() -> None:
    assert asked(message({**SCRAPED, "exported_namespace": "shop"})) == [
        {
            "refused": "Alert KubePodCrashLooping: the label exported_pod is missing. "
            "Its label pod is that of who reports the alert."
        }
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Disk of a pod is full", "Disk of a pod is full"),
        ("CPU > 90 % (\u043f\u0440\u043e\u0434)", "CPU > 90 % (\u043f\u0440\u043e\u0434)"),
        ("DatasourceError: [no] 'data'", "DatasourceError: [no] 'data'"),
        ("", "without a name"),
        ("\n\t", "without a name"),
        (None, "without a name"),
        (4711, "4711"),
        (0, "0"),
        ("two\nlines\r\n", "two lines"),
        ("{{ lookup('pipe', 'id') }}", "(( lookup('pipe', 'id') ))"),
        ("{% set x %}{# y #}", "(% set x %)(# y #)"),
        ("\x1b[2Jx\u202ey\ud800z", "[2Jx y z"),
        ("a" * 101, "a" * 100 + "..."),
    ],
)
def test_a_rules_name_in_any_form_is_text(name: Any, text: str) -> None:
    (event,) = asked(message({**GOOD, "alertname": name, "triage": "disk"}))
    assert (event["alertname"], event["reason"]) == (text, f"Alert {text} (app)")
    assert asked(message({"alertname": name})) == [
        {"refused": f"Alert {text}: the labels namespace and pod are missing."}
    ]


def test_the_name_of_an_alert_of_ones_own_chooses_its_playbook() -> None:
    labels = {**GOOD, "alertname": "Disk of a pod is full"}
    (event,) = asked(message(labels), triage={"Disk of a pod is full": "disk"})
    assert event["triage"] == "disk"
    assert asked(message(labels)) == [
        {
            "refused": "Alert Disk of a pod is full about shop/api-0.a chooses no playbook: "
            "its label triage is missing, and its name is not known."
        }
    ]
    # the label is worth more
    assert (
        asked(message({**labels, "triage": "network"}), triage={labels["alertname"]: "disk"})[0]["triage"] == "network"
    )


@pytest.mark.parametrize("value", [value for value in HOSTILE if value not in ("", None)], ids=repr)
def test_a_word_that_no_playbook_has_is_refused_and_not_repeated(value: Any) -> None:
    (event,) = asked(message({**GOOD, "triage": value}))
    assert event == {
        "refused": "Alert KubePodCrashLooping about shop/api-0.a chooses no playbook: "
        "its label triage is none of pod, crashloop, disk, network, process."
    }


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("label", ["namespace", "pod", "container"])
def test_what_is_no_name_is_refused_and_not_repeated(label: str, value: Any) -> None:
    (event,) = asked(message({**GOOD, label: value}))
    if (label, value) in FINE:
        assert event[label] == ""
    elif value in ("", None):
        assert event == {"refused": f"Alert KubePodCrashLooping: the label {label} is missing."}
    else:
        assert event == {"refused": f"Alert KubePodCrashLooping: the label {label} holds what is no name."}


@pytest.mark.parametrize("body", [None, [], "x", 1, {}, {"alerts": None}, {"alerts": {"a": 1}}], ids=repr)
def test_what_is_no_message_of_alertmanager_is_said_to_be_none(body: Any) -> None:
    assert asked({"payload": body}) == [{"refused": "This is no message of Alertmanager: it has no list of alerts."}]


@pytest.mark.parametrize("alert", [None, "x", {}, {"labels": None}, {"labels": []}, {"labels": {}}], ids=repr)
def test_an_alert_without_labels_is_refused_by_its_place(alert: Any) -> None:
    good = message(GOOD)["payload"]["alerts"]
    assert asked({"payload": {"alerts": [*good, alert]}}) == [
        CRASH,
        {"refused": "Alert 2 of 2 of the message has no labels."},
    ]


def test_what_one_message_would_look_into_is_bounded_and_each_alert_that_is_left_is_named() -> None:
    # three are about what is looked into anyway
    labels = [{**GOOD, "alertname": f"Crash {n}", "triage": "pod", "pod": f"api-{n % 5}"} for n in range(8)]
    events = asked(message(*labels, {"alertname": "Odd"}), max_alerts=2)
    assert [(event.get("pod"), event.get("reason")) for event in events[:2]] == [
        ("api-0", "Alerts Crash 0 (app), Crash 5 (app)"),
        ("api-1", "Alerts Crash 1 (app), Crash 6 (app)"),
    ]
    assert [event["refused"] for event in events[2:]] == [
        *(f"Alert Crash {n} about shop/api-{n % 5}: one message is answered by 2 looks at most." for n in (2, 3, 4, 7)),
        "Alert Odd: the labels namespace and pod are missing.",
    ]


def test_three_hundred_alerts_about_one_pod_are_one_event() -> None:
    (event,) = asked(message(*({**GOOD, "alertname": f"Crash {n}", "triage": "pod"} for n in range(300))))
    assert event["reason"].endswith("Crash 4 (app), 295 more")


@pytest.mark.parametrize(("cut", "is_said"), [(3, True), (0, False), (None, False), ("3", False)])
def test_what_alertmanager_left_out_is_said(cut: Any, is_said: bool) -> None:
    given = message(GOOD)
    given["payload"]["truncatedAlerts"] = cut
    said = "Alertmanager left 3 more alerts out of its message; see max_alerts of its webhook."
    assert asked(given)[1:] == ([{"refused": said}] if is_said else [])


LABELS = [*GOOD, "triage", "exported_pod", "exported_namespace", "exported_container"]
VALUES = st.text() | st.none() | st.integers() | st.sampled_from(["shop", "disk", "{{ x }}", "{%"])


@given(st.dictionaries(st.sampled_from(LABELS), VALUES))
def test_no_text_gets_through_that_ansible_could_read_as_a_template(labels: dict[str, Any]) -> None:
    for event in main(message({**GOOD, **labels})):
        texts = [event.pop(key) for key in ("alertname", "reason", "refused", "heard") if key in event]
        assert all(text.isprintable() and not {"{", "}"} & set(text) for text in texts)
        assert event == {} or texts[1].startswith("Alert")
        assert all(
            value.isascii() and value.replace("-", "").replace(".", "").isalnum() for value in event.values() if value
        )
