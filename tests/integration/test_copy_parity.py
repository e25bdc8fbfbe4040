# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy that kubectl debug --copy-to asks for and the one that debug_pod asks for, as the API server takes both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, pod_manifest
from .recorder import Created, Recorder, recording
from .tasks import run_tasks

CUSTOM: dict[str, Any] = {
    "workingDir": "/tmp",
    "env": [{"name": "B", "value": "from custom"}],
    "resources": {"limits": {"memory": "64Mi"}},
    "securityContext": {"readOnlyRootFilesystem": True},
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of asking, in kubectl's words and in ours. kubectl alters the container itself where it adds none."""

    flags: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    adds_one: bool = True


VARIANTS = {
    **{
        profile: Variant((f"--profile={profile}",), {"profile": profile})
        for profile in ("general", "baseline", "restricted", "netadmin", "sysadmin")
    },
    "env": Variant(("--env=A=1",), {"env": {"A": "1"}}),
    "pull-policy": Variant(("--image-pull-policy=Never",), {"image_pull_policy": "Never"}),
    "custom": Variant(("--custom={custom}", "--env=A=1"), {"custom": CUSTOM, "env": {"A": "1"}}),
    "same-node": Variant(("--same-node",), {"same_node": True}),
    "apart": Variant(("--share-processes=false",), {"share_processes": False}),
    "one-image": Variant(("--set-image=app=other:1",), {"set_image": {"app": "other:1"}}),
    "images": Variant(("--set-image=*=other:1,app=mine:2",), {"set_image": {"*": "other:1", "app": "mine:2"}}),
    "keep-metadata": Variant(("--keep-labels", "--keep-annotations"), {"keep_labels": True, "keep_annotations": True}),
    "keep-liveness": Variant(("--keep-liveness",), {"keep_liveness": True}),
    "keep-readiness": Variant(("--keep-readiness",), {"keep_readiness": True}),
    "keep-startup": Variant(("--keep-startup",), {"keep_startup": True}),
    "no-inits": Variant(("--keep-init-containers=false",), {"keep_init_containers": False}),
    "command": Variant(("--container=app",), {"command": ["sleep", "1d"]}, ("sleep", "1d"), adds_one=False),
    "args": Variant(("--container=app", "--arguments-only"), {"args": ["wait"]}, ("wait",), adds_one=False),
}

# The written list of deliberate differences (docs/docsite/rst/kubectl_parity.rst shows it): field -> why it may differ
DIFFERENCES = {
    "copy: metadata.name": "Chosen here so that both can be told apart.",
    "copy: metadata.labels, metadata.annotations": "The mark of a copy of ours, what it is a copy of, and what was asked for.",
    "copy: spec.activeDeadlineSeconds": "The copy ends by itself, also when nobody comes back to delete it.",
    "copy: spec.automountServiceAccountToken": "The token of the original is among its volumes; the debug container gets none.",
    "debug container: command": "Ours waits as `sleep <ttl>`; kubectl leaves the image's own, or takes what stands behind `--`.",
    "debug container: env: INCIDENT_DISTROLESS": "The mark of a debug container of ours.",
    "debug container: volumeMounts": "kubectl's gets the service account's token by admission; ours gets the target's volumes, read-only, but for secrets.",
}
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"


def original() -> dict[str, Any]:
    """A pod with something of all that a copy keeps or drops."""
    probe = {"exec": {"command": ["/app", "stat", "/"]}, "periodSeconds": 60}
    manifest = pod_manifest(
        "original",
        "incident.test/app:nonroot",
        container={
            "livenessProbe": probe,
            "readinessProbe": probe,
            "startupProbe": {**probe, "periodSeconds": 1},
            "resources": {"limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        },
        volumes=[{"name": "scratch", "emptyDir": {}}],
        initContainers=[
            {"name": "setup", "image": "busybox:1.37", "imagePullPolicy": "Never", "command": ["true"]},
        ],
    )
    manifest["spec"]["containers"].append({**manifest["spec"]["containers"][0], "name": "second", "args": ["wait"]})
    manifest["metadata"]["annotations"] = {"team": "shop"}
    return manifest


@pytest.fixture(scope="module")
def both(make_namespace: Callable[..., Kubectl], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """What kubectl and the module asked for in every case, recorded in front of the real API server."""
    kubectl, folder = make_namespace(), tmp_path_factory.mktemp("copy-parity")
    kubectl.apply(original())
    kubectl.wait_until_running("original")
    real = kubectl.json("config", "view", "--minify", "--raw", "--flatten")
    with recording(real, folder) as recorder:
        config, custom = folder / "kubeconfig", folder / "custom.json"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "recorded",
                    "contexts": [{"name": "recorded", "context": {"cluster": "recorder", "user": "nobody"}}],
                    "clusters": [{"name": "recorder", "cluster": {"server": recorder.url}}],
                    "users": [{"name": "nobody", "user": {}}],
                }
            )
        )
        custom.write_text(json.dumps(CUSTOM))
        for case, variant in VARIANTS.items():
            ask_kubectl(kubectl, config, custom, case, variant)
        ask_the_module(kubectl.namespace, config, folder)
        yield recorder


def ask_kubectl(kubectl: Kubectl, config: Path, custom: Path, case: str, variant: Variant) -> None:
    added = ("--image=busybox:1.37", "--container=debugger") if variant.adds_one else ()
    kubectl.run(
        f"--kubeconfig={config}",
        "debug",
        "original",
        "--attach=false",
        f"--copy-to=theirs-{case}",
        *("" if any(flag.startswith("--profile") for flag in variant.flags) else ("--profile=baseline",)),
        *added,
        *(flag.format(custom=custom) for flag in variant.flags),
        *(("--", *variant.words) if variant.words else ()),
    )


def ask_the_module(namespace: str, config: Path, folder: Path) -> None:
    asked = {"namespace": namespace, "pod": "original", "kubeconfig": str(config), "wait": False, "name": "debugger"}
    asked |= {"profile": "baseline", "identity": "image", "image": "busybox:1.37", "mount_volumes": False}
    tasks = [
        {"name": case, "incident.distroless.debug_pod": {**asked, "copy_to": f"ours-{case}", **variant.options}}
        for case, variant in VARIANTS.items()
    ]
    mounting = {**asked, "copy_to": "ours-mounting", "mount_volumes": True}
    tasks.append({"name": "volumes", "incident.distroless.debug_pod": mounting})
    unknown = {**asked, "copy_to": "ours-unknown", "custom": {"flavour": "mint"}, "env": {"PASSWORD": "hunter2"}}
    tasks.append(
        {
            "name": "unknown fields fail",
            "incident.distroless.debug_pod": unknown,
            "register": "refused",
            "failed_when": "'flavour' not in refused.failed_targets[0].message or 'hunter2' in refused | string",
        }
    )
    run_tasks(tasks, folder)


def container(made: Created, name: str) -> dict[str, Any]:
    (found,) = (entry for entry in made.answer["spec"]["containers"] if entry["name"] == name)
    return dict(found)


def comparable(made: Created, *, with_debugger: bool) -> dict[str, Any]:
    """A copy as the API server takes it, without the deliberate differences."""
    spec = dict(made.answer["spec"])
    for key in ("activeDeadlineSeconds", "automountServiceAccountToken"):
        spec.pop(key, None)
    rest = [entry for entry in spec.pop("containers") if entry["name"] != "debugger"]
    labels, annotations = (dict(made.answer["metadata"].get(key) or {}) for key in ("labels", "annotations"))
    ours = [
        {key: value for key, value in entry.items() if not key.startswith("incident.")}
        for entry in (labels, annotations)
    ]
    shown = {"spec": spec, "containers": rest, "metadata": ours}
    if with_debugger:
        debugger = container(made, "debugger")
        debugger.pop("command", None)
        debugger["volumeMounts"] = [entry for entry in debugger.get("volumeMounts", []) if entry["mountPath"] != TOKEN]
        debugger["env"] = [entry for entry in debugger.get("env", []) if entry["name"] != "INCIDENT_DISTROLESS"]
        shown["debugger"] = debugger
    return shown


@pytest.mark.parametrize("case", VARIANTS)
def test_the_copy_is_kubectls_but_for_the_written_differences(both: Recorder, case: str) -> None:
    theirs, ours = both.creating(f"theirs-{case}"), both.creating(f"ours-{case}")
    assert theirs.sender.startswith("kubectl/")
    assert (theirs.status, ours.status) == (201, 201)
    assert "fieldValidation=Strict" in ours.path
    adds_one = VARIANTS[case].adds_one
    assert comparable(ours, with_debugger=adds_one) == comparable(theirs, with_debugger=adds_one)


def test_every_written_difference_is_one(both: Recorder) -> None:
    theirs, ours = both.creating("theirs-baseline"), both.creating("ours-mounting")
    (before, after), fields = (made.answer for made in (theirs, ours)), set()
    fields |= {"copy: metadata.name"} if before["metadata"]["name"] != after["metadata"]["name"] else set()
    if any(before["metadata"].get(key) != after["metadata"].get(key) for key in ("labels", "annotations")):
        fields.add("copy: metadata.labels, metadata.annotations")
    keys = (before["spec"].keys() | after["spec"].keys()) - {"containers"}
    fields |= {f"copy: spec.{key}" for key in keys if before["spec"].get(key) != after["spec"].get(key)}
    left, right = container(theirs, "debugger"), container(ours, "debugger")
    keys = (left.keys() | right.keys()) - {"env"}
    fields |= {f"debug container: {key}" for key in keys if left.get(key) != right.get(key)}
    fields |= {f"debug container: env: {entry['name']}" for entry in right["env"] if entry not in left.get("env", [])}
    assert fields == set(DIFFERENCES)


def test_the_debug_container_gets_no_token_and_reads_the_targets_volumes(both: Recorder) -> None:
    theirs, ours = (container(both.creating(name), "debugger") for name in ("theirs-baseline", "ours-mounting"))
    assert [entry["mountPath"] for entry in theirs["volumeMounts"]] == [TOKEN]
    assert ours["volumeMounts"] == [{"name": "scratch", "mountPath": "/scratch", "readOnly": True}]
    app = container(both.creating("ours-baseline"), "app")
    assert TOKEN in [entry["mountPath"] for entry in app["volumeMounts"]]
