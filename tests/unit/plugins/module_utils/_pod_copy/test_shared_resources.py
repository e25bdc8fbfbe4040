# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.shared_resources import what_is_shared
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.tests.unit.support.pod_copies import copy_request, original

WITH_CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "orders"}}]
ONCE, ONE_POD, MANY = ["ReadWriteOnce"], ["ReadWriteOncePod"], ["ReadWriteOnce", "ReadWriteMany"]


def with_port() -> Target:
    return original(containers=[{"name": "app", "image": "x", "ports": [{"hostPort": 8080, "protocol": "TCP"}]}])


def said(target: Target, modes: list[str] | None = None, *, replace: bool = False, **changes: Any) -> str:
    return "\n".join(what_is_shared(target, copy_request(**changes), {"orders": modes}, replace=replace))


def test_a_plain_pod_shares_nothing() -> None:
    assert said(original()) == ""


def test_a_host_port_is_named_with_the_node_that_has_it() -> None:
    assert "host port 8080/TCP on node node-1" in said(with_port())


def test_a_host_port_cannot_be_had_twice_on_one_node() -> None:
    with pytest.raises(Failure, match="could never start") as caught:
        said(with_port(), same_node=True)
    assert caught.value.reason == "InvalidRequest"
    assert "replace" in caught.value.hint


def test_what_has_ended_or_is_replaced_holds_no_port() -> None:
    ended = original(phase="Succeeded", containers=with_port().manifest["spec"]["containers"])
    assert said(ended, same_node=True) == ""
    assert said(with_port(), same_node=True, replace=True) == ""


def test_a_claim_of_one_node_names_the_node_and_the_option() -> None:
    words = said(original(volumes=WITH_CLAIM), ONCE)
    assert "orders is ReadWriteOnce" in words
    assert "same_node: true" in words
    assert "is ReadWriteOnce" not in said(original(volumes=WITH_CLAIM), ONCE, same_node=True)
    assert "is ReadWriteOnce" not in said(original(volumes=WITH_CLAIM), MANY)


def test_a_claim_of_one_pod_is_a_failure_before_anything_is_made() -> None:
    with pytest.raises(Failure, match="orders is ReadWriteOncePod"):
        said(original(volumes=WITH_CLAIM), ONE_POD)
    assert "ReadWriteOncePod" not in said(original(volumes=WITH_CLAIM), ONE_POD, replace=True)


def test_a_claim_that_may_not_be_read_is_said_to_be_unknown() -> None:
    assert "could not be read (get on persistentvolumeclaims)" in said(original(volumes=WITH_CLAIM), None)


def test_an_app_that_runs_in_the_copy_writes_to_the_originals_data_and_a_held_one_does_not() -> None:
    assert "writes to it too" in said(original(volumes=WITH_CLAIM), MANY)
    assert said(original(volumes=WITH_CLAIM), MANY, hold=True) == ""


def test_volumes_that_start_empty_are_named() -> None:
    volumes = [{"name": "cache", "emptyDir": {}}, {"name": "scratch", "ephemeral": {}}, {"name": "c", "configMap": {}}]
    assert "what the original has on cache, scratch stays with it" in said(original(volumes=volumes))


def test_kept_labels_are_warned_of() -> None:
    labelled = original(metadata={"labels": {"app": "api"}})
    assert "a controller that selects them adopts it" in said(labelled, keep=frozenset({"labels"}))
    assert said(labelled) == ""
