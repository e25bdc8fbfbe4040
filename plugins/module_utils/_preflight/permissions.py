# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the API who this is and what it would allow, side by side; nothing is tried out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import REVIEWS
from ansible_collections.incident.distroless.plugins.module_utils._preflight.rows import Row, inside, unasked
from ansible_collections.incident.distroless.plugins.module_utils._preflight.uses import (
    USES,
    Access,
    asked_of,
)


def who(cluster: Cluster) -> str:
    """Return who the API takes us for. Raises Failure."""
    doing = "asking who this is (create on selfsubjectreviews)"
    answer = _review(cluster, doing)
    name = inside(answer, "status", "userInfo", "username")
    if not isinstance(name, str) or not name:
        raise Failure("ApiUnsupported", f"{doing}: the answer names nobody.")
    return name


def _review(cluster: Cluster, doing: str) -> Mapping[str, object]:
    """Return the answer in the newest version that the API server knows. Raises Failure."""
    for version in REVIEWS:
        body = {"apiVersion": f"authentication.k8s.io/{version}", "kind": "SelfSubjectReview"}
        try:
            return cluster.post(f"/apis/authentication.k8s.io/{version}/selfsubjectreviews", body, doing)
        except Failure as failure:
            if failure.reason != "ApiUnsupported" or version == REVIEWS[-1]:
                raise
    raise AssertionError("the last version is answered or raised")


def of_subject(subject: str | Failure) -> Row:
    """Return the row of who this is."""
    if isinstance(subject, Failure):
        return Row("subject", *unasked(subject))
    return Row("subject", "ok", subject)


def allowed(
    cluster: Cluster, namespaces: Sequence[str], uses: Sequence[str], concurrency: int
) -> Mapping[tuple[str | None, Access], bool | Failure]:
    """Return what the API says of each access that the uses have to do with, asked side by side: whether it is allowed, or why that could
    not be asked; without a namespace for what is in none."""
    asked = asked_of(uses)
    keys = [(namespace, access) for access in asked if access.is_namespaced for namespace in namespaces]
    everywhere: list[tuple[str | None, Access]] = [(None, access) for access in asked if not access.is_namespaced]
    questions = [*everywhere, *keys]
    return dict(
        zip(
            questions,
            run_concurrently(lambda key: _may(cluster, *key), questions, concurrency),
            strict=True,
        )
    )


def _may(cluster: Cluster, namespace: str | None, access: Access) -> bool:
    """Return whether the API would allow an access. Raises Failure."""
    resource, _slash, subresource = access.resource.partition("/")
    attributes = {
        "group": access.group,
        "resource": resource,
        "subresource": subresource,
        "verb": access.verb,
        "name": access.name,
        "namespace": namespace or "",
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    doing = f"asking whether {access} is allowed (create on selfsubjectaccessreviews)"
    answer = cluster.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, doing)
    verdict = inside(answer, "status", "allowed")
    if not isinstance(verdict, bool):
        raise Failure("ApiUnsupported", f"{doing}: the answer says neither yes nor no.")
    return verdict


def of_permissions(
    uses: Sequence[str], namespace: str, answers: Mapping[tuple[str | None, Access], bool | Failure]
) -> Iterator[Row]:
    """Give for each use what of its verbs is missing, and what it goes on without."""

    def answer(access: Access) -> bool | Failure:
        return answers[namespace if access.is_namespaced else None, access]

    for use in uses:
        needed = USES[use].needed
        yield _of_verbs("permissions", needed, answer, namespace, use)
        for extra in USES[use].extra:
            row = _of_verbs("further permissions", extra.accesses, answer, namespace, use)
            if row.status != "ok":
                yield Row(row.check, row.status, f"{row.message}; {extra.without}", row.next, namespace, use)


def _of_verbs(
    check: str, accesses: Sequence[Access], answer: Callable[[Access], bool | Failure], namespace: str, use: str
) -> Row:
    answers = {access: answer(access) for access in accesses}
    missing = [str(access) for access, found in answers.items() if found is False]
    unknown = [found for found in answers.values() if isinstance(found, Failure)]
    who = (use,) if check == "permissions" else ()
    if missing:
        what = (
            "Apply the Role in `role`, which the playbook prints."
            if who
            else "Grant them besides where that is wanted."
        )
        return Row(check, "missing", f"not allowed: {', '.join(missing)}", what, namespace, use, who)
    if unknown:
        return Row(check, *unasked(unknown[0]), namespace, use, who)
    return Row(check, "ok", f"allowed: {', '.join(map(str, accesses))}", "", namespace, use, who)
