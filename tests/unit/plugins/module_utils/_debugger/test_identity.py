# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    TargetIdentity,
    first_attempts,
    known_identity,
    next_attempts,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import target

AUTO = IdentityRequest()


def app(**context: Any) -> dict[str, Any]:
    return {"name": "app", "securityContext": context}


def attempts(wish: IdentityRequest = AUTO, **kwargs: Any) -> list[Attempt]:
    found = target(**kwargs)
    return first_attempts(wish, found, known_identity(found))


def test_the_kubelets_word_wins_over_the_spec() -> None:
    found = known_identity(
        target(
            containers=[app(runAsUser=1234, runAsGroup=4321)],
            user={"uid": 1234, "gid": 0, "supplementalGroups": [5, 0]},
        )
    )
    assert (found.uid, found.gid, found.supplemental_groups, found.source) == (1234, 0, (0, 5), "api")


def test_the_containers_spec_wins_over_the_pods() -> None:
    found = known_identity(target(containers=[app(runAsUser=7)], securityContext={"runAsUser": 9, "runAsGroup": 10}))
    assert (found.uid, found.gid, found.source) == (7, 10, "spec")


def test_without_a_group_in_the_spec_it_is_zero() -> None:
    assert known_identity(target(containers=[app(runAsUser=7)])).gid == 0


def test_an_image_user_is_unknown_to_the_api() -> None:
    assert known_identity(target()).source == "unknown"


def test_a_target_that_is_not_root_is_matched_by_uid_and_gid_with_no_capabilities() -> None:
    assert attempts(user={"uid": 65532, "gid": 65532}) == [
        Attempt("restricted", "match", 65532, 65532),
        Attempt("baseline", "match", 65532, 65532),
    ]


def test_a_root_target_needs_the_images_own_root() -> None:
    assert attempts(user={"uid": 0, "gid": 0}) == [Attempt("baseline", "image")]


def test_a_root_target_in_a_pod_that_says_otherwise_gets_root_explicitly() -> None:
    assert attempts(user={"uid": 0, "gid": 0}, securityContext={"runAsUser": 5}) == [Attempt("baseline", "match", 0, 0)]


def test_a_root_target_with_network_capabilities_needs_the_same_ones() -> None:
    assert (
        attempts(user={"uid": 0, "gid": 0}, containers=[app(capabilities={"add": ["NET_ADMIN"]})])[0].profile
        == "netadmin"
    )


def test_an_unknown_target_is_learned_from_inside_even_where_root_is_not_admitted() -> None:
    assert attempts() == [Attempt("baseline", "image"), Attempt("restricted", "match", 65532, 65532)]


STRANGERS = [Attempt("restricted", "match", 65532, 65532), Attempt("baseline", "match", 65532, 65532)]
NON_ROOT = {"runAsNonRoot": True}


def test_an_unknown_target_that_is_not_root_is_begun_with_one_that_is_not() -> None:
    # the kubelet would never start our image's root where the pod says so, and it could not read such a target anywhere
    for made in (attempts(securityContext=NON_ROOT), attempts(containers=[app(runAsNonRoot=True)])):
        assert made == [*STRANGERS, Attempt("baseline", "image")]


def test_a_container_that_takes_back_its_pods_word_is_root_and_so_is_its_debugger() -> None:
    root = Attempt("baseline", "match", 0, 0, is_root_allowed=True)
    own = [app(runAsNonRoot=False)]
    assert attempts(containers=own, securityContext=NON_ROOT) == [root, STRANGERS[0]]
    assert attempts(user={"uid": 0, "gid": 0}, containers=own, securityContext=NON_ROOT) == [root]
    asked = attempts(IdentityRequest(run_as_user=0), containers=own, securityContext=NON_ROOT)
    assert [attempt.is_root_allowed for attempt in asked] == [True]
    assert not attempts(IdentityRequest(run_as_user=0))[0].is_root_allowed


@pytest.mark.parametrize("profile", ["general", "baseline", "restricted", "netadmin", "sysadmin"])
def test_a_named_profile_is_the_only_one_tried(profile: str) -> None:
    assert {attempt.profile for attempt in attempts(IdentityRequest(profile=profile), user={"uid": 5, "gid": 5})} == {
        profile
    }


def test_run_as_overrides_identity() -> None:
    assert attempts(IdentityRequest(run_as_user=12, run_as_group=13), user={"uid": 5, "gid": 5})[0] == Attempt(
        "restricted", "image", 12, 13
    )


def test_elevated_is_asked_for_by_name() -> None:
    assert attempts(IdentityRequest(identity="elevated"), user={"uid": 5, "gid": 5}) == [Attempt("general", "elevated")]


def learned(uid: int, gid: int) -> TargetIdentity:
    return TargetIdentity(uid, gid, (), (), "process")


STARTED_AS_ROOT = (0, 0)


def test_what_was_learned_inside_is_matched_once() -> None:
    further = next_attempts(AUTO, target(), learned(4321, 4321), Attempt("baseline", "image"), STARTED_AS_ROOT)
    assert further[0] == Attempt("restricted", "match", 4321, 4321)


def test_what_matched_already_is_not_tried_again() -> None:
    assert next_attempts(AUTO, target(), learned(5, 5), Attempt("restricted", "match", 5, 5), (5, 5)) == []


def test_a_debugger_that_was_the_targets_equal_by_its_image_is_not_tried_again() -> None:
    tried = Attempt("baseline", "image")
    assert next_attempts(AUTO, target(), learned(0, 0), tried, STARTED_AS_ROOT) == []
    elevated = next_attempts(IdentityRequest(allow_elevated=True), target(), learned(0, 0), tried, STARTED_AS_ROOT)
    assert elevated == [Attempt("general", "elevated")]


def test_no_equal_is_tried_of_a_target_that_is_not_dumpable() -> None:
    tried = Attempt("baseline", "image")
    for wish, further in ((AUTO, []), (IdentityRequest(allow_elevated=True), [Attempt("general", "elevated")])):
        assert next_attempts(wish, target(), learned(5, 5), tried, STARTED_AS_ROOT, is_dumpable=False) == further


def test_a_debug_image_that_is_not_root_is_told_to_be_it_for_a_root_target() -> None:
    further = next_attempts(AUTO, target(), learned(0, 0), Attempt("baseline", "image"), (1000, 1000))
    assert further == [Attempt("baseline", "match", 0, 0)]


def test_roots_group_is_matched_too() -> None:
    further = next_attempts(AUTO, target(), learned(0, 70), Attempt("baseline", "image"), STARTED_AS_ROOT)
    assert further == [Attempt("baseline", "match", 0, 70)]


def test_auto_never_elevates_unless_allowed() -> None:
    tried = Attempt("restricted", "match", 5, 5)
    allowed, matching = IdentityRequest(allow_elevated=True), IdentityRequest(identity="match", allow_elevated=True)
    assert next_attempts(allowed, target(), learned(5, 5), tried, (5, 5)) == [Attempt("general", "elevated")]
    assert next_attempts(matching, target(), learned(5, 5), tried, (5, 5)) == []


CONFINED = {
    "appArmorProfile": {"type": "Localhost", "localhostProfile": "shop"},
    "seLinuxOptions": {"level": "s0:c7,c9"},
}


def confined(**more: Any) -> list[dict[str, Any]]:
    """A container with a profile and a label of its own."""
    return [{"name": "app", "image": "shop/api:1", "securityContext": {**CONFINED, **more}}]


@pytest.mark.parametrize("uid", [0, 5])
def test_a_matched_debugger_is_confined_as_its_target_is(uid: int) -> None:
    made = attempts(user={"uid": uid, "gid": uid}, containers=confined(readOnlyRootFilesystem=True))
    assert made
    assert all((attempt.identity, attempt.confinement) == ("match", CONFINED) for attempt in made)


def test_an_identity_that_is_not_the_targets_takes_nothing_of_its_confinement() -> None:
    for wish in (
        IdentityRequest(identity="image"),
        IdentityRequest(identity="elevated"),
        IdentityRequest(run_as_user=7),
    ):
        made = attempts(wish, user={"uid": 5, "gid": 5}, containers=confined())
        assert all(attempt.confinement == {} for attempt in made)
