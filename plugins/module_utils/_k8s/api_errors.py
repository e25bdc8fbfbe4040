# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an error answer of the API server means to the user: a reason, a message and what to do next.

Pure: an HTTP status and a Status object in, a Failure out. The forms of the messages are those of Kubernetes itself
(RBAC: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go, Pod Security: pod-security-admission).

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# User "u" cannot patch resource "pods/ephemeralcontainers" in API group "" in the namespace "shop"
_RBAC = re.compile(
    r'cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[^"]*)": (?P<fields>.*)', re.DOTALL)
# webhooks choose their own code and reason, so only the form of the message tells them
_ADMISSION = re.compile(
    r"admission webhook \"[^\"]+\" denied the request|denied request|failed calling webhook|"
    r"security context constraint|admission plugin|validation error:|blocked by policy"
)
# a patch that cannot be decoded is printed whole (apiserver's patch.go), environment values included; what is wrong with
# it stands behind it
_WHOLE_PATCH = re.compile(r'patch: Invalid value: "(?:[^"\\]|\\.)*(?:": |"|\Z)', re.DOTALL)
_QUOTA = re.compile(r"exceeded quota|failed quota")
# an object that is not there is named (`pods "x" not found`, `nodes "y" not found`); what the server has no handler for, or
# what another server answers, is not
_NOT_THERE = re.compile(r'(?P<resource>[a-z0-9.]+)(?:/[a-z]+)? "[^"]*" not found')
_POD_NOT_THERE = re.compile(r"pods?\b[^<\n]{0,300}\bdoes not exist")


class ListExpired(Failure):
    """A list, or a watch, asked about what the API server does not remember any more (410). following: the token with which
    it goes on with a list, empty where it gave none."""

    def __init__(self, message: str, following: str) -> None:
        super().__init__("ApiUnreachable", message, "Try again: it has forgotten the state that was asked for.")
        self.following = following


# the reasons of an object that is not there, a pod or any other
NOT_THERE = ("PodGone", "NoTarget")


def parse_status(body: bytes) -> Mapping[str, Any]:
    """Return a Status object from an answer's body; a body that is none becomes one with the text as its message."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        status = None
    # a Status of success has no message
    if isinstance(status, dict) and isinstance(status.get("message", ""), str):
        return status
    return {"message": body[:500].decode("utf-8", "replace").strip()}


def role_for(verb: str, resource: str, group: str, namespace: str | None) -> str:
    """Return the least Role, in YAML flow form, that grants one verb on one resource."""
    where = f", metadata: {{name: incident-distroless{f', namespace: {namespace}' if namespace else ''}}}"
    kind = "Role" if namespace else "ClusterRole"
    return (
        f"{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}{where}, "
        f'rules: [{{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}}]}}'
    )


def retry_after(http_status: int, header: str | None) -> float | None:
    """Return seconds after which the server wants to be asked again, None where it does not: client-go's rule (rest/with_retry.go).

    It holds for PATCH too: ours says the same when it is sent twice.
    """
    is_busy = http_status == 429 or 500 <= http_status <= 599
    return float(header) if is_busy and header is not None and re.fullmatch(r"[0-9]{1,6}", header) else None


def _not_found(text: str, message: str) -> Failure:
    named = _NOT_THERE.match(text)
    if (named is not None and named["resource"] == "pods") or _POD_NOT_THERE.match(text):
        return Failure("PodGone", message)
    if named is not None:
        hint = "Check its name and its namespace; it may have been deleted meanwhile."
        return Failure("NoTarget", message, hint)
    return Failure("ApiUnsupported", message)


def failure_from_status(http_status: int, status: Mapping[str, Any], doing: str) -> Failure:
    """Return the failure for an error answer; doing says what was asked, such as `adding a debugger to pod shop/api-0`.

    404 for a pod comes back as PodGone, for any other object as NoTarget: what was not found is named by the message.
    """
    text = _WHOLE_PATCH.sub("", str(status.get("message", "")))
    message = f"{doing}: {text}" if text else f"{doing}: HTTP {http_status}"
    rbac = _RBAC.search(text)
    if http_status == 401:
        return Failure("Unauthorized", message)
    if http_status == 403 and rbac:
        verb, resource, group, namespace = rbac.group("verb", "resource", "group", "namespace")
        where = f' in the namespace "{namespace}"' if namespace else ""
        hint = f'Grant the verb {verb} on {resource} (API group "{group}"){where}: {role_for(verb, resource, group, namespace)}'
        return Failure("RbacDenied", message, hint)
    pod_security = _POD_SECURITY.search(text)
    if pod_security:
        level = pod_security.group("level")
        return Failure(
            "PodSecurityDenied",
            message,
            f"The namespace enforces Pod Security {level}; use profile auto (or restricted), which asks for the least that can read this target.",
        )
    if _QUOTA.search(text):
        return Failure("QuotaExceeded", message)
    if _ADMISSION.search(text):
        return Failure("AdmissionDenied", message)
    if http_status == 403:
        # RBAC's own words are matched above; `pods "x" is forbidden: ...` with other words is an admission plugin, the rest a proxy
        return Failure("AdmissionDenied" if re.search(r"is forbidden: \S", text) else "RbacDenied", message)
    if http_status == 404:
        return _not_found(text, message)
    if "metadata.uid" in text and "immutable" in text:
        # the pod of that name is another one by now: the patch carried the uid of the one that was selected
        return Failure("PodGone", message)
    if http_status == 409 or "may not be changed" in text or "may not be removed" in text:
        return Failure("Conflict", message)
    if http_status == 422 or http_status == 400:
        return Failure("InvalidRequest", message)
    if http_status == 405 or http_status == 415:
        return Failure("ApiUnsupported", message)
    return _unanswered(http_status, status, message)


def _unanswered(http_status: int, status: Mapping[str, Any], message: str) -> Failure:
    message = f"{message} (HTTP {http_status})"
    if http_status == 410:
        metadata = status.get("metadata")
        following = metadata.get("continue") if isinstance(metadata, Mapping) else None
        return ListExpired(message, following if isinstance(following, str) else "")
    busy = "The API server has too much to do: lower concurrency, or try again later." if http_status == 429 else None
    return Failure("ApiUnreachable", message, busy)
