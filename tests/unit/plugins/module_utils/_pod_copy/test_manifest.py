# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a copy has beside that of kubectl: its mark, its end, a target that is held, volumes to read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import (
    copy_of,
    derived_name,
    digest,
    is_copy,
)
from ansible_collections.incident.distroless.tests.unit.support.pod_copies import (
    container_of,
    copied,
    copy_request,
    debug_request,
    original,
)

VOLUMES: list[dict[str, Any]] = [
    {"name": "config", "configMap": {"name": "config"}},
    {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    {"name": "keys", "secret": {"secretName": "keys"}},
    {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
]


def with_mounts(*mounts: dict[str, Any]) -> Any:
    return original(containers=[{"name": "app", "image": "x", "volumeMounts": list(mounts)}], volumes=VOLUMES)


def test_a_copy_is_known_by_its_mark_and_says_what_it_is_a_copy_of() -> None:
    assert is_copy(copied())
    assert copy_of(copied()) == "api-0"
    assert copy_of(original().manifest) is None


def test_neither_a_label_nor_an_annotation_alone_makes_a_copy_of_ours() -> None:
    for key in ("labels", "annotations"):
        manifest = copied()
        manifest["metadata"][key] = {}
        assert not is_copy(manifest)


def test_the_kubelet_ends_a_copy_after_its_ttl() -> None:
    short_lived = original(activeDeadlineSeconds=5)
    assert copied(short_lived, debug=debug_request(ttl=600))["spec"]["activeDeadlineSeconds"] == 600


def test_the_original_stays_as_it_is() -> None:
    target = with_mounts({"name": "config", "mountPath": "/etc/shop"})
    before = copy.deepcopy(dict(target.manifest))
    copied(target, hold=True, set_image={"*": "y"}, keep=frozenset())
    assert target.manifest == before


def test_labels_and_annotations_are_kept_where_asked_beside_the_mark() -> None:
    target = original(metadata={"labels": {"app": "api"}, "annotations": {"team": "shop"}})
    metadata = copied(target, keep=frozenset({"labels", "annotations"}))["metadata"]
    assert metadata["labels"]["app"] == "api"
    assert metadata["annotations"]["team"] == "shop"
    assert "ownerReferences" not in metadata


def test_a_copy_of_a_static_pod_is_none_itself() -> None:
    static = {f"kubernetes.io/config.{word}": "x" for word in ("mirror", "hash", "seen", "source")}
    target = original(metadata={"annotations": static}, priority=2000001000)
    manifest = copied(target, keep=frozenset({"annotations"}))
    assert not [key for key in manifest["metadata"]["annotations"] if key.startswith("kubernetes.io/")]
    assert "priority" not in manifest["spec"]


def test_no_token_is_given_to_the_debug_container() -> None:
    assert copied()["spec"]["automountServiceAccountToken"] is False


def test_a_pod_that_sees_the_hosts_processes_does_not_share_its_own_as_well() -> None:
    assert "shareProcessNamespace" not in copied(original(hostPID=True))["spec"]


def test_a_held_target_waits_by_a_program_that_its_image_need_not_have() -> None:
    app = {"name": "app", "image": "x", "args": ["serve"], "lifecycle": {"postStart": {}}}
    manifest = copied(original(containers=[app], initContainers=[{"name": "own"}]), hold=True)
    held = container_of(manifest, "app")
    assert held["command"] == ["/.incident-distroless/busybox", "sleep", "60"]
    assert held.keys() == {"name", "image", "command", "volumeMounts"}
    assert held["volumeMounts"][-1]["readOnly"] is True
    assert [entry["name"] for entry in manifest["spec"]["initContainers"]] == ["incident-distroless-hold", "own"]


def test_the_fetching_container_may_no_more_than_the_debug_container() -> None:
    custom = {"securityContext": {"runAsUser": 7}, "resources": {"limits": {"cpu": "1"}}}
    fetch = container_of(copied(hold=True, debug=debug_request(custom=custom)), "incident-distroless-hold")
    assert fetch["securityContext"] == custom["securityContext"]
    assert fetch["resources"] == custom["resources"]


def test_the_targets_volumes_are_read_only_in_the_debug_container() -> None:
    config = {"name": "config", "mountPath": "/etc/shop", "mountPropagation": "Bidirectional"}
    data = {"name": "data", "mountPath": "/data", "subPath": "api"}
    debugger = container_of(copied(with_mounts(config, data)), "debugger")
    assert debugger["volumeMounts"] == [
        {"name": "config", "mountPath": "/etc/shop", "readOnly": True},
        {"name": "data", "mountPath": "/data", "subPath": "api", "readOnly": True},
    ]


@pytest.mark.parametrize(
    "mount",
    [
        {"name": "keys", "mountPath": "/keys"},
        {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        {"name": "config", "mountPath": "/etc", "subPathExpr": "$(POD_NAME)"},
        {"name": "data", "mountPath": "/bin"},
        {"name": "data", "mountPath": "/usr/local/"},
        {"name": "data", "mountPath": "/"},
    ],
)
def test_secrets_and_what_would_hide_tools_are_not_mounted(mount: dict[str, Any]) -> None:
    assert "volumeMounts" not in container_of(copied(with_mounts(mount)), "debugger")


def test_volumes_are_not_mounted_where_that_is_not_wanted() -> None:
    target = with_mounts({"name": "config", "mountPath": "/etc/shop"})
    assert "volumeMounts" not in container_of(copied(target, mount_volumes=False), "debugger")


def test_a_mount_of_custom_comes_before_the_targets() -> None:
    custom = {"volumeMounts": [{"name": "data", "mountPath": "/etc/shop"}]}
    target = with_mounts({"name": "config", "mountPath": "/etc/shop"})
    debugger = container_of(copied(target, debug=debug_request(custom=custom)), "debugger")
    assert debugger["volumeMounts"] == custom["volumeMounts"]


def test_an_unknown_container_of_set_image_is_refused_by_name() -> None:
    with pytest.raises(Failure, match="web") as caught:
        copied(set_image={"web": "x"})
    assert caught.value.reason == "ContainerNotFound"
    assert "app" in caught.value.hint


def test_an_init_container_is_no_target_but_a_sidecar_is() -> None:
    inits = [{"name": "setup", "image": "x"}, {"name": "proxy", "image": "x", "restartPolicy": "Always"}]
    with pytest.raises(Failure, match="setup is an init container") as caught:
        copied(original(container="setup", initContainers=inits))
    assert caught.value.reason == "InvalidRequest"
    assert "proxy" in caught.value.hint
    held = container_of(copied(original(container="proxy", initContainers=inits), command=["wait"]), "proxy")
    assert held["command"] == ["wait"]


def test_an_ordinary_container_may_have_what_an_ephemeral_one_may_not() -> None:
    custom = {"resources": {"limits": {"memory": "64Mi"}}, "ports": [{"containerPort": 80}]}
    debugger = container_of(copied(debug=debug_request(custom=custom)), "debugger")
    assert {key: debugger[key] for key in custom} == custom


def test_custom_may_still_not_take_the_wait_away() -> None:
    with pytest.raises(Failure, match="custom may not set command"):
        copied(debug=debug_request(custom={"command": ["sh"]}))


def test_asking_again_means_the_same_copy_whatever_its_ttl_and_something_else_another() -> None:
    same = digest(original(), copy_request())
    assert digest(original(), copy_request(debug=debug_request(ttl=7))) == same
    others: list[dict[str, Any]] = [
        {"hold": True},
        {"command": ["x"]},
        {"args": ["x"]},
        {"set_image": {"app": "y"}},
        {"same_node": True},
        {"share_processes": False},
        {"mount_volumes": False},
        {"keep": frozenset({"labels"})},
        {"debug": debug_request(env={"A": "1"})},
    ]
    digests = {digest(original(), copy_request(**change)) for change in others}
    assert len(digests | {same}) == len(others) + 1
    assert digest(original(name="api-1"), copy_request()) != same


def test_the_name_is_the_pods_with_debug_and_five_characters() -> None:
    name = derived_name(original(), copy_request(), 0)
    assert name.startswith("api-0-debug-")
    assert len(name) == len("api-0-debug-") + 5
    assert derived_name(original(), copy_request(), 1) != name


def test_a_long_name_is_cut_to_one_that_can_be() -> None:
    # cut at a dot, with which no part of a name may end
    name = derived_name(original(name="a" * 241 + ".b.c.d.e.f"), copy_request(), 0)
    assert len(name) <= 253
    assert ".-" not in name
