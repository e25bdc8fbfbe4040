# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubectl's own cases for copies of pods, in our words; docs/docsite/rst/kubectl_parity.rst names case and test.

The cases are those of k8s.io/kubectl v0.36, pkg/cmd/debug: TestGeneratePodCopyWithDebugContainer and
TestGenerateCopyDebugPodCustomProfile. The real kubectl is asked in tests/integration/test_copy_parity.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import debug_name
from ansible_collections.incident.distroless.tests.unit.support.kubectl_cases import (
    CUSTOM,
    MARK,
    RESTRICTED,
    debug_container,
)
from ansible_collections.incident.distroless.tests.unit.support.pod_copies import (
    container_of,
    copied,
    copy_request,
    debug_request,
    original,
)

BUSINESS = {"name": "business", "image": "app"}
TWO = [{"name": "app", "image": "appimage"}, {"name": "sidecar", "image": "sidecarimage"}]


def images(manifest: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["image"] for entry in manifest["spec"]["containers"] if entry["name"] != "debugger"}


def test_basic() -> None:
    spec = copied(original(containers=[dict(BUSINESS)]))["spec"]
    assert "nodeName" not in spec
    assert spec["containers"] == [BUSINESS, debug_container()]


def test_same_node() -> None:
    assert copied(original(), same_node=True)["spec"]["nodeName"] == "node-1"


def test_metadata_is_stripped() -> None:
    before = {
        "labels": {"app": "business"},
        "annotations": {"test": "test"},
        "creationTimestamp": "2026-11-23T03:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "controller": True}],
    }
    metadata = copied(original(metadata=before), name="debugger")["metadata"]
    assert metadata.keys() == {"name", "namespace", "labels", "annotations"}
    assert metadata["labels"] == {"incident.distroless/debug-copy": "true"}
    assert all(key.startswith("incident.distroless/") for key in metadata["annotations"])


def test_a_debug_container_is_added() -> None:
    assert copied(original(containers=[dict(BUSINESS)]))["spec"]["containers"] == [BUSINESS, debug_container()]


def test_environment_variables_are_the_debug_containers() -> None:
    manifest = copied(original(containers=[dict(BUSINESS)]), debug=debug_request(env={"TEST": "test"}))
    assert container_of(manifest, "debugger")["env"] == [MARK, {"name": "TEST", "value": "test"}]
    assert container_of(manifest, "business") == BUSINESS


def test_the_debug_containers_command_is_the_wait() -> None:
    debugger = container_of(copied(debug=debug_request(ttl=7200)), "debugger")
    assert debugger["command"] == ["sleep", "7200"]
    assert "args" not in debugger


def test_a_command_takes_the_place_of_command_and_arguments() -> None:
    target = original(containers=[{"name": "app", "image": "app", "command": ["echo"], "args": ["one", "two"]}])
    app = container_of(copied(target, command=["sleep", "1d"]), "app")
    assert app == {"name": "app", "image": "app", "command": ["sleep", "1d"]}


def test_arguments_alone_leave_the_command() -> None:
    target = original(containers=[{"name": "app", "image": "app", "command": ["echo"], "args": ["one", "two"]}])
    app = container_of(copied(target, args=["three"]), "app")
    assert (app["command"], app["args"]) == (["echo"], ["three"])


def test_a_name_is_made_where_none_is_given() -> None:
    unnamed = copy_request(debug=debug_request(name=None))
    assert debug_name(original(), unnamed).startswith("debugger-")


def test_a_name_that_a_container_has_is_not_taken() -> None:
    target = original(containers=[{"name": "debugger", "image": "x"}])
    assert debug_name(target, copy_request()) == "debugger-2"


def test_a_name_that_an_init_container_has_is_not_taken() -> None:
    target = original(initContainers=[{"name": "debugger", "image": "x"}])
    assert debug_name(target, copy_request()) == "debugger-2"
    assert "initContainers" in copied(target)["spec"]


def test_ephemeral_containers_are_left_behind() -> None:
    target = original(ephemeralContainers=[{"name": "debugger"}])
    manifest = copied(target)
    assert "ephemeralContainers" not in manifest["spec"]
    assert container_of(manifest, "debugger")


def test_probes_are_kept_where_asked() -> None:
    probes = {"livenessProbe": {}, "readinessProbe": {}, "startupProbe": {}}
    target = original(containers=[{**BUSINESS, **probes}])
    words = {"livenessProbe": "liveness", "readinessProbe": "readiness", "startupProbe": "startup"}
    assert container_of(copied(target), "business") == BUSINESS
    for probe, word in words.items():
        assert container_of(copied(target, keep=frozenset({word})), "business") == {**BUSINESS, probe: {}}
    assert container_of(copied(target, keep=frozenset(words.values())), "business") == {**BUSINESS, **probes}


def test_processes_are_shared_unless_they_shall_not_be() -> None:
    assert copied()["spec"]["shareProcessNamespace"] is True
    assert copied(share_processes=False)["spec"]["shareProcessNamespace"] is False


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        ({"app": "busybox"}, {"app": "busybox", "sidecar": "sidecarimage"}),
        ({"*": "busybox"}, {"app": "busybox", "sidecar": "busybox"}),
        ({"*": "busybox", "app": "app-debugger"}, {"app": "app-debugger", "sidecar": "busybox"}),
        ({"app": "app:debug", "sidecar": "sidecar:debug"}, {"app": "app:debug", "sidecar": "sidecar:debug"}),
    ],
)
def test_images_are_changed_by_name_or_all(asked: dict[str, str], result: dict[str, str]) -> None:
    manifest = copied(original(containers=[dict(entry) for entry in TWO]), set_image=asked)
    assert images(manifest) == result
    assert container_of(manifest, "debugger")["image"] == "busybox"


@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        ("general", {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}),
        ("baseline", {}),
        ("restricted", {"securityContext": RESTRICTED}),
        ("netadmin", {"securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}}),
        ("sysadmin", {"securityContext": {"privileged": True}}),
    ],
)
def test_profiles(profile: str, fields: dict[str, Any]) -> None:
    manifest = copied(original(containers=[dict(BUSINESS)]), Attempt(profile, "image"))
    assert container_of(manifest, "debugger") == debug_container(**fields)
    assert container_of(manifest, "business") == BUSINESS
    assert manifest["spec"]["shareProcessNamespace"] is True


@pytest.mark.parametrize(
    ("profile", "context"),
    [
        ("baseline", CUSTOM["securityContext"]),
        ("restricted", {**RESTRICTED, "runAsNonRoot": False}),
        ("sysadmin", {**CUSTOM["securityContext"], "privileged": True}),
    ],
)
def test_custom_over_profiles(profile: str, context: dict[str, Any]) -> None:
    manifest = copied(attempt=Attempt(profile, "image"), debug=debug_request(custom=CUSTOM))
    assert container_of(manifest, "debugger") == debug_container(**{**CUSTOM, "securityContext": context})
