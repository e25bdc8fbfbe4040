# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    Request,
    base_name,
    build,
    differences,
    is_numbered,
    lifetime,
    numbered,
    variables,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import MARK, is_ours
from ansible_collections.incident.distroless.plugins.module_utils._k8s.strategic_merge import strategic_merge

PLAIN = Attempt("baseline", "image")


def request(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "image": "busybox:1.37",
        "image_pull_policy": None,
        "ttl": 3600,
        "env": {},
        "custom": {},
        "patch": (),
        "name": None,
        "words": ("auto",),
    }
    return Request(**{**fields, **changes})


def built(attempt: Attempt = PLAIN, **changes: Any) -> dict[str, Any]:
    return build(request(**changes), attempt, "debugger-1", "app")


def test_the_target_container_is_never_left_out() -> None:
    assert built()["targetContainerName"] == "app"


@pytest.mark.parametrize(
    ("profile", "context"),
    [
        ("general", {"capabilities": {"add": ["SYS_PTRACE"]}}),
        ("baseline", None),
        (
            "restricted",
            {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        ),
        ("netadmin", {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}),
        ("sysadmin", {"privileged": True}),
    ],
)
def test_profiles_have_kubectls_fields(profile: str, context: dict[str, Any] | None) -> None:
    assert built(Attempt(profile, "image")).get("securityContext") == context


def test_elevated_is_root_that_may_read_everything_and_nothing_else() -> None:
    assert built(Attempt("general", "elevated"))["securityContext"] == {
        "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_PTRACE"]},
        "runAsGroup": 0,
        "runAsNonRoot": False,
        "runAsUser": 0,
    }


def test_order_is_profile_identity_custom_patch() -> None:
    container = built(
        Attempt("restricted", "match", 5, 6),
        custom={"securityContext": {"runAsUser": 7}},
        patch=[{"op": "replace", "path": "/securityContext/runAsGroup", "value": 8}],
    )
    assert (container["securityContext"]["runAsUser"], container["securityContext"]["runAsGroup"]) == (7, 8)


def test_root_takes_back_the_word_of_its_pod_where_the_profile_does_not_give_it_again() -> None:
    root = {"identity": "match", "run_as_user": 0, "run_as_group": 0, "is_root_allowed": True}
    assert built(Attempt("baseline", **root))["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "runAsNonRoot": False,
    }
    assert built(Attempt("restricted", **root))["securityContext"]["runAsNonRoot"] is True


def test_custom_lists_are_merged_by_their_keys() -> None:
    container = built(env={"A": "1"}, custom={"env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]})
    assert {entry["name"]: entry["value"] for entry in container["env"] if entry["name"] != MARK} == {
        "A": "2",
        "B": "3",
    }


def test_a_null_deletes_in_a_strategic_merge() -> None:
    assert strategic_merge({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}) == {"a": {"c": 2}}


@pytest.mark.parametrize(
    "field", ["name", "image", "command", "lifecycle", "resources", "ports", "livenessProbe", "targetContainerName"]
)
def test_fields_that_custom_may_not_set_are_refused_by_name(field: str) -> None:
    with pytest.raises(Failure, match=field) as caught:
        built(custom={field: {}})
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/nowhere/at/all", "value": 1},
        {"op": "jump", "path": "/env", "value": 1},
        {"op": "add", "path": "/resources", "value": {}},
        {"op": "remove", "path": "/targetContainerName"},
    ],
)
def test_a_patch_that_cannot_be_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(Failure) as caught:
        built(patch=[operation])
    assert caught.value.reason == "InvalidRequest"


def test_the_name_is_the_requests_and_not_its_ttls() -> None:
    assert base_name(request(ttl=60), "app") == base_name(request(ttl=7200), "app")
    assert base_name(request(), "app") != base_name(request(image="other"), "app")
    assert base_name(request(), "app") != base_name(request(), "proxy")


def test_a_name_that_is_no_dns_label_is_refused() -> None:
    with pytest.raises(Failure, match="DNS label"):
        base_name(request(name="Not_One"), "app")


def test_numbered_names_stay_dns_labels() -> None:
    assert numbered("debugger-1", 1) == "debugger-1"
    assert len(numbered("d" * 63, 12)) == 63


def test_a_debugger_of_ours_is_told_by_its_mark_and_its_ttl_by_its_command() -> None:
    assert is_ours(built(name="mine"))
    assert lifetime(built(ttl=60)) == 60
    assert not is_ours({"name": "debugger-1", "command": ["sleep", "60"]})
    assert lifetime({"command": ["sh"]}) is None


def test_what_the_api_server_fills_in_is_no_difference() -> None:
    filled = {
        **built(ttl=60),
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    assert differences(built(ttl=3600), filled) == []


def test_a_changed_field_is_a_difference_by_name() -> None:
    wanted = built(Attempt("restricted", "match", 5, 5))
    found = {**wanted, "securityContext": {**wanted["securityContext"], "runAsUser": 6}, "stdin": True}
    assert differences(wanted, found) == ["securityContext.runAsUser", "stdin"]


# what k8s.io/apimachinery's StrategicMergePatch makes of the same base and change
BASE_ENV = [{"name": "M", "value": "0"}, {"name": "A", "value": "1"}, {"name": "Z", "value": "2"}]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ([{"name": "B"}], "B M A Z"),
        ([{"name": "B"}, {"name": "A"}], "B M A Z"),
        ([{"name": "A"}, {"name": "B"}], "M A B Z"),
        ([{"name": "Z"}, {"name": "M"}], "A Z M"),
        ([{"name": "A", "$patch": "delete"}, {"name": "B"}], "B M Z"),
        ([{"$patch": "replace"}, {"name": "B"}], "B"),
        ([{"$patch": "replace"}], ""),
    ],
)
def test_a_merged_list_has_the_order_that_the_api_server_gives_it(change: list[dict[str, Any]], names: str) -> None:
    merged = strategic_merge({"env": BASE_ENV}, {"env": change})["env"]
    assert " ".join(entry["name"] for entry in merged) == names
    assert all("$patch" not in entry for entry in merged)


@pytest.mark.parametrize(
    ("change", "context"),
    [
        ({"$patch": "replace", "runAsUser": 7}, {"runAsUser": 7}),
        ({"$patch": "delete"}, {}),
        ({"capabilities": {"$patch": "replace", "add": ["SYS_TIME"]}}, {"capabilities": {"add": ["SYS_TIME"]}}),
        ({"capabilities": {"add": ["SYS_TIME"]}}, {"capabilities": {"add": ["SYS_TIME"], "drop": ["ALL"]}}),
        ({"capabilities": None}, {}),
    ],
)
def test_maps_are_merged_replaced_or_emptied(change: dict[str, Any], context: dict[str, Any]) -> None:
    base = {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}}
    assert strategic_merge(base, {"securityContext": change})["securityContext"] == context
    assert base == {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]}}}


def test_deleting_what_is_not_there_leaves_nothing_behind() -> None:
    assert built(custom={"securityContext": {"$patch": "delete"}}) == built()
    assert built(custom={"volumeMounts": [{"mountPath": "/x", "$patch": "delete"}]})["volumeMounts"] == []


def test_replacing_what_is_not_there_sets_the_fields() -> None:
    assert strategic_merge({}, {"securityContext": {"$patch": "replace", "runAsUser": 7}}) == {
        "securityContext": {"runAsUser": 7}
    }


def test_mounts_are_merged_by_their_path_and_env_from_is_replaced() -> None:
    mount = {"name": "data", "mountPath": "/data"}
    container = built(custom={"volumeMounts": [mount], "envFrom": [{"secretRef": {"name": "s"}}]})
    assert (container["volumeMounts"], container["envFrom"]) == ([mount], [{"secretRef": {"name": "s"}}])
    merged = strategic_merge(container, {"volumeMounts": [{"mountPath": "/data", "readOnly": True}], "envFrom": []})
    assert (merged["volumeMounts"], merged["envFrom"]) == ([{**mount, "readOnly": True}], [])


@pytest.mark.parametrize(
    ("custom", "named"),
    [
        ({"$patch": "replace"}, r"\$patch"),
        ({"$retainKeys": ["env"]}, r"\$retainKeys"),
        ({"$setElementOrder/env": [{"name": "A"}]}, r"\$setElementOrder/env"),
        ({"securityContext": {"$deleteFromPrimitiveList/x": []}}, r"\$deleteFromPrimitiveList/x"),
        ({"securityContext": {"$patch": "merge"}}, r"custom\.securityContext has the directive \$patch"),
        ({"envFrom": [{"$patch": "replace"}]}, r"custom\.envFrom\[0\] has the directive \$patch"),
        ({"env": [{"$patch": "delete"}]}, r"custom\.env "),
        ({"env": {"A": "1"}}, r"custom\.env "),
    ],
)
def test_directives_that_would_surprise_are_refused_by_name(custom: dict[str, Any], named: str) -> None:
    with pytest.raises(Failure, match=named) as caught:
        built(custom=custom)
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize(
    "changes",
    [
        {"env": {"INCIDENT_DISTROLESS": "x"}},
        {"custom": {"env": None}},
        {"custom": {"env": [{"$patch": "replace"}]}},
        {"custom": {"env": [{"name": "INCIDENT_DISTROLESS", "value": "x"}]}},
        {"env": {"INCIDENT_DISTROLESS": "x"}, "custom": {"env": [{"name": "INCIDENT_DISTROLESS", "$patch": "delete"}]}},
        {"patch": [{"op": "remove", "path": "/env"}]},
        {"patch": [{"op": "replace", "path": "/env/0/value", "value": "x"}]},
    ],
)
def test_the_mark_cannot_be_taken_away_or_given_another_value(changes: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="INCIDENT_DISTROLESS"):
        built(**changes)


@pytest.mark.parametrize("field", ["restartPolicy", "restartPolicyRules", "resizePolicy", "startupProbe"])
def test_what_the_api_forbids_is_refused_by_name_wherever_it_comes_from(field: str) -> None:
    for changes in ({"custom": {field: "x"}}, {"patch": [{"op": "add", "path": f"/{field}", "value": "x"}]}):
        with pytest.raises(Failure, match=field):
            built(**changes)


@pytest.mark.parametrize("field", ["subPath", "subPathExpr"])
def test_a_mount_below_a_volumes_root_is_refused_by_name(field: str) -> None:
    mount = {"name": "data", "mountPath": "/data", field: "x"}
    for changes in (
        {"custom": {"volumeMounts": [mount]}},
        {"patch": [{"op": "add", "path": "/volumeMounts", "value": [mount]}]},
    ):
        with pytest.raises(Failure, match=field):
            built(**changes)


def test_no_message_holds_a_value_of_custom_or_patch() -> None:
    secret = "hunter2-correct-horse"
    for changes in (
        {"custom": {"env": [{"value": secret}]}},
        {"custom": {"env": [{"name": "INCIDENT_DISTROLESS", "value": secret}]}},
        {"custom": {"command": [secret]}},
        {"custom": {"securityContext": {"$patch": secret}}},
        {"custom": {"volumeMounts": [{"name": "x", "mountPath": "/x", "subPath": secret}]}},
        {"patch": [{"op": "test", "path": "/env/0/value", "value": secret}]},
        {"patch": [{"op": "replace", "path": "/env/7", "value": secret}]},
        {"patch": [{"op": "replace", "path": "/env", "value": secret}]},
    ):
        with pytest.raises(Failure) as caught:
            built(**changes)
        assert secret not in f"{caught.value.message} {caught.value.hint}"


def test_an_empty_environment_variable_is_sent_as_the_api_answers_it() -> None:
    assert built(env={"EMPTY": "", "ONE": "1"})["env"][1:] == [{"name": "EMPTY"}, {"name": "ONE", "value": "1"}]


def test_environment_variables_keep_their_order() -> None:
    names = ["Z", "M", "A", "B"]
    assert [entry["name"] for entry in built(env=dict.fromkeys(names, "x"))["env"]][1:] == names


@pytest.mark.parametrize(
    ("name", "expected"), [("d", False), ("d-2", True), ("d-1", False), ("d-02", False), ("d-x", False), ("e-2", False)]
)
def test_a_numbered_name_is_told_from_others(name: str, expected: bool) -> None:
    assert is_numbered("d", name) is expected


def test_a_long_name_is_known_by_its_cut_beginning() -> None:
    assert is_numbered("a" * 63, numbered("a" * 63, 12))


ODD: list[dict[str, Any]] = [
    {"patch": [{"op": "replace", "path": "/env", "value": 5}, {"op": "add", "path": "/volumeMounts", "value": 5}]},
    {"custom": {"securityContext": "root"}},
    {"custom": {"securityContext": [1]}},
    {"custom": {"env": [{"name": ["A"], "value": "1"}]}},
    {"custom": {"env": [{"name": None}]}},
    {"custom": {"volumeMounts": ["/data"]}},
    {"patch": [{"op": "add", "path": 5, "value": 1}]},
    {"patch": [{"op": "replace", "path": "", "value": ["a"]}]},
    {"patch": [{"op": "replace", "path": "/env", "value": "all"}]},
    {"patch": [{"op": "replace", "path": "/env", "value": ["all"]}]},
    {"patch": [{"op": "replace", "path": "/image", "value": 7}]},
    {"patch": ["add"]},
    {"patch": [{"op": "sing", "path": "/env"}]},
    {"patch": [{}]},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_custom_and_patch_of_odd_forms_are_refused_in_words(odd: dict[str, Any]) -> None:
    with pytest.raises(Failure) as caught:
        built(**odd)
    assert caught.value.reason == "InvalidRequest"


def test_a_patch_that_does_not_apply_is_named_with_its_operation_and_never_with_its_value() -> None:
    patch = [{"op": "add", "path": "/tty", "value": True}, {"op": "replace", "path": "/nope/x", "value": "hunter2"}]
    with pytest.raises(Failure, match=r"patch\[1\] \(replace /nope/x\)") as caught:
        built(patch=patch)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_variables_are_written_as_yaml_writes_them_and_nothing_is_not_a_word() -> None:
    assert variables({"A": "x", "B": True, "C": 7, 1: 0.5}, "env") == {"A": "x", "B": "true", "C": "7", "1": "0.5"}
    for nothing in (None, ["a"], {"a": 1}):
        with pytest.raises(Failure, match=r"env\.A is") as caught:
            variables({"A": nothing}, "env")
        assert caught.value.reason == "InvalidRequest"
