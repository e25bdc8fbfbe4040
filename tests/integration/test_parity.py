# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container that kubectl debug asks for and the one that ephemeral_debug asks for, byte by byte next to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, bulk, pod_manifest
from .recorder import Recorder, recording
from .tasks import run_tasks

PROFILES = ("general", "baseline", "restricted", "netadmin", "sysadmin")
TARGETS = {"root": "incident.test/app:root", "nonroot": "incident.test/app:nonroot"}

# kubectl reads --custom into a Go type, where these are nothing: no capabilities, no directive, no such field
DROPPED: dict[str, Any] = {"securityContext": {"$patch": "replace", "capabilities": None}, "flavour": "mint"}

# two of what a list is merged by, so that their order shows; the environment variable A is also set by --env
CUSTOM: dict[str, Any] = {
    "imagePullPolicy": "Always",
    "workingDir": "/tmp",
    "env": [{"name": "B", "value": "from custom"}, {"name": "A", "value": "also from custom"}],
    "envFrom": [{"configMapRef": {"name": "settings", "optional": True}}],
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "readOnly": True}],
    "securityContext": {"capabilities": {"add": ["SYS_TIME"]}, "readOnlyRootFilesystem": True},
    "stdin": True,
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of asking, in kubectl's words and in ours."""

    flags: tuple[str, ...]
    options: dict[str, Any]


VARIANTS = {
    "plain": Variant((), {}),
    "env": Variant(("--env=A=1",), {"env": {"A": "1"}}),
    "pull-policy": Variant(("--image-pull-policy=Never",), {"image_pull_policy": "Never"}),
    "custom": Variant(("--custom={custom}",), {"custom": CUSTOM}),
    "custom-and-env": Variant(("--custom={custom}", "--env=A=1"), {"custom": CUSTOM, "env": {"A": "1"}}),
}
CASES = [f"{target}-{profile}-{way}" for target, profile, way in product(TARGETS, PROFILES, VARIANTS)]
# what the other tests need too, and what the second target can change
ALWAYS = {*(f"nonroot-{profile}-plain" for profile in PROFILES), "root-baseline-plain"}
OFTEN = {*ALWAYS, "nonroot-general-custom", *(case for case in CASES if case.startswith("root-"))}

# The written list of deliberate differences (docs/docsite/rst/kubectl_parity.rst shows it): field -> why it may differ
DIFFERENCES = {
    "name": "Chosen here so that both can be told apart.",
    "command": "Ours waits as `sleep <ttl>`; kubectl leaves the image's own, or takes what stands behind `--`.",
    "env: INCIDENT_DISTROLESS": "The mark by which a debugger of ours is found again and never taken for someone else's.",
    "resources": "kubectl's Go type prints an empty object, which the API server would fill in.",
    "terminationMessagePolicy": "kubectl spells out File, which the API server would fill in.",
}
# what identity: match adds to a profile, where identity: image adds nothing
IDENTITY = ("securityContext.runAsUser", "securityContext.runAsGroup")


def comparable(container: dict[str, Any]) -> dict[str, Any]:
    """A container without the deliberate differences."""
    rest = {key: value for key, value in container.items() if key not in DIFFERENCES}
    marked = [entry for entry in rest.pop("env", []) if f"env: {entry['name']}" not in DIFFERENCES]
    return {**rest, **({"env": marked} if marked else {})}


@pytest.fixture(scope="module")
def both(
    request: pytest.FixtureRequest, make_namespace: Callable[..., Kubectl], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """What kubectl and the module asked for in every case that a test is about, recorded in front of the real API server."""
    tested = {item.callspec.params.get("case") for item in request.session.items if hasattr(item, "callspec")}
    cases = [case for case in CASES if case in ALWAYS | tested]
    kubectl, folder = make_namespace(), tmp_path_factory.mktemp("parity")
    for name, image in TARGETS.items():
        kubectl.apply(pod_manifest(name, image, volumes=[{"name": "scratch", "emptyDir": {}}]))
    for name in TARGETS:
        kubectl.wait_until_running(name)
    real = kubectl.json("config", "view", "--minify", "--raw", "--flatten")
    with recording(real, folder) as recorder:
        config, custom = folder / "kubeconfig", folder / "custom.json"
        context = {"name": "recorded", "context": {"cluster": "recorder", "user": "nobody"}}
        cluster = {"name": "recorder", "cluster": {"server": recorder.url}}
        user = {"name": "nobody", "user": {}}
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "recorded",
                    "contexts": [context],
                    "clusters": [cluster],
                    "users": [user],
                }
            )
        )
        custom.write_text(json.dumps(CUSTOM))
        (folder / "dropped.json").write_text(json.dumps(DROPPED))
        ask_kubectl(kubectl, config, folder / "dropped.json", "root-general-custom", name="theirs-dropped")
        for case in cases:
            ask_kubectl(kubectl, config, custom, case)
        ask_the_module(kubectl.namespace, config, folder, cases)
        yield recorder


def parts(case: str) -> tuple[str, str, Variant]:
    target, profile, way = case.split("-", 2)
    return target, profile, VARIANTS[way]


def ask_kubectl(kubectl: Kubectl, config: Path, custom: Path, case: str, name: str | None = None) -> None:
    target, profile, variant = parts(case)
    kubectl.run(
        f"--kubeconfig={config}",
        "debug",
        target,
        "--attach=false",
        "--target=app",
        "--image=busybox:1.37",
        f"--container={name or f'theirs-{case}'}",
        f"--profile={profile}",
        *(flag.format(custom=custom) for flag in variant.flags),
    )


def ask_the_module(namespace: str, config: Path, folder: Path, cases: Sequence[str]) -> None:
    def task(case: str, identity: str) -> dict[str, Any]:
        target, profile, variant = parts(case)
        options = {"namespace": namespace, "pod": target, "profile": profile, "wait": False, "kubeconfig": str(config)}
        options |= {"name": f"{identity}-{case}", "image": "busybox:1.37", "identity": identity, **variant.options}
        return {"name": case, "incident.distroless.ephemeral_debug": options}

    tasks = [task(case, "image") for case in cases]
    tasks += [task(f"nonroot-{profile}-plain", "match") for profile in PROFILES]
    removing = {"namespace": namespace, "pod": "root", "profile": "general", "identity": "image", "wait": False}
    removing |= {"kubeconfig": str(config), "name": "removed", "custom": {"securityContext": {"capabilities": None}}}
    unknown = {**removing, "name": "unknown", "custom": {"flavour": "mint"}, "env": {"PASSWORD": "hunter2"}}
    tasks.append({"name": "null removes", "incident.distroless.ephemeral_debug": removing})
    tasks.append(
        {
            "name": "unknown fields fail",
            "incident.distroless.ephemeral_debug": unknown,
            "register": "refused",
            "failed_when": "'flavour' not in refused.failed_targets[0].message or 'hunter2' in refused | string",
        }
    )
    run_tasks(tasks, folder)


@pytest.mark.parametrize("case", [case if case in OFTEN else bulk(case) for case in CASES])
def test_the_container_is_kubectls_but_for_the_written_differences(both: Recorder, case: str) -> None:
    theirs, ours = both.adding(f"theirs-{case}"), both.adding(f"image-{case}")
    assert theirs.sender.startswith("kubectl/")
    assert theirs.content_type == ours.content_type == "application/strategic-merge-patch+json"
    assert comparable(ours.ephemeral_container(f"image-{case}")) == comparable(
        theirs.ephemeral_container(f"theirs-{case}")
    )
    # and as the API server, real admission included, takes them
    assert (theirs.status, ours.status) == (200, 200)
    assert comparable(ours.admitted(f"image-{case}")) == comparable(theirs.admitted(f"theirs-{case}"))


@pytest.mark.parametrize("profile", PROFILES)
def test_matching_the_targets_identity_adds_uid_and_gid_and_nothing_else(both: Recorder, profile: str) -> None:
    case = f"nonroot-{profile}-plain"
    theirs = comparable(both.adding(f"theirs-{case}").ephemeral_container(f"theirs-{case}"))
    ours = comparable(both.adding(f"match-{case}").ephemeral_container(f"match-{case}"))
    context = ours.pop("securityContext")
    added = {f"securityContext.{key}": context.pop(key) for key in ("runAsUser", "runAsGroup")}
    assert added == dict.fromkeys(IDENTITY, 65532)
    assert context == theirs.pop("securityContext", {})
    assert ours == theirs


def test_every_written_difference_is_one(both: Recorder) -> None:
    theirs = both.adding("theirs-root-baseline-plain").ephemeral_container("theirs-root-baseline-plain")
    ours = both.adding("image-root-baseline-plain").ephemeral_container("image-root-baseline-plain")
    fields = {key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key) and key != "env"}
    fields |= {f"env: {entry['name']}" for entry in ours["env"] if entry not in theirs.get("env", [])}
    assert fields == set(DIFFERENCES)


def test_the_module_sends_what_kubectl_leaves_out(both: Recorder) -> None:
    theirs, ours = both.adding("theirs-root-baseline-plain"), both.adding("image-root-baseline-plain")
    assert "fieldValidation=Strict" in ours.path
    assert "fieldValidation" not in theirs.path
    # another pod that has taken the name by now is refused
    assert ours.body["metadata"]["uid"] == ours.answer["metadata"]["uid"]
    assert "metadata" not in theirs.body


def test_what_kubectl_drops_from_custom_is_done_or_refused(both: Recorder) -> None:
    theirs = both.adding("theirs-dropped").ephemeral_container("theirs-dropped")
    assert theirs["securityContext"] == {"capabilities": {"add": ["SYS_PTRACE"]}}
    assert "flavour" not in theirs
    assert both.adding("removed").ephemeral_container("removed")["securityContext"] == {}
    refused = both.adding("unknown")
    assert refused.status == 422
    assert "flavour" in refused.answer["message"]
    # the API server repeats the whole patch; the task that ran here would have failed had the module shown it
    assert "hunter2" in refused.answer["message"]
