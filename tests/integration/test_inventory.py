# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods as hosts: `incident.distroless.pods` as Ansible's own programs read it, compared with kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.support.fake_cluster import FakeCluster, fake_cluster
from tests.unit.support.pods import pod

from .conftest import STATE, Kubectl, as_user, pod_manifest
from .patience import PATIENCE

# nobody answers at this port: it is that of discard, for which nothing listens
NOBODY = {"name": "gone", "host": "https://127.0.0.1:9", "api_key": "x"}


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What came of a command in a folder, by one who uses the cluster as its administrator."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**as_user(), "ANSIBLE_NOCOLOR": "true", **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )


def write(folder: Path, **options: Any) -> str:
    path = folder / "shop.pods.yml"
    path.write_text(yaml.safe_dump({"plugin": "incident.distroless.pods", **options}), encoding="utf-8")
    return path.name


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[FakeCluster, str]]:
    """A cluster whose every word is a template that makes a file, and that template. No real API server lets such labels in."""
    words = f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/touched') }}}}"
    with fake_cluster() as cluster:
        owner = {"kind": words, "name": words, "uid": "u", "controller": True}
        metadata = {
            "labels": {"app": words, words: "x"},
            "annotations": {"tier": words, "other": words},
            "ownerReferences": [owner],
        }
        cluster.state.put(pod("api-0", metadata=metadata, phase=words, nodeName=words))
        cluster.state.put(pod(words))
        cluster.state.put(pod("api-1"))
        yield cluster, words


def test_a_host_with_slashes_and_hostile_words_is_a_host_like_any_other(
    hostile: tuple[FakeCluster, str], tmp_path: Path
) -> None:
    """host_vars, --limit, fetch and a fact cache of files know it, and what the API said of it is never run."""
    cluster, words = hostile
    source = write(
        tmp_path,
        clusters=[{"name": "far.away", "host": cluster.url, "api_key": cluster.options()["api_key"]}],
        annotations=["tier"],
        compose={"tier": "k8s_annotations.tier"},
        groups={"templated": "k8s_labels.app == 7 * 7"},
        keyed_groups=[{"prefix": "app", "key": "k8s_labels.app"}, {"prefix": "all", "key": "k8s_labels"}],
        strict=False,
    )
    name = "far.away/shop/api-0/app"
    own = tmp_path / "host_vars" / f"{name}.yml"
    own.parent.mkdir(parents=True)
    own.write_text("greeting: of its own file\n", encoding="utf-8")
    (tmp_path / "brought").write_text("brought", encoding="utf-8")
    said = "{{ tier }} {{ k8s_labels }} {{ k8s_owner }} {{ k8s_phase }} {{ group_names }}"
    tasks = [
        {"ansible.builtin.set_fact": {"told": "{{ greeting }} " + said, "cacheable": True}},
        {"ansible.builtin.debug": {"msg": "{{ told }} {{ hostvars[inventory_hostname] }}"}},
        # of the play's author it is a template
        {"ansible.builtin.debug": {"msg": words.replace("touched", "meant")}},
        {"ansible.builtin.command": "echo {{ tier | quote }}"},
        {"ansible.builtin.fetch": {"src": f"{tmp_path}/brought", "dest": f"{tmp_path}/home"}},
    ]
    head = {"hosts": "cluster_far_away", "gather_facts": False, "connection": "local"}
    told = {"ansible.builtin.debug": {"msg": "{{ ansible_facts.told }}"}}
    for book, steps in (("first", tasks), ("second", [told])):
        (tmp_path / f"{book}.yml").write_text(yaml.safe_dump([{**head, "tasks": steps}]), encoding="utf-8")
    environment = {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        # no task of another cluster
        "K8S_AUTH_HOST": "https://127.0.0.1:9",
    }
    for book in ("first", "second"):
        command = ("ansible-playbook", "-i", source, "--limit", name, f"{book}.yml")
        played = run(tmp_path, *command, **environment)
        printed = played.stdout + played.stderr
        assert played.returncode == 0, printed
        assert "of its own file" in played.stdout
        # as it was written
        assert words.partition("touch")[2] in played.stdout, printed
        assert "shop/api-1/app]" not in played.stdout
    assert "A pod in all namespaces is left out" in printed
    assert (tmp_path / "home" / name).joinpath(*tmp_path.parts[1:], "brought").read_text(encoding="utf-8") == "brought"
    assert (tmp_path / "meant").exists()
    assert not (tmp_path / "touched").exists()


@pytest.fixture(scope="module")
def waiting(kubectl: Kubectl) -> Kubectl:
    """A Deployment and a pod of two containers that nobody schedules: what they are is all that is asked for."""
    deployed = pod_manifest("api", "incident.test/app:nonroot", schedulerName="nobody")
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {**deployed["spec"], "restartPolicy": "Always"}}
    deployment = {"selector": {"matchLabels": {"app": "api"}}, "template": template}
    about = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}}
    kubectl.apply({**about, "spec": deployment})
    alone = pod_manifest("alone", "incident.test/app:nonroot", schedulerName="nobody")
    alone["spec"]["containers"].append({**alone["spec"]["containers"][0], "name": "log"})
    alone["metadata"]["annotations"] = {"tier": "{{ 7 * 191919 }}"}
    kubectl.apply(alone)
    kubectl.run("wait", "deployment/api", "--for=jsonpath={.status.replicas}=1", f"--timeout={PATIENCE}s")
    return kubectl


def test_two_clusters_of_three_are_what_kubectl_lists(waiting: Kubectl, tmp_path: Path) -> None:
    names = [item["metadata"]["name"] for item in waiting.json("get", "pods")["items"]]
    (api,) = [name for name in names if name != "alone"]
    kubeconfig = str(STATE / "kubeconfig")
    context = waiting.text("config", "current-context").strip()
    # which are meant for no cluster of these
    others = {"K8S_AUTH_HOST": "https://127.0.0.1:9", "K8S_AUTH_API_KEY": "of-another-one"}
    options = {
        # the first one by its context in the file that K8S_AUTH_KUBECONFIG names
        "clusters": [{"name": "eu", "context": context}, {"name": "us-1", "kubeconfig": kubeconfig}, NOBODY],
        "namespaces": [f"{waiting.namespace[:-1]}*", "nobody-has-this"],
        "namespace_selectors": [f"kubernetes.io/metadata.name={waiting.namespace}"],
        "containers": "all",
        "annotations": "tier",
    }
    listed = run(tmp_path, "ansible-inventory", "-i", write(tmp_path, **options), "--list", **others)
    assert listed.returncode == 0, listed.stderr
    assert "gone: listing namespaces: https://127.0.0.1:9 does not answer" in " ".join(listed.stderr.split())
    found = json.loads(listed.stdout)
    inside = [f"{waiting.namespace}/{name}" for name in ("alone/app", "alone/log", f"{api}/app")]
    assert sorted(found["_meta"]["hostvars"]) == sorted(f"{at}/{name}" for at in ("eu", "us-1") for name in inside)
    assert sorted(found["cluster_us_1"]["hosts"]) == sorted(f"us-1/{name}" for name in inside)
    assert found["workload_deployment_api"]["hosts"] == [f"{at}/{inside[2]}" for at in ("eu", "us-1")]
    group = f"namespace_{waiting.namespace.replace('-', '_')}"
    assert len(found[group]["hosts"]) == len(found["not_ready"]["hosts"]) == len(found["phase_Pending"]["hosts"]) == 6
    for at, path in (("eu", as_user()["K8S_AUTH_KUBECONFIG"]), ("us-1", kubeconfig)):
        told = found["_meta"]["hostvars"][f"{at}/{inside[0]}"]
        # as text that is no template, which is how it is printed
        assert told["ansible_debugger_kubeconfig"] in (path, {"__ansible_unsafe": path})
    assert "ansible_connection" not in told
    strict = run(
        tmp_path,
        *("ansible-inventory", "-i", write(tmp_path, **options, strict=True), "--list"),
        ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true",
    )
    assert strict.returncode != 0
    assert "gone: listing namespaces" in " ".join(strict.stderr.split())


MANY, AT_ONCE = 10_000, 8


@pytest.mark.bulk
def test_ten_thousand_pods_are_listed_in_bounded_memory(
    make_namespace: Callable[..., Kubectl], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    kubectl = make_namespace()
    manifest = pod_manifest("many", "incident.test/app:nonroot", schedulerName="nobody")
    manifest["spec"]["containers"][0]["env"] = [{"name": f"NAME_{number}", "value": "x" * 40} for number in range(30)]
    per_thread = MANY // AT_ONCE

    def make(part: int) -> None:
        items = [
            {**manifest, "metadata": {"name": f"many-{part}-{number}", "labels": {"app": f"many-{number % 50}"}}}
            for number in range(per_thread)
        ]
        kubectl.apply({"apiVersion": "v1", "kind": "List", "items": items})

    threads = [threading.Thread(target=make, args=(part,)) for part in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source = write(tmp_path, namespaces=kubectl.namespace)
    begun = time.monotonic()
    with subprocess.Popen(
        ["ansible-inventory", "-i", source, "--graph", "not_ready"],
        cwd=tmp_path,
        env=as_user(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as listing:
        assert listing.stdout
        lines = listing.stdout.read().splitlines()
        _pid, status, usage = os.wait4(listing.pid, 0)
        listing.returncode = status
    seconds = time.monotonic() - begun
    assert status == 0
    assert len(lines) == per_thread * AT_ONCE + 1
    mebibytes = usage.ru_maxrss / 1024
    cpu = usage.ru_utime + usage.ru_stime
    measured(
        f"the inventory of {len(lines) - 1} pods: {seconds:.1f} s, {cpu:.1f} s of CPU, {mebibytes:.0f} MiB at most"
    )
    assert mebibytes <= 250
