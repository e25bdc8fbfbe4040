# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every option of every role, with every form in which a value may come; and that the roles' own files say the same of them."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import (
    Option,
    Owner,
    Taken,
    catalog,
    roles,
    take,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Flag, Many, Number, Object, Text

CHECKOUT = Path(__file__).parents[5]
COMPUTED = {"cases": "/here/cases", "examiner": "an examiner"}
# what YAML, a command line and AWX make of answers
FORMS: list[Any] = [
    *("", None, "  ", "5", 5, 45000, 1.5, True, False, "true", "api-0", "a,b", "one\ntwo", "[]", "{}", '["a"]'),
    *(
        '{"names": ["xmrig"]}',
        "names: xmrig",
        dt.date(2026, 11, 29),
        [],
        ["a"],
        [1],
        [None],
        {},
        {"a": 1},
        "{{ 7 * 7 }}",
    ),
]
OPTIONS = [
    pytest.param(owner, option, id=owner.variable(option)) for owner in catalog().values() for option in owner.options
]


def needed(owner: Owner) -> dict[str, str]:
    return {owner.variable(option): "needed" for option in owner.options if option.is_required}


def taken(name: str, **given: Any) -> Taken:
    owner = catalog()[name]
    return take(owner, {**needed(owner), **{f"{name}_{option}": value for option, value in given.items()}}, COMPUTED)


def outcome(owner: Owner, option: Option, value: object) -> tuple[Any, Failure | None]:
    try:
        return take(owner, {**needed(owner), owner.variable(option): value}, COMPUTED).options[option.name], None
    except Failure as failure:
        return None, failure


@pytest.mark.parametrize(("owner", "option"), OPTIONS)
def test_each_value_is_converted_or_refused_by_the_options_name(owner: Owner, option: Option) -> None:
    for value in FORMS:
        found, refusal = outcome(owner, option, value)
        if refusal:
            assert refusal.reason == "InvalidRequest"
            assert refusal.message.startswith(owner.variable(option)), value
            continue
        assert not isinstance(found, bool) or isinstance(option.kind, Flag)
        json.dumps(found)
        if isinstance(option.kind, Many):
            assert isinstance(found, list)
        elif isinstance(option.kind, (Number, Flag)):
            assert found.__class__ is (int if isinstance(option.kind, Number) else bool)
        elif isinstance(option.kind, Text):
            assert found.__class__ is str
        elif isinstance(option.kind, Object):
            assert isinstance(found, dict)


@pytest.mark.parametrize(("owner", "option"), [row for row in OPTIONS if not row.values[1].is_required])  # type: ignore[union-attr]
def test_an_empty_text_and_null_are_as_if_nothing_was_given(owner: Owner, option: Option) -> None:
    default = take(owner, needed(owner), COMPUTED)
    assert default.notes == []
    assert default.options[option.name] == (COMPUTED[option.computed] if option.computed else option.default)
    for value in ("", None):
        assert take(owner, {**needed(owner), owner.variable(option): value}, COMPUTED) == default


def test_what_is_needed_is_named() -> None:
    with pytest.raises(Failure, match=r"^quarantine_namespace is needed\. quarantine_pod is needed\.$"):
        take(catalog()["quarantine"], {"quarantine_pod": None}, COMPUTED)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Failure) as failure:
        taken("disk_triage", max_pods="ten", fail_on="always")
    assert failure.value.message == (
        'disk_triage_max_pods: expected a whole number of 1 or more, got the text "ten".'
        ' disk_triage_fail_on: expected one of never, fail, warn, got the text "always".'
    )


def test_settings_are_what_a_shell_can_take() -> None:
    settings = taken("network_triage", names="orders,users", tls_ports=8443, timeout="5").settings
    assert settings["names"] == "orders users"
    assert settings["tls_ports"] == "8443"
    assert settings["timeout"] == 5
    assert taken("crashloop_triage").settings["copy_init_containers"] == 1


def test_a_secret_is_in_no_message() -> None:
    with pytest.raises(Failure) as failure:
        taken("evidence_bundle", deliver_headers="hunter2", redact_salt=["hunter2"])
    assert "hunter2" not in str(failure.value)
    assert "evidence_bundle_deliver_headers" in str(failure.value)


def test_an_old_name_and_a_new_one_are_the_same_option() -> None:
    owner = catalog()["fetch_files"]
    old = {"in_namespace": "shop", "pod": "api-0", "src": '["/a", "/b"]'}
    options = take(owner, {**old, "fetch_files_src": None}, COMPUTED).options
    assert (options["namespace"], options["pod"], options["src"], options["dest"]) == (
        "shop",
        "api-0",
        ["/a", "/b"],
        "evidence",
    )
    with pytest.raises(Failure, match="fetch_files_pod and pod are the same option"):
        take(owner, {**old, "fetch_files_pod": "api-1"}, COMPUTED)


@pytest.mark.parametrize("role", [owner.name for owner in catalog().values() if owner.name != "preflight"])
def test_an_image_is_that_of_the_debugger_and_goes_before_the_one_in_its_options(role: str) -> None:
    names = {option.name for option in catalog()[role].options}
    if "debug" not in names:
        assert "image" not in names or role == "awx_setup"
        return
    given = {"image": "mine:1", "ttl": 60} if role != "crashloop_triage" else {"image": "mine:1", "name": "mine"}
    kept = {key: value for key, value in given.items() if key != "image"}
    assert taken(role, image=" busybox:1 ", debug=given).options["debug"] == {**kept, "image": "busybox:1"}
    assert taken(role, image="", debug=given).options["debug"] == given
    assert taken(role, image="busybox:1").options["debug"] == {"image": "busybox:1"}
    assert taken(role).options["debug"] == {}


@pytest.mark.parametrize("owner", roles(), ids=lambda owner: owner.name)
def test_the_roles_spec_lets_every_value_through_to_where_it_is_refused_by_name(owner: Owner) -> None:
    path = CHECKOUT / "roles" / owner.name / "meta" / "argument_specs.yml"
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    for variable in spec:
        for value in FORMS:
            errors = ArgumentSpecValidator(spec).validate({variable: value}).error_messages
            # what ansible-core masks cannot be a date to it; it says so itself
            is_masked_date = spec[variable].get("no_log") and isinstance(value, dt.date)
            assert errors == [] or (is_masked_date and f'"{variable}"' in errors[0]), (variable, value)


@pytest.mark.parametrize("owner", roles(), ids=lambda owner: owner.name)
def test_the_roles_tasks_use_no_option_but_as_it_was_taken_in(owner: Owner) -> None:
    folder = CHECKOUT / "roles" / owner.name
    text = "".join(
        path.read_text(encoding="utf-8") for part in ("tasks", "vars") for path in (folder / part).glob("*.yml")
    )
    raw = [owner.variable(option) for option in owner.options]
    # how often they are taken in is asked before they are: whatever it comes to, each host's answer is the same
    text = re.sub(r"\n +run_once:[^\n]*", "", text)
    expressions = " ".join(re.findall(r"\{\{.*?\}\}|(?:when|that|until):[^\n]*(?:\n +- [^\n]*)*", text, re.DOTALL))
    without_words = re.sub(r"'[^'\n]*'", "''", expressions)
    assert [name for name in raw if re.search(rf"\b{name}\b", without_words)] == []
    # a mapping's own methods come before its keys
    assert re.findall(rf"\b{owner.name}_given\.options\.({'|'.join(dir(dict))})\b", text) == []


@pytest.mark.parametrize(
    "owner", [owner for owner in roles() if owner.name != "quarantine"], ids=lambda owner: owner.name
)
def test_what_the_engine_knows_under_the_same_name_is_handed_on(owner: Owner) -> None:
    text = (CHECKOUT / "roles" / owner.name / "tasks" / "main.yml").read_text(encoding="utf-8")
    # what is a key of another option is handed on with that
    engines = catalog()["process_triage"].options
    common = [option.name for option in engines if not (option.is_setting or option.within)]
    # as a default of all modules, which has a test of its own
    common.remove("requests_per_second")
    shared = [option.name for option in owner.options if option.name in common]
    assert len(shared) > 15
    for name in shared:
        (value,) = re.findall(rf"^    triage_{name}: (.*(?:\n      .*)*)", text, re.MULTILINE)
        assert f"{owner.name}_given.options.{name}" in value


def test_a_role_has_the_options_of_another_with_their_one_text_and_its_own_name() -> None:
    own, other = ({option.name: option for option in catalog()[name].options} for name in ("pod_triage", "disk_triage"))
    assert own["growth_seconds"] == other["growth_seconds"]
    assert own["within_seconds"].is_setting
    # a capture takes its time alone, and a copy of a pod is another pod
    assert not {"capture_seconds", "copy"} & own.keys()
    assert "pod_triage_pod" in str(own["pod"].about)
