# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import given_up
from ansible_collections.incident.distroless.plugins.module_utils._k8s import waiting


def state(reason: str, message: str | None = None) -> dict[str, Any]:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


@pytest.mark.parametrize("reason", sorted(waiting.NO_IMAGE))
def test_an_image_that_was_refused_is_what_was_wrong_when_the_time_is_over(reason: str) -> None:
    words = waiting.words(state(reason, "no such host"))
    failure = given_up("waiting", state(reason), words, Deadline(3))
    assert (failure.reason, words in failure.message) == ("ImagePullFailed", True)


@pytest.mark.parametrize("last", [{}, state("ContainerCreating"), {"running": {}}, {"waiting": None}])
def test_a_time_that_is_over_before_the_kubelet_said_no_is_a_time_that_is_over(last: dict[str, Any]) -> None:
    assert given_up("waiting", last, "", Deadline(3)).reason == "WaitTimeout"


@pytest.mark.parametrize("reason", ["ErrImagePull", "RegistryUnavailable", "ContainerCreating", "PodInitializing", ""])
def test_what_the_kubelet_tries_again_is_waited_for(reason: str) -> None:
    assert not waiting.is_hopeless(state(reason))


@pytest.mark.parametrize(
    "reason",
    ["ImagePullBackOff", "SignatureValidationFailed", "CreateContainerError", "PreStartHookError", "CrashLoopBackOff"],
)
def test_what_does_not_come_by_itself_is_not_waited_for(reason: str) -> None:
    assert waiting.is_hopeless(state(reason))


def test_words_are_the_kubelets_own() -> None:
    assert waiting.words(state("ErrImagePull", "not found")) == "ErrImagePull: not found"
    assert (waiting.words(state("ContainerCreating")), waiting.words({"running": {}})) == ("ContainerCreating", "")
