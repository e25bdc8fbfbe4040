# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster of the unit tests answers as a real API server did: see support/recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.api_questions import (
    IMAGE,
    QUESTIONS,
    Door,
    Outline,
    recorded,
)
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import TOKEN, FakeCluster, fake_cluster
from ansible_collections.incident.distroless.tests.unit.support.kubelets import Object, runs, with_running

# what a real server and its kubelets say beside, and nothing of ours reads
LEFT_OUT = frozenset(
    "tolerations conditions observedGeneration hostIP hostIPs podIP podIPs resources user "
    "buildDate compiler emulationMajor emulationMinor gitCommit gitTreeState goVersion minCompatibilityMajor "
    "minCompatibilityMinor".split()
)
# of a Pod Security refusal the API server makes the words, and the fake's admission is whatever a test says
WORDS = (
    'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "app" must set '
    'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "app" must set '
    'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "app" must set '
    'securityContext.runAsNonRoot=true), seccompProfile (pod or container "app" must set '
    'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
)


def kubelet(cluster: FakeCluster, pod: Object) -> Iterator[Object | None]:
    """The pods of the questions on their node, or without one."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    if pod["spec"]["schedulerName"] == "nobody":
        return
    if pod["spec"]["containers"][0]["image"] != IMAGE:
        words = 'Container image "nowhere:1" is not present with pull policy of Never'
        yield with_running(pod, "app", reason="ErrImageNeverPull", message=words)
        return
    cluster.state.logs[namespace, name, "app", False] = b"one\ntwo\n"
    yield from runs(pod)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Outline]]:
    """What the fake cluster says to each question."""
    with fake_cluster() as cluster:
        state = cluster.state
        state.kubelet = lambda pod: kubelet(cluster, pod)

        def restricted(pod: Object) -> str | None:
            namespace = state.get(pod["metadata"]["namespace"], "", "namespaces")
            return WORDS if "pod-security.kubernetes.io/enforce" in namespace["metadata"]["labels"] else None

        state.admission = restricted
        yield Door(cluster.url, headers={"Authorization": f"Bearer {TOKEN}"}).ask_all()


def comparable(outline: Outline, left_out: frozenset[str] = frozenset()) -> Any:
    """An outline without what is left out; of a message the first line: then a real server shows differences in its own structs."""
    if isinstance(outline, dict):
        return {key: comparable(part, left_out) for key, part in outline.items() if key not in left_out}
    if isinstance(outline, list):
        return [comparable(part, left_out) for part in outline]
    return outline.partition("\n")[0] if isinstance(outline, str) else outline


@pytest.mark.parametrize("question", [question.name for question in QUESTIONS])
def test_the_fake_cluster_answers_as_a_real_one_did(answers: dict[str, Outline], question: str) -> None:
    assert comparable(answers[question], LEFT_OUT) == comparable(recorded()[question], LEFT_OUT)


def test_each_recorded_answer_is_one_to_a_question_that_is_asked() -> None:
    assert list(recorded()) == [question.name for question in QUESTIONS]
