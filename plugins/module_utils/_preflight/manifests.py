# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifests that somebody who may can apply: a Role, and exceptions from policies. Nothing here applies them.

Each is made as data and dumped, so that no name or text of others can become another field or document.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._preflight.uses import Access, as_rules

RBAC = "rbac.authorization.k8s.io"
# where a name is not known: no object can be called so, which makes the API refuse what was not completed
NOBODY, NO_POLICY = "REPLACE-WITH-WHO-INJECTS", "REPLACE-WITH-THE-POLICY"

_NAME = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_SERVICE_ACCOUNT = re.compile(rf"system:serviceaccount:({_NAME}):({_NAME})\Z")
# of the API server (admission/plugin/policy/validating), of Kyverno and of Gatekeeper, as they deny a request
_POLICY = re.compile(rf"ValidatingAdmissionPolicy '({_NAME})' with binding '[^']*' denied request")
_KYVERNO = re.compile(r'admission webhook "[^"]*\.kyverno\.svc[^"]*" denied the request')
_KYVERNO_POLICY = re.compile(rf"^({_NAME}):\s*$", re.MULTILINE)
_GATEKEEPER = re.compile(r'admission webhook "[^"]*\.gatekeeper\.sh" denied the request')
_CONSTRAINT = re.compile(rf"\[({_NAME})\] ")


@dataclass(frozen=True, slots=True)
class Denied:
    """Whom something was denied, where, and the words of who denied it. subject: None where it is not known."""

    namespace: str
    subject: str | None
    image: str
    words: Sequence[str] = ()


def role(namespaces: Sequence[str], needed: Sequence[Access], subject: str | None) -> str:
    """Return a Role in each namespace with exactly what is needed, and where the subject is known its binding, as YAML."""
    name = "incident-distroless-preflight"
    documents: list[dict[str, Any]] = []
    for namespace in namespaces:
        metadata = {"name": name, "namespace": namespace}
        documents.append(
            {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": as_rules(needed)},
        )
        if subject is not None:
            documents.append(
                {
                    "apiVersion": f"{RBAC}/v1",
                    "kind": "RoleBinding",
                    "metadata": metadata,
                    "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
                    "subjects": [_subject(subject)],
                }
            )
    head = "The least Role for what was asked."
    return _text(documents, head if subject else f"{head} Bind it to who injects.")


def exceptions(denied: Denied) -> list[dict[str, Any]]:
    """Return one row for each engine: its manifest for one namespace, subject and image prefix, the policies that it is for, whether one
    of them has denied (`needed`), and whether such a manifest was ever run by the tests of this collection (`run`)."""
    words = "\n".join(denied.words)
    of_policy = _POLICY.findall(words)
    by_kyverno, by_gatekeeper = _KYVERNO.search(words), _GATEKEEPER.search(words)
    of_kyverno = _KYVERNO_POLICY.findall(words) if by_kyverno else []
    of_gatekeeper = _CONSTRAINT.findall(words) if by_gatekeeper else []
    rows = (
        ("ValidatingAdmissionPolicy", of_policy, bool(of_policy), _for_policies, "run"),
        ("Kyverno", of_kyverno, by_kyverno is not None, _for_kyverno, "not run"),
        ("Gatekeeper", of_gatekeeper, by_gatekeeper is not None, _for_gatekeeper, "not run"),
    )
    return [
        {
            "namespace": denied.namespace,
            "engine": engine,
            "policies": list(dict.fromkeys(names)),
            "needed": needed,
            "tested": tested,
            "manifest": make(denied, list(dict.fromkeys(names)) or [NO_POLICY]),
        }
        for engine, names, needed, make, tested in rows
    ]


def image_prefix(image: str) -> str:
    """Return what every tag or digest of an image's repository begins with, and no other repository does."""
    repository, at, _digest = image.partition("@")
    folder, slash, last = repository.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}{'@' if at else ':'}"


def _for_policies(denied: Denied, policies: Sequence[str]) -> str:
    ours = {"name": _condition_name(denied), "expression": _unless(denied)}
    documents = [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": policy},
            "spec": {"matchConditions": [ours]},
        }
        for policy in policies
    ]
    return _text(
        documents,
        "One more condition for a policy that is there; the rest of it stays: kubectl apply --server-side"
        " --field-manager=incident-distroless -f -",
    )


def _condition_name(denied: Denied) -> str:
    who = json.dumps([denied.namespace, denied.subject, image_prefix(denied.image)])
    return f"incident-distroless-{hashlib.sha256(who.encode()).hexdigest()[:8]}"


def _unless(denied: Denied) -> str:
    """Return the CEL expression that is false, so that the policy is passed over, for nothing but this one's debuggers."""
    prefix = _cel(image_prefix(denied.image))
    was_there = (
        "(has(oldObject.spec.ephemeralContainers) && oldObject.spec.ephemeralContainers.exists(o, o.name == c.name))"
    )
    return (
        '!(request.resource.group == "" && request.resource.resource == "pods"'
        ' && has(request.subResource) && request.subResource == "ephemeralcontainers"'
        f" && request.namespace == {_cel(denied.namespace)}"
        f" && request.userInfo.username == {_cel(denied.subject or NOBODY)}"
        " && has(object.spec.ephemeralContainers)"
        f" && object.spec.ephemeralContainers.all(c, c.image.startsWith({prefix}) || {was_there}))"
    )


def _cel(text: str) -> str:
    """Return a CEL string literal: the escapes of JSON are CEL's too, but for pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)


def _for_kyverno(denied: Denied, policies: Sequence[str]) -> str:
    match = {
        "resources": {
            "kinds": ["Pod/ephemeralcontainers"],
            "namespaces": [denied.namespace],
            "operations": ["UPDATE"],
        },
        "subjects": [_subject(denied.subject or NOBODY)],
    }
    images = {
        "key": "{{ request.object.spec.ephemeralContainers[].image }}",
        "operator": "AllIn",
        "value": [f"{image_prefix(denied.image)}*"],
    }
    manifest = {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": _condition_name(denied), "namespace": denied.namespace},
        "spec": {
            "background": False,
            "exceptions": [{"policyName": policy, "ruleNames": ["*"]} for policy in policies],
            "match": {"any": [match]},
            "conditions": {"all": [images]},
        },
    }
    return _text(
        [manifest], "Not run. Kyverno reads exceptions only where its own settings allow them, and in which namespaces."
    )


def _for_gatekeeper(denied: Denied, constraints: Sequence[str]) -> str:
    documents: list[dict[str, Any]] = []
    for constraint in constraints:
        about = {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "REPLACE-WITH-ITS-KIND"}
        spec = {"match": {"excludedNamespaces": [denied.namespace]}}
        documents.append({**about, "metadata": {"name": constraint}, "spec": spec})
        spec = {
            "match": {"namespaces": [denied.namespace]},
            "parameters": {"exemptImages": [f"{image_prefix(denied.image)}*"]},
        }
        documents.append({**about, "metadata": {"name": f"{constraint}-debuggers"}, "spec": spec})
    return _text(
        documents,
        "Not run. Gatekeeper's match knows neither who asks nor a subresource: add the first to the constraint, which leaves the namespace",
        "out, and complete the second, a copy of the constraint for that namespace alone, where its template has exemptImages.",
    )


def _subject(username: str) -> dict[str, str]:
    account = _SERVICE_ACCOUNT.match(username)
    if account is not None:
        return {"kind": "ServiceAccount", "namespace": account[1], "name": account[2]}
    return {"apiGroup": RBAC, "kind": "User", "name": username}


def _text(documents: Sequence[Mapping[str, Any]], *about: str) -> str:
    import yaml

    written = yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, default_flow_style=None, width=10_000)
    return "".join(f"# {line}\n" for line in about) + written
