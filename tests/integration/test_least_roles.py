# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The least Role for each use is enough, and each of its verbs is needed and named when it is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._modules import debug_pod as _copy_task
from ansible_collections.incident.distroless.plugins.module_utils._modules import ephemeral_debug as _debug_task
from ansible_collections.incident.distroless.plugins.module_utils._modules import proc_fs_fetch as _fetch_task
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    selection_spec,
)
from kubernetes.client import ApiClient, Configuration

from .conftest import CHECKOUT, Credentials, Kubectl, pod_manifest
from .inside import connected, request, target_of
from .patience import PATIENCE

Rules = list[dict[str, Any]]
DOCUMENTS = (CHECKOUT / "playbooks" / "files" / "roles-by-use.yml").read_text(encoding="utf-8")
ROLES: dict[str, Rules] = {
    role["metadata"]["name"].removeprefix("incident-distroless-"): role["rules"]
    for role in yaml.safe_load(DOCUMENTS)["items"]
}
KINDS = ("deployment", "statefulset", "daemonset", "replicaset", "job", "cronjob")


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532, the only pod of a deployment."""
    labels = {"app": "api"}
    pod = pod_manifest("api", "incident.test/app:nonroot")
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod["spec"]},
    }
    kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec})
    kubectl.run("rollout", "status", "deployment/api", f"--timeout={PATIENCE}s")
    (only,) = kubectl.json("get", "pods", "-l", "app=api")["items"]
    name: str = only["metadata"]["name"]
    return name


@pytest.fixture
def cluster_as(credentials: Credentials) -> Callable[[Rules], Cluster]:
    """The API server as one meets it who may do exactly what the rules say."""

    def connect(rules: Rules) -> Cluster:
        oncall = credentials(rules)
        settings = Configuration(host=oncall["host"], api_key={"authorization": f"Bearer {oncall['api_key']}"})
        settings.ssl_ca_cert = oncall["ca_cert"]
        return Cluster(ApiClient(settings), Deadline(240))

    return connect


def failure_of(task: ModuleType, cluster: Cluster, *, check: bool = False, **options: Any) -> Failure | None:
    """What a task fails with, None when it does not: the whole of a module, but for Ansible and its authentication."""
    spec = {**selection_spec(), **task.argument_spec()}
    params = {**{name: option.get("default") for name, option in spec.items()}, **options}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(task, "connect", lambda *_words: cluster)
        try:
            failure: Failure | None = task.work(SimpleNamespace(params=params, check_mode=check, _diff=False)).failure
        except Failure as met:
            return met
        return failure


def debugger(kubectl: Kubectl, pod: str, name: str) -> str:
    """A debugger that someone else has started."""
    attached = ensure(connected(), target_of(kubectl, pod), request(name), IdentityRequest())
    assert attached.session
    attached.session.close()
    return name


def act(use: str, kubectl: Kubectl, pod: str, cluster: Cluster, name: str, folder: Path) -> Failure | None:
    """One task of a use, by a debugger of this name where it needs or makes one."""
    where = {"namespace": kubectl.namespace, "pod": pod}
    debug = {**debugger_defaults(), "name": name}
    files = {"src": ["/data/app.log"], "dest": str(folder), **where}
    if use == "ask":
        return failure_of(_debug_task, cluster, check=True, **debug, **where)
    if use == "debug":
        return failure_of(_debug_task, cluster, commands=["true"], **debug, **where)
    if use == "use":
        debugger(kubectl, pod, name)
        return failure_of(_fetch_task, cluster, **files)
    if use == "end":
        debugger(kubectl, pod, name)
        return failure_of(_debug_task, cluster, state="absent", **debug, **where)
    if use in ("copy", "end-copy"):
        options = {**debugger_defaults(), "wait_timeout": 60, "copy_to": name, **where}
        if use == "copy":
            return failure_of(_copy_task, cluster, **options)
        assert failure_of(_copy_task, connected(), **options) is None
        return failure_of(_copy_task, cluster, state="absent", **options)
    selection = {"label_selectors": ["app=api"]} if use == "select" else {"workload": "deployment/api"}
    return failure_of(_debug_task, cluster, check=True, **debug, namespace=kubectl.namespace, **selection)


def needed_beside(use: str) -> Rules:
    """What a way of selecting is used with."""
    return ROLES["ask"] if use in ("select", "workload") else []


@pytest.mark.parametrize("use", ROLES)
def test_the_least_role_is_enough(
    kubectl: Kubectl, app: str, cluster_as: Callable[[Rules], Cluster], tmp_path: Path, use: str
) -> None:
    cluster = cluster_as([*ROLES[use], *needed_beside(use)])
    failure = act(use, kubectl, app, cluster, f"enough-{use}", tmp_path)
    assert failure is None, failure.message


def test_it_is_enough_as_well_for_a_fetch_that_injects_and_for_wait_false(
    kubectl: Kubectl, app: str, cluster_as: Callable[[Rules], Cluster], tmp_path: Path
) -> None:
    where = {"namespace": kubectl.namespace, "pod": app}
    debug = {**debugger_defaults(), "name": "fetcher"}
    files = {"src": ["/data/app.log"], "dest": str(tmp_path), "debug": debug}
    assert failure_of(_fetch_task, cluster_as(ROLES["debug"]), **files, **where) is None
    asked = {**debugger_defaults(), "name": "asked"}
    assert failure_of(_debug_task, cluster_as(ROLES["ask"]), wait=False, **asked, **where) is None


def without(rules: Rules, resource: str, verb: str) -> Rules:
    kept = [
        {**rule, "verbs": [it for it in rule["verbs"] if resource not in rule["resources"] or it != verb]}
        for rule in rules
    ]
    return [rule for rule in kept if rule["verbs"]]


def verbs(rules: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]]


WITHOUT = [
    (use, resource, verb)
    for use, rules in ROLES.items()
    for resource, verb in verbs(rules)
    # the kinds have a test of their own
    if (use, verb) != ("workload", "get")
]


@pytest.mark.parametrize(("use", "resource", "verb"), WITHOUT, ids=lambda word: str(word).replace("/", "-"))
def test_each_verb_is_needed_and_named_when_it_is_missing(
    kubectl: Kubectl,
    app: str,
    cluster_as: Callable[[Rules], Cluster],
    tmp_path: Path,
    use: str,
    resource: str,
    verb: str,
) -> None:
    cluster = cluster_as([*without(ROLES[use], resource, verb), *needed_beside(use)])
    failure = act(use, kubectl, app, cluster, f"{use}-{resource}-{verb}".replace("/", "-"), tmp_path)
    assert_names(failure, verb, resource, kubectl)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_workload_is_needed_and_named_when_it_is_missing(
    kubectl: Kubectl, cluster_as: Callable[[Rules], Cluster], kind: str
) -> None:
    options = {**debugger_defaults(), "namespace": kubectl.namespace, "workload": f"{kind}/nothing"}
    rules = [*ROLES["workload"], *needed_beside("workload")]
    allowed = failure_of(_debug_task, cluster_as(rules), check=True, **options)
    assert allowed is not None
    assert allowed.reason == "NoTarget"
    less = [{**rule, "resources": [it for it in rule["resources"] if it != f"{kind}s"]} for rule in rules]
    refused = failure_of(_debug_task, cluster_as([rule for rule in less if rule["resources"]]), check=True, **options)
    assert_names(refused, "get", f"{kind}s", kubectl)


def assert_names(failure: Failure | None, verb: str, resource: str, kubectl: Kubectl) -> None:
    assert failure is not None
    assert failure.reason == "RbacDenied", failure.message
    assert f"{verb} on {resource}" in failure.hint
    assert kubectl.namespace in failure.hint
    assert "rbac.authorization.k8s.io" in failure.hint
