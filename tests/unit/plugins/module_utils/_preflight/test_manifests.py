# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests that are to be applied are what they say, whatever names and messages came in."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.module_utils._preflight.manifests import (
    NO_POLICY,
    NOBODY,
    Denied,
    exceptions,
    image_prefix,
    role,
)
from ansible_collections.incident.distroless.plugins.module_utils._preflight.uses import needed_by
from ansible_collections.incident.distroless.tests.unit.support.schemas import differences, undescribed

HOSTILE = 'eve"\n---\nkind: ClusterRoleBinding\n# ${{ 7 * 7 }}" || true) || ("\u202e'
BY_POLICY = "adding a debugger to pod shop/api-0: pods \"api-0\" is forbidden: ValidatingAdmissionPolicy 'no.debuggers' with binding 'b' denied request: no"
BY_KYVERNO = """adding a debugger to pod shop/api-0: admission webhook "validate.kyverno.svc-fail" denied the request:

resource Pod/shop/api-0 was blocked due to the following policies

disallow-capabilities:
  adding-capabilities: 'validation error: rule adding-capabilities failed'
restrict-images:
  validate-registries: 'validation error: unknown registry'
"""
BY_GATEKEEPER = (
    'adding a debugger to pod shop/api-0: admission webhook "validation.gatekeeper.sh" denied the request: '
    "[psp-caps] container <debugger> has a disallowed capability"
)

TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}


def described(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def each(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": described(**properties)}


# the fields of what is printed, as the CRDs have them: PolicyException of kyverno.io/v2 in Kyverno 1.19, the match of Gatekeeper 3.24 and the
# parameters of those templates of its library that have exemptImages
POLICY_EXCEPTION = described(
    background={"type": "boolean"},
    exceptions=each(required=("policyName", "ruleNames"), policyName=TEXT, ruleNames=TEXTS),
    match=described(
        any=each(
            resources=described(
                kinds=TEXTS,
                namespaces=TEXTS,
                operations={"type": "array", "items": {"enum": ["CREATE", "CONNECT", "UPDATE", "DELETE"]}},
            ),
            subjects=each(required=("kind", "name"), apiGroup=TEXT, kind=TEXT, name=TEXT, namespace=TEXT),
        )
    ),
    conditions=described(all=each(key={}, operator={"enum": ["Equals", "NotEquals", "AnyIn", "AllIn"]}, value={})),
    required=("exceptions", "match"),
)
CONSTRAINT = described(
    match=described(namespaces=TEXTS, excludedNamespaces=TEXTS), parameters=described(exemptImages=TEXTS)
)


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def rows(*words: str, subject: str | None = "oncall") -> dict[str, dict[str, Any]]:
    return {row["engine"]: row for row in exceptions(Denied("shop", subject, "busybox:1.37", words))}


@pytest.mark.parametrize(
    ("image", "prefix"),
    [
        ("busybox", "busybox:"),
        ("busybox:1.37", "busybox:"),
        ("registry.example:5000/tools/busybox", "registry.example:5000/tools/busybox:"),
        ("registry.example:5000/tools/busybox:1", "registry.example:5000/tools/busybox:"),
        ("registry.example/busybox@sha256:0f", "registry.example/busybox@"),
        ("registry.example/busybox:1@sha256:0f", "registry.example/busybox@"),
    ],
)
def test_a_prefix_is_of_one_repository_and_of_none_whose_name_begins_alike(image: str, prefix: str) -> None:
    assert image_prefix(image) == prefix


@pytest.mark.parametrize(
    ("words", "engine", "policies"),
    [
        (BY_POLICY, "ValidatingAdmissionPolicy", ["no.debuggers"]),
        (BY_KYVERNO, "Kyverno", ["disallow-capabilities", "restrict-images"]),
        (BY_GATEKEEPER, "Gatekeeper", ["psp-caps"]),
    ],
    ids=["policy", "kyverno", "gatekeeper"],
)
def test_who_denied_is_read_from_its_words_and_only_that_one(words: str, engine: str, policies: list[str]) -> None:
    found = rows(words)
    assert [name for name, row in found.items() if row["needed"]] == [engine]
    assert found[engine]["policies"] == policies
    for name in policies:
        assert name in found[engine]["manifest"]


@pytest.mark.parametrize("name", ["a'b", "A", "x" * 300, "../x", "a\nb"])
def test_a_policys_name_that_is_none_is_left_to_the_reader(name: str) -> None:
    words = f"ValidatingAdmissionPolicy '{name}' with binding 'b' denied request: no"
    (document,) = documents(rows(words)["ValidatingAdmissionPolicy"]["manifest"])
    assert document["metadata"]["name"] == NO_POLICY


def test_each_is_for_one_namespace_subject_and_repository() -> None:
    found = rows(BY_POLICY, BY_KYVERNO, BY_GATEKEEPER, subject="system:serviceaccount:oncall:ansible")
    (policy,) = documents(found["ValidatingAdmissionPolicy"]["manifest"])
    assert set(policy["spec"]) == {"matchConditions"}
    (condition,) = policy["spec"]["matchConditions"]
    for part in ('"shop"', '"system:serviceaccount:oncall:ansible"', '"ephemeralcontainers"', '"busybox:"'):
        assert part in condition["expression"]
    (kyverno,) = documents(found["Kyverno"]["manifest"])
    (match,) = kyverno["spec"]["match"]["any"]
    assert match["subjects"] == [{"kind": "ServiceAccount", "namespace": "oncall", "name": "ansible"}]
    assert match["resources"]["namespaces"] == ["shop"]
    assert match["resources"]["kinds"] == ["Pod/ephemeralcontainers"]
    left_out, kept = documents(found["Gatekeeper"]["manifest"])
    assert left_out["spec"]["match"] == {"excludedNamespaces": ["shop"]}
    assert kept["spec"] == {"match": {"namespaces": ["shop"]}, "parameters": {"exemptImages": ["busybox:*"]}}
    assert [row["tested"] for row in found.values()] == ["run", "not run", "not run"]


@pytest.mark.parametrize("subject", ["system:serviceaccount:oncall:ansible", "alice", None])
def test_what_was_not_run_is_of_the_form_of_its_crd(subject: str | None) -> None:
    found = rows(BY_KYVERNO, BY_GATEKEEPER, subject=subject)
    for engine, wanted in (("Kyverno", POLICY_EXCEPTION), ("Gatekeeper", CONSTRAINT)):
        for document in documents(found[engine]["manifest"]):
            assert [*differences(document["spec"], wanted), *undescribed(document["spec"], wanted)] == []


@pytest.mark.parametrize("subject", [HOSTILE, None])
def test_no_text_of_others_becomes_a_field_or_a_document(subject: str | None) -> None:
    found = rows(subject=subject)
    (policy,) = documents(found["ValidatingAdmissionPolicy"]["manifest"])
    (condition,) = policy["spec"]["matchConditions"]
    literal = json.dumps(subject or NOBODY, ensure_ascii=False)
    assert f"request.userInfo.username == {literal} && has(" in condition["expression"]
    # outside of the literal nothing of it is left
    assert "||" not in condition["expression"].replace(literal, "").replace("|| (has(oldObject", "")
    (kyverno,) = documents(found["Kyverno"]["manifest"])
    assert kyverno["spec"]["match"]["any"][0]["subjects"][0]["name"] == (subject or NOBODY)
    granted = documents(role(["shop"], needed_by(["look"]), subject))
    assert [entry["kind"] for entry in granted] == (["Role", "RoleBinding"] if subject else ["Role"])
    if subject:
        assert granted[1]["subjects"] == [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": subject},
        ]


def test_a_role_stands_in_each_namespace_and_is_bound_to_the_account_that_asks() -> None:
    found = documents(role(["shop", "billing"], needed_by(["look"]), "system:serviceaccount:oncall:ansible"))
    assert [(entry["kind"], entry["metadata"]["namespace"]) for entry in found] == [
        ("Role", "shop"),
        ("RoleBinding", "shop"),
        ("Role", "billing"),
        ("RoleBinding", "billing"),
    ]
    assert found[1]["subjects"] == [{"kind": "ServiceAccount", "namespace": "oncall", "name": "ansible"}]
