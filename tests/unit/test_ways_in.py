# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX's project, its job templates and the rulebook name playbooks and variables that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Choice, Flag, Many, Number, Text

CHECKOUT = Path(__file__).parents[2]
PLAYBOOKS = CHECKOUT / "playbooks"
PROJECT = CHECKOUT / "extensions" / "awx_project"
# what is run once, from a person's machine
NOT_FOR_JOBS = {"awx_setup"}
TEMPLATES = yaml.safe_load((PLAYBOOKS / "vars" / "awx_job_templates.yml").read_text(encoding="utf-8"))
RULEBOOK = yaml.safe_load((CHECKOUT / "extensions/eda/rulebooks/alertmanager.yml").read_text(encoding="utf-8"))
WRAPPERS = sorted(path.stem for path in PROJECT.glob("*.yml") if path.stem != "execution-environment")


# a playbook without a role whose answer is all in the job's output
WITHOUT_ROLE = {"preflight"}


def options(playbook: str) -> dict[str, Any]:
    """The variables of the role that a playbook is named after."""
    path = CHECKOUT / "roles" / playbook / "meta" / "argument_specs.yml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    return found


def actions() -> list[dict[str, Any]]:
    return [
        action["run_playbook"]
        for rule in RULEBOOK[0]["rules"]
        for action in rule["actions"]
        if "run_playbook" in action
    ]


def test_every_playbook_has_its_wrapper_in_the_project_of_awx() -> None:
    assert {path.stem for path in PLAYBOOKS.glob("*.yml")} - NOT_FOR_JOBS == set(WRAPPERS)


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_does_nothing_but_import_its_playbook(name: str) -> None:
    (play,) = yaml.safe_load((PROJECT / f"{name}.yml").read_text(encoding="utf-8"))
    assert play["ansible.builtin.import_playbook"] == f"incident.distroless.{name}"
    assert set(play) == {"name", "ansible.builtin.import_playbook"}


def test_the_project_asks_for_a_release_that_this_one_is() -> None:
    (wanted,) = yaml.safe_load((PROJECT / "collections" / "requirements.yml").read_text(encoding="utf-8"))[
        "collections"
    ]
    released = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    assert wanted["name"] == f"{released['namespace']}.{released['name']}"
    least = wanted["version"].removeprefix(">=")
    assert [int(part) for part in least.split(".")] <= [int(part) for part in released["version"].split(".")]


def test_every_playbook_of_a_role_is_a_job_template() -> None:
    of_roles = {name for name in WRAPPERS if (CHECKOUT / "roles" / name).is_dir()}
    assert {template["playbook"] for template in TEMPLATES["awx_setup_job_templates"]} == of_roles | WITHOUT_ROLE


# what launches over an inventory of pods are asked
OVER_PODS = {"playbook": "pod_triage", "survey": TEMPLATES["awx_setup_pods_survey"], "extra_vars": {}}


@pytest.mark.parametrize(
    "template", [*TEMPLATES["awx_setup_job_templates"], OVER_PODS], ids=lambda template: template["playbook"]
)
def test_a_survey_asks_for_variables_of_its_role_and_offers_what_the_role_takes(template: dict[str, Any]) -> None:
    owner = catalog()[template["playbook"]]
    known = {owner.variable(option): option for option in owner.options}
    assert set(template["extra_vars"]) <= set(known)
    for question in template["survey"]:
        option = known[question["variable"]]
        # a list is asked for line by line
        is_list = isinstance(option.kind, Many) and question["type"] == "textarea"
        # AWX knows no question whose answer is true or false: it is one of two texts
        is_flag = isinstance(option.kind, Flag)
        # what AWX lets through is what the role takes: the bounds of a number are the option's or within them
        is_number = isinstance(option.kind, Number) and question["type"] == "integer"
        if isinstance(option.kind, Number):
            assert option.kind.low <= question["min"] <= question["max"] <= (option.kind.high or question["max"])
        assert is_list or is_flag or is_number or isinstance(option.kind, (Choice, Text))
        if "default" in question:
            assert question["default"] == (str(option.default).lower() if is_flag else option.default)
        # what is secret there is a secret here
        assert (question["type"] == "password") == option.is_secret
        assert question.get("choices", []) == (
            ["false", "true"] if is_flag else list(getattr(option.kind, "among", []))
        )


@pytest.mark.parametrize("template", TEMPLATES["awx_setup_job_templates"], ids=lambda template: template["playbook"])
def test_a_survey_asks_for_what_people_miss(template: dict[str, Any]) -> None:
    asked = {question["variable"].removeprefix(f"{template['playbook']}_") for question in template["survey"]}
    known = {option.name for option in catalog()[template["playbook"]].options}
    missed = {"image", "label_selectors", "max_pods", "peers", "probes"}
    assert asked & missed == known & missed
    assert "image" in asked
    # what is required refuses a schedule that does not answer it, and an empty default would be sent as an answer
    required = {question["variable"] for question in template["survey"] if question["required"]}
    assert required <= {f"{template['playbook']}_{name}" for name in ("namespace", "namespaces", "pod", "state")}
    assert all(question["min"] > 0 for question in template["survey"] if question["required"] and "min" in question)
    assert [question for question in template["survey"] if question.get("default") == ""] == []


@pytest.mark.parametrize("action", actions(), ids=lambda action: action["name"])
def test_a_rule_starts_a_playbook_with_variables_of_its_role_and_names_only(action: dict[str, Any]) -> None:
    playbook = action["name"].removeprefix("incident.distroless.")
    assert playbook in WRAPPERS
    assert set(action["extra_vars"]) <= set(options(playbook))
    used = {
        word for text in action["extra_vars"].values() for word in text.replace("}", " ").split() if "event" in word
    }
    # keys that the filter gives, each proven to be a name, and a reason in which no template can stand
    assert used <= {"event.reason", "event.namespace", "event.pod", "event.container"}
    assert action["extra_vars"][f"{playbook}_reason"] == "{{ event.reason }}"
    assert action["extra_vars"][f"{playbook}_pod"] == "{{ event.pod | tojson }}"


def test_the_rulebook_lets_nothing_in_but_through_the_filter() -> None:
    for ruleset in RULEBOOK:
        for source in ruleset["sources"]:
            assert source["filters"] == [{"incident.distroless.alerts": None}]
