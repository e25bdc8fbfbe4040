# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubectl's own cases for debug containers, in our words; docs/docsite/rst/kubectl_parity.rst names case and test.

The cases are those of k8s.io/kubectl v0.36, pkg/cmd/debug: TestGenerateDebugContainer and
TestGenerateEphemeralDebugPodCustomProfile. The real kubectl is asked in tests/integration/test_parity.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, base_name, build
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import _free_name
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.tests.unit.support.kubectl_cases import (
    CUSTOM,
    RESTRICTED,
    debug_container,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import target


def request(**changes: Any) -> Request:
    fields: dict[str, Any] = {"image": "busybox", "image_pull_policy": "IfNotPresent", "ttl": 60, "env": {}}
    return Request(**{**fields, "custom": {}, "patch": (), "name": None, "words": (), **changes})


def built(profile: str = "baseline", name: str = "debugger", container: str = "app", **changes: Any) -> dict[str, Any]:
    made = build(request(**changes), Attempt(profile, "image"), name, container)
    # which request it came of is ours to say, behind the word that marks it
    made["env"][0]["value"] = made["env"][0]["value"].partition(" ")[0]
    return made


def expected(**fields: Any) -> dict[str, Any]:
    """What kubectl's case expects of a debugger in a pod."""
    return debug_container(**{"targetContainerName": "app", **fields})


def test_minimum_fields() -> None:
    assert built() == expected()


def test_namespace_targeting() -> None:
    assert built(container="myapp") == expected(targetContainerName="myapp")


def test_the_command_is_the_wait_and_what_shall_run_goes_to_exec() -> None:
    assert built(ttl=7200)["command"] == ["sleep", "7200"]
    assert "args" not in built()


def test_a_name_is_made_where_none_is_given() -> None:
    assert base_name(request(), "app").startswith("debugger-")
    assert base_name(request(name="debugger"), "app") == "debugger"


def test_a_name_that_a_container_has_is_not_taken() -> None:
    taken = target(containers=[{"name": "debugger-1", "image": "x"}])
    assert _free_name(taken, "debugger-1") == "debugger-1-2"


def test_a_name_that_an_init_container_has_is_not_taken() -> None:
    inits = [{"name": "init-container-1"}, {"name": "init-container-2"}]
    crowded = target(containers=[{"name": "debugger", "image": "x"}], initContainers=inits)
    assert _free_name(crowded, "debugger-1") == "debugger-1"
    assert _free_name(crowded, "init-container-1") == "init-container-1-2"


def test_a_name_that_an_ephemeral_container_has_is_not_taken() -> None:
    entries = [{"name": "ephemeral-container-1"}, {"name": "ephemeral-container-2"}]
    crowded = target(containers=[{"name": "debugger", "image": "x"}], ephemeralContainers=entries)
    assert _free_name(crowded, "debugger-1") == "debugger-1"
    assert _free_name(crowded, "ephemeral-container-1") == "ephemeral-container-1-2"


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
    assert built(profile) == expected(**fields)


def test_custom_over_baseline() -> None:
    assert built("baseline", custom=CUSTOM) == expected(**CUSTOM)


def test_custom_over_restricted() -> None:
    context = {**RESTRICTED, "runAsNonRoot": False}
    assert built("restricted", custom=CUSTOM) == expected(**{**CUSTOM, "securityContext": context})


def test_custom_over_sysadmin() -> None:
    context = {**CUSTOM["securityContext"], "privileged": True}
    assert built("sysadmin", custom=CUSTOM) == expected(**{**CUSTOM, "securityContext": context})
