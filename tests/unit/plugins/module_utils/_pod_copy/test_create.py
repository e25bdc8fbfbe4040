# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    known_identity,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.create import copy_attempts, ends_at, serves
from ansible_collections.incident.distroless.tests.unit.support.pod_copies import (
    copied,
    copy_request,
    debug_request,
    original,
)

START = "2026-11-23T03:00:00Z"


def running(ttl: int = 600, **status: Any) -> dict[str, Any]:
    return {**copied(debug=debug_request(ttl=ttl)), "status": {"phase": "Running", "startTime": START, **status}}


def found(pod: dict[str, Any], after: float = 0, **changes: Any) -> bool:
    return serves(pod, original(), copy_request(**changes), epoch(START) + after)


def test_the_copy_of_the_same_request_serves() -> None:
    assert found(running())


def test_the_copy_of_another_request_does_not() -> None:
    assert not found(running(), hold=True)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_copy_that_has_ended_does_not(phase: str) -> None:
    assert not found(running(phase=phase))


def test_a_copy_that_is_being_deleted_does_not() -> None:
    pod = running()
    pod["metadata"]["deletionTimestamp"] = START
    assert not found(pod)


def test_someone_elses_pod_of_that_name_does_not() -> None:
    pod = running()
    pod["metadata"]["labels"] = {}
    assert not found(pod)


def test_one_that_is_about_to_end_does_not() -> None:
    assert found(running(ttl=600), after=539)
    assert not found(running(ttl=600), after=541)
    assert not found(running(ttl=7200), after=7200 - 59)


def test_one_that_has_no_node_yet_has_all_its_time() -> None:
    pod = running()
    pod["status"] = {"phase": "Pending"}
    assert ends_at(pod) is None
    assert found(pod)


def test_the_debug_container_matches_a_target_that_is_known() -> None:
    known = original(user={"uid": 65532, "gid": 65532})
    first, second = copy_attempts(IdentityRequest(), known, known_identity(known))
    assert first == Attempt("restricted", "match", 65532, 65532)
    assert second.profile == "baseline"


def test_elevated_is_taken_only_where_allowed_and_nobody_knows_the_target() -> None:
    unknown, known = original(), original(user={"uid": 7, "gid": 7})
    allowed = IdentityRequest(allow_elevated=True)
    assert copy_attempts(allowed, unknown, known_identity(unknown))[0] == Attempt("general", "elevated")
    assert all(attempt.identity != "elevated" for attempt in copy_attempts(allowed, known, known_identity(known)))
    assert all(
        attempt.identity != "elevated" for attempt in copy_attempts(IdentityRequest(), unknown, known_identity(unknown))
    )
