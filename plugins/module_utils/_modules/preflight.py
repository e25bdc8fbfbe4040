# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight module's task: what is asked of the API server before the night, side by side, and what the answers come to.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible.module_utils.ansible_release import __version__ as ansible_core
from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import PROFILES
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import ensure_requested
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import known_identity
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import NOT_THERE
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import get_list
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import is_ready
from ansible_collections.incident.distroless.plugins.module_utils._modules import debug_pod
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    debugger_spec,
    make_module,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, run_module
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.create import copy_attempts, create
from ansible_collections.incident.distroless.plugins.module_utils._preflight.manifests import Denied, exceptions, role
from ansible_collections.incident.distroless.plugins.module_utils._preflight.permissions import (
    allowed,
    of_permissions,
    of_subject,
    who,
)
from ansible_collections.incident.distroless.plugins.module_utils._preflight.rows import (
    Row,
    attempt,
    inside,
    is_impossible,
    of_dry_run,
    table,
    unasked,
    verdicts,
)
from ansible_collections.incident.distroless.plugins.module_utils._preflight.surroundings import (
    of_host,
    of_image,
    of_server,
)
from ansible_collections.incident.distroless.plugins.module_utils._preflight.uses import (
    USES,
    Access,
    needed_by,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    Target,
    as_target,
    choose_container,
    make_target,
    make_targets,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import get_pod

# so that a result stays one that AWX keeps
_MOST_NAMESPACES = 20
# of a namespace's running pods, how many are looked at for one that a debugger could be added to
_LISTED = 100
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z")

NOTHING: dict[str, Any] = {"checks": [], "uses": [], "table": [], "role": "", "exceptions": [], "subject": None}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be asked about."""

    namespaces: Sequence[str]
    uses: Sequence[str]
    pod: str | None
    image: str
    concurrency: int

    @property
    def injecting(self) -> tuple[str, ...]:
        """Return those uses that are nothing without an ephemeral container."""
        return tuple(use for use in self.uses if USES[use].injects)

    @property
    def copying(self) -> tuple[str, ...]:
        """Return those uses that make a pod."""
        return tuple(use for use in self.uses if USES[use].copies)


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to the API, and the row that its answer becomes."""

    ask: Callable[[], Any]
    row: Callable[[Any], Row]


def argument_spec() -> dict[str, Any]:
    """Return the options of preflight beside authentication."""
    return {
        "namespaces": {"type": "list", "elements": "str"},
        "namespace": {"type": "str"},
        "uses": {"type": "list", "elements": "str", "choices": list(USES), "default": ["look", "fetch"]},
        "pod": {"type": "str"},
        "image": debugger_spec()["image"],
        "concurrency": {"type": "int", "default": 8},
        "timeout": {"type": "int", "default": 60},
    }


def run() -> None:
    """Run the task and end it."""
    run_module(make_module(argument_spec(), selects=False, nothing=NOTHING), work, NOTHING)


def work(module: Any) -> Report:
    """Do what the options ask. Raises Failure for options that are not valid, and where nothing can be asked at all."""
    plan = parse_plan(module.params)
    check_seconds(module.params["timeout"], "timeout")
    cluster = connect(module, Deadline(module.params["timeout"], "timeout"))
    rows = [*of_server(cluster, plan.injecting), *of_host(ansible_core)]
    subject = attempt(partial(who, cluster))
    rows.append(of_subject(subject))
    username = subject if isinstance(subject, str) else None
    answers = allowed(cluster, plan.namespaces, plan.uses, plan.concurrency)
    words: dict[str, list[str]] = {}
    there = run_concurrently(partial(_namespace, cluster), plan.namespaces, plan.concurrency)
    pods = run_concurrently(partial(_find, cluster, plan.pod), plan.namespaces, plan.concurrency)
    for namespace, found, pod in zip(plan.namespaces, there, pods, strict=True):
        rows.append(_of_namespace(plan, namespace, found))
        rows += of_permissions(plan.uses, namespace, answers)
        rows += _of_pod(cluster, plan, namespace, pod, words.setdefault(namespace, []))
    verdict = verdicts(rows, plan.namespaces, plan.uses)
    checks = [row.as_result() for row in rows]
    fields = {
        "checks": checks,
        "uses": verdict,
        "table": table(checks, verdict),
        "role": role(plan.namespaces, _to_grant(plan), username),
        "exceptions": [
            row
            for namespace in (plan.namespaces if plan.injecting else ())
            for row in exceptions(Denied(namespace, username, plan.image, words[namespace]))
        ],
        "subject": username,
    }
    return Report(_summary(verdict), False, [], [], fields)


def _to_grant(plan: Plan) -> list[Access]:
    """Return what the Role allows: what the uses need, and finding pods where none was named, which this task does as well."""
    found = [] if plan.pod else [Access("", "pods", "list")]
    return sorted({*needed_by(plan.uses), *found})


def parse_plan(params: Mapping[str, Any]) -> Plan:
    """Return what to ask about. Raises Failure InvalidRequest."""
    given = params["namespaces"] or ([params["namespace"]] if params.get("namespace") else [])
    namespaces = list(dict.fromkeys(given))
    if not namespaces:
        raise Failure("InvalidRequest", "namespaces is needed.", "Name the namespaces of the pods.")
    if len(namespaces) > _MOST_NAMESPACES:
        words = f"{len(namespaces)} namespaces are more than {_MOST_NAMESPACES}."
        raise Failure("InvalidRequest", words, "Ask about fewer at once.")
    for name in namespaces:
        if not _LABEL.match(name):
            raise Failure("InvalidRequest", f"namespaces: {name[:70]!r} is not a valid name of a namespace.")
    pod = params["pod"] or None
    if pod is not None and not _SUBDOMAIN.match(pod):
        raise Failure("InvalidRequest", f"pod {pod[:260]!r} is not a valid name of a pod.")
    if pod is not None and len(namespaces) > 1:
        words = f"pod is in one namespace, got {len(namespaces)}."
        raise Failure("InvalidRequest", words, "Leave it out: a pod is found in each of them.")
    if params["concurrency"] < 1:
        raise Failure("InvalidRequest", "concurrency must be 1 or more.")
    uses = tuple(use for use in USES if use in (params["uses"] or ()))
    if not uses:
        raise Failure("InvalidRequest", f"uses: expected at least one of {', '.join(USES)}, got none.")
    return Plan(namespaces, uses, pod, params["image"], params["concurrency"])


def _namespace(cluster: Cluster, namespace: str) -> Mapping[str, Any]:
    return cluster.get(api_path("api", "v1", "namespaces", namespace), f"looking for namespace {namespace}")


def _of_namespace(plan: Plan, namespace: str, found: Mapping[str, Any] | Failure) -> Row:
    if not isinstance(found, Failure):
        return Row("namespace", "ok", "it is there", "", namespace)
    if found.reason in NOT_THERE:
        hint = "Make it, or name the one that was meant."
        return Row("namespace", "missing", found.message, hint, namespace, None, tuple(plan.uses))
    return Row("namespace", *unasked(found), namespace)


def _find(cluster: Cluster, name: str | None, namespace: str) -> Mapping[str, Any]:
    """Return the pod of that name, else the first running one that could be looked into, ready ones before others. Raises Failure."""
    if name is not None:
        return get_pod(cluster, namespace, name)
    doing = f"looking for a pod in namespace {namespace}"
    query = [("fieldSelector", "status.phase=Running"), ("limit", str(_LISTED))]
    pods = get_list(cluster, api_path("api", "v1", "namespaces", namespace, "pods"), doing, query)["items"]
    targets, failed = make_targets(sorted(pods, key=lambda pod: not is_ready(pod)), None)
    if targets:
        return targets[0].manifest
    why = f" ({failed[0].failure.message})" if failed else ""
    raise Failure(
        "NoTarget",
        f"{doing}: none runs that could be looked into{why}, or there is no such namespace.",
        "Start a pod there, or name one by pod, and ask again: what admission says is said of a pod.",
    )


def _of_pod(
    cluster: Cluster, plan: Plan, namespace: str, pod: Mapping[str, Any] | Failure, words: list[str]
) -> Iterator[Row]:
    """Give what admission says to each profile, and to a copy, of one pod; and what its node says of the image. words: gets what
    denied the debugger that would be asked for."""
    target = pod if isinstance(pod, Failure) else attempt(partial(make_target, pod, None))
    if isinstance(target, Failure):
        status = of_dry_run(target)
        if plan.pod is not None and target.reason in NOT_THERE:
            status = ("missing", target.message, target.hint)
        yield Row("pod", *status, namespace, None, plan.injecting)
    else:
        yield Row("pod", "ok", f"asked about pod {target.pod}, container {target.container}", "", namespace)
    probes = list(_probes(cluster, plan, namespace, pod, target))
    outcomes = run_concurrently(lambda probe: probe.ask(), probes, plan.concurrency)
    for probe, outcome in zip(probes, outcomes, strict=True):
        row = probe.row(outcome)
        if isinstance(outcome, Failure) and outcome.reason == "AdmissionDenied" and row.needed_by == plan.injecting:
            words.append(outcome.message)
        yield row


def _probes(
    cluster: Cluster, plan: Plan, namespace: str, pod: Mapping[str, Any] | Failure, target: Target | Failure
) -> Iterator[Probe]:
    if isinstance(target, Target):
        default = str(debugger_defaults()["profile"])
        for profile in dict.fromkeys((default, "auto", *PROFILES)) if plan.injecting else ():
            needed = plan.injecting if profile == default else ()
            ask = partial(_inject, cluster, plan, target, profile=profile)
            yield Probe(ask, partial(_of_profile, f"profile {profile}", namespace, needed))
        if plan.injecting:
            ask = partial(_inject, cluster, plan, target, profile="auto", identity="elevated")
            yield Probe(ask, partial(_of_profile, "identity elevated", namespace, ()))
        ask_node = partial(_images, cluster, target.node)
        yield Probe(ask_node, partial(_of_node, plan.image, target.node, namespace))
    if plan.copying:
        outcome = partial(_copy, cluster, plan, pod)
        yield Probe(outcome, partial(_of_profile, "copy", namespace, plan.copying))


def _inject(cluster: Cluster, plan: Plan, target: Target, *, profile: str, identity: str = "auto") -> str:
    """Return in words the debugger that the API would let in, asked by a dry run. Raises Failure."""
    # a name that nothing has: what runs there already is no answer of today's admission
    own = {"image": plan.image, "name": f"preflight-{secrets.token_hex(4)}", "profile": profile, "identity": identity}
    params = {**debugger_defaults(), **own}
    attached = ensure_requested(cluster, target, parse_request(params), parse_wish(params), may_inject=False)
    made = attached.attempt
    user = "the image's own user" if made.run_as_user is None else f"uid {made.run_as_user}"
    user = "root with SYS_PTRACE" if made.identity == "elevated" else user
    changed = ", ".join(attached.debugger.mutated)
    return f"let in, profile {made.profile} as {user}" + (f"; admission changes {changed}" if changed else "")


def _copy(cluster: Cluster, plan: Plan, pod: Mapping[str, Any] | Failure) -> str:
    """Return in words the copy that the API would make, asked by a dry run. Raises Failure."""
    if isinstance(pod, Failure):
        raise pod
    original = as_target(pod, choose_container(pod, None))
    defaults = {name: option.get("default") for name, option in debug_pod.argument_spec().items()}
    params = {**defaults, **debugger_defaults(), "image": plan.image}
    attempts = copy_attempts(parse_wish(params), original, known_identity(original))
    name = f"preflight-{secrets.token_hex(4)}"
    create(cluster, original, debug_pod.parse_copy(params), attempts, name, dry_run=True)
    return f"a copy of pod {original.pod} is let in"


def _of_profile(check: str, namespace: str, needed: tuple[str, ...], outcome: str | Failure) -> Row:
    if isinstance(outcome, Failure):
        return Row(check, *of_dry_run(outcome), namespace, None, needed)
    return Row(check, "ok", outcome, "", namespace, None, needed)


def _images(cluster: Cluster, node: str) -> list[Mapping[str, Any]]:
    found = cluster.get(api_path("api", "v1", "nodes", node), f"looking at node {node}")
    images = inside(found, "status", "images")
    return [row for row in images if isinstance(row, Mapping)] if isinstance(images, list) else []


def _of_node(image: str, node: str, namespace: str, outcome: list[Mapping[str, Any]] | Failure) -> Row:
    status = unasked(outcome) if isinstance(outcome, Failure) else of_image(image, node, outcome)
    return Row("image on the node", *status, namespace)


def _summary(verdict: Sequence[Mapping[str, str]]) -> str:
    """Return one line that says what is possible."""
    possible = sum(row["status"] == "ok" for row in verdict)
    not_possible = sum(is_impossible(row["status"]) for row in verdict)
    unknown = len(verdict) - possible - not_possible
    return f"{len(verdict)} uses asked about: {possible} possible, {not_possible} not possible, {unknown} not known"
