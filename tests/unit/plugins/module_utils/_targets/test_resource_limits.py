# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._targets.resource_limits import (
    Limit,
    cpu_limit,
    is_throttled,
    limit_warnings,
    memory_limit,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import target


def limited(name: str = "app", restart: str | None = None, **limits: object) -> dict[str, Any]:
    """A container with limits; restart Always makes a sidecar of an init container."""
    container = {"name": name, "image": "shop/api:1", "resources": {"limits": limits}}
    return container if restart is None else {**container, "restartPolicy": restart}


@pytest.mark.parametrize(
    ("quantity", "millicores"),
    [("200m", 200), ("0.5", 500), ("2", 2000), (2, 2000), ("1e1", 10000), ("100u", 1), ("1k", 1000000)],
)
def test_cpu_is_read_in_every_form_of_a_quantity(quantity: object, millicores: int) -> None:
    assert cpu_limit(target(containers=[limited(cpu=quantity)])) == Limit(millicores, is_pods=True)


@pytest.mark.parametrize(
    ("quantity", "size"), [("64Mi", 64 << 20), ("64M", 64_000_000), ("1Gi", 1 << 30), ("128974848", 128974848)]
)
def test_memory_is_read_in_every_form_of_a_quantity(quantity: str, size: int) -> None:
    assert memory_limit(target(containers=[limited(memory=quantity)])) == Limit(size, is_pods=True)


def test_the_pods_own_limit_counts_before_its_containers() -> None:
    found = target(containers=[limited(cpu="4")], resources={"limits": {"cpu": "300m"}})
    assert cpu_limit(found) == Limit(300, is_pods=True)


def test_containers_that_are_all_limited_are_limited_together() -> None:
    found = target(containers=[limited(cpu="300m", memory="64Mi"), limited("proxy", cpu="100m", memory="32Mi")])
    assert (cpu_limit(found), memory_limit(found)) == (Limit(400, True), Limit(96 << 20, True))


def test_one_container_without_a_limit_leaves_the_pod_without() -> None:
    found = target(containers=[limited(cpu="300m"), {"name": "proxy", "image": "x"}])
    assert cpu_limit(found) == Limit(300, is_pods=False)
    assert limit_warnings(found) == ["container app has limits that the debugger does not count for: 300m CPU"]


@pytest.mark.parametrize(
    ("inits", "millicores"),
    [
        ([limited("init", cpu="100m")], 500),
        ([limited("init", cpu="2")], 2000),
        ([limited("sidecar", "Always", cpu="200m")], 700),
        ([limited("sidecar", "Always", cpu="200m"), limited("init", cpu="2")], 2200),
        ([limited("init", cpu="2"), limited("sidecar", "Always", cpu="200m")], 2000),
    ],
)
def test_init_containers_count_by_themselves_and_sidecars_beside_all(
    inits: list[dict[str, Any]], millicores: int
) -> None:
    found = target(containers=[limited(cpu="500m")], initContainers=inits)
    assert cpu_limit(found) == Limit(millicores, is_pods=True)


def test_an_init_container_without_a_limit_leaves_the_pod_without() -> None:
    found = target(containers=[limited(cpu="500m")], initContainers=[{"name": "init", "image": "x"}])
    assert cpu_limit(found) == Limit(500, is_pods=False)


def test_a_limit_of_zero_is_none() -> None:
    assert cpu_limit(target(containers=[limited(cpu="0")])) is None


@pytest.mark.parametrize(("cpu", "throttled"), [("999m", True), ("1", False), (None, False)])
def test_less_than_a_core_is_throttled(cpu: str | None, throttled: bool) -> None:
    limits = {} if cpu is None else {"cpu": cpu}
    assert is_throttled(target(containers=[limited(**limits)])) is throttled


def test_the_limits_are_named_as_people_write_them() -> None:
    found = target(containers=[limited(cpu="200m", memory="64Mi")])
    assert limit_warnings(found) == ["the debugger spends from the pod's limits: 200m CPU, 64 MiB memory"]
    assert limit_warnings(target()) == []
