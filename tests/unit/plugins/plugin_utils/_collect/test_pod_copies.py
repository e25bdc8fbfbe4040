# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.subjects import (
    copies_to_make,
    subjects,
    with_copies,
)
from ansible_collections.incident.distroless.tests.unit.support import pods

NOW = "2026-11-24T11:00:00Z"
ENDED = {"exitCode": 1, "finishedAt": "2026-11-24T10:59:00Z"}
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": ENDED}}
FINE = {"state": {"running": {"startedAt": "2026-11-24T10:00:00Z"}}}


def again(started_at: str) -> dict[str, Any]:
    """A container that ended, and runs again since then."""
    return {"state": {"running": {"startedAt": started_at}}, "lastState": {"terminated": ENDED}}


def waiting(reason: str) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}}


def pod(
    name: str = "api-0", phase: str = "Running", owner: str = "", annotations: Any = None, **row: Any
) -> dict[str, Any]:
    owners = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}] if owner else []
    return pods.pod(
        name,
        phase=phase,
        containers=[{"name": "app"}, {"name": "proxy"}],
        initContainers=[{"name": "prepare"}],
        rows={"app": row, "proxy": FINE},
        metadata={"uid": f"uid-{name}", "annotations": annotations or {}, "ownerReferences": owners},
    )


def to_make(*pods: dict[str, Any], salt: str = "salt", container: str = "app") -> list[dict[str, Any]]:
    answers = [{"api": "pod", "namespace": "shop", "name": None, "objects": list(pods), "error": None}]
    found = {"targets": [{"namespace": "shop", "pod": entry["metadata"]["name"], "node": None} for entry in pods]}
    return copies_to_make(subjects(found, answers, container, NOW)["targets"], answers, NOW, salt)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (pod(**CRASHED), "does not stay up"),
        (pod(**again("2026-11-24T10:59:01Z")), "does not stay up"),
        (pod(**again("2026-11-24T10:50:00Z")), None),
        (pod(**FINE), None),
        (pod(phase="Failed", state={"terminated": ENDED}), "has finished"),
        (pod(phase="Succeeded", state={"terminated": {**ENDED, "exitCode": 0}}), "has finished"),
        (pod(annotations={"kubernetes.io/config.mirror": "x"}, **FINE), "is static"),
        (pod(phase="Pending", **waiting("RegistryUnavailable")), None),
        (pod(phase="Pending", **waiting("SignatureValidationFailed")), None),
        (pod(**waiting("RunContainerError")), "does not stay up"),
        # the copy would come no further than the original
        (pod(**waiting("ImagePullBackOff")), None),
        (pod(**waiting("CreateContainerConfigError")), None),
        (pod(phase="Pending", **waiting("ContainerCreating")), None),
    ],
)
def test_a_copy_is_made_of_what_cannot_be_looked_into_as_it_is(found: dict[str, Any], why: str | None) -> None:
    assert [row["why"] for row in to_make(found)] == ([why] if why else [])


def test_no_copy_is_made_of_an_init_container() -> None:
    crashed = pod(**FINE)
    crashed["status"]["initContainerStatuses"] = [{"name": "prepare", **CRASHED}]
    assert to_make(crashed, container="prepare") == []


def test_of_the_pods_of_one_controller_the_first_stands_for_all() -> None:
    pods = [pod("api-0", owner="api", **CRASHED), pod("api-1", owner="api", **CRASHED), pod("db-0", **CRASHED)]
    assert [row["pod"] for row in to_make(*pods)] == ["api-0", "db-0"]


def test_a_copy_has_a_name_of_its_own_each_time() -> None:
    (first,), (second,) = to_make(pod(**CRASHED)), to_make(pod(**CRASHED), salt="other")
    assert first["copy_to"] != second["copy_to"]
    assert first["copy_to"].startswith("api-0-triage-")
    (long,) = to_make(pod("a" * 253, **CRASHED))
    assert len(long["copy_to"]) == 253


def test_what_runs_once_more_is_named() -> None:
    (row,) = to_make(pod(**CRASHED))
    assert (row["inits"], row["others"]) == (["prepare"], ["proxy"])


def test_the_program_and_the_places_to_write_are_the_spec_s() -> None:
    crashed = pod(**CRASHED)
    app = crashed["spec"]["containers"][0]
    app["command"] = ["/app", "serve"]
    kinds = {"work": "emptyDir", "data": "persistentVolumeClaim", "config": "configMap", "frozen": "emptyDir"}
    crashed["spec"]["volumes"] = [{"name": name, kind: {}} for name, kind in kinds.items()]
    app["volumeMounts"] = [{"name": name, "mountPath": f"/{name}/", "readOnly": name == "frozen"} for name in kinds]
    (row,) = to_make(crashed)
    assert (row["program"], row["points"]) == ("/app", "/work\n/data")
    assert to_make(pod(**CRASHED))[0]["program"] == ""


LOOKED = {
    "target_identity": {"uid": 65532, "gid": 65532},
    "identity": {"uid": 65532, "gid": 65532},
    "isolation": "same_uid",
    "profile": "restricted",
    "image": "busybox:1.37",
    "debugger": "debugger-1",
    "root_readable": True,
    "commands": [{"name": "program", "rc": 0}],
}
MADE = {"node": "node-1", "expires_at": "2026-11-24T11:15:00Z", "warnings": ["claim data is shared"]}
FAILED = {
    "namespace": "shop",
    "pod": "api-0-triage-1",
    "reason": "RbacDenied",
    "message": "no",
    "hint": "Grant create.",
}
NOTHING: dict[str, Any] = {"targets": [], "failed_targets": []}
SKIPPED = {"skipped": True, "changed": False}


def came(**results: Any) -> dict[str, Any]:
    steps = {name: {"targets": [{}], "failed_targets": []} for name in ("asked", "deleted")}
    steps |= {"made": {"targets": [MADE], "failed_targets": []}, "looked": {"targets": [LOOKED], "failed_targets": []}}
    (original,) = to_make(pod(**CRASHED))
    return {"original": original, **steps, **results}


def known(*copies: dict[str, Any]) -> dict[str, Any]:
    target = {"namespace": "shop", "pod": "api-0", "pod_uid": "uid-api-0", "container": "app", "commands": []}
    (only,) = with_copies([target], copies)
    return only


def test_what_was_seen_in_the_copy_is_known_of_the_original() -> None:
    target = known(came())
    assert (target["pod"], target["debugger"], target["isolation"]) == ("api-0", "debugger-1", "same_uid")
    assert target["commands"] == LOOKED["commands"]
    copied = target["copied"]
    assert copied["pod"].startswith("api-0-triage-")
    assert (copied["node"], copied["warnings"]) == ("node-1", ["claim data is shared"])
    assert (copied["failure"], copied["left"]) == (None, None)


def test_a_target_without_a_copy_is_as_it_was() -> None:
    assert known()["copied"] is None
    assert known({**came(), "original": {**came()["original"], "pod_uid": "another"}})["copied"] is None


@pytest.mark.parametrize(
    "results",
    [
        {"asked": {"failed_targets": [FAILED]}, "made": SKIPPED, "looked": SKIPPED},
        {"made": {"targets": [], "failed_targets": [FAILED]}, "looked": SKIPPED},
        {"looked": {"targets": [], "failed_targets": [FAILED]}},
    ],
)
def test_the_step_that_failed_says_why(results: dict[str, Any]) -> None:
    target = known(came(**results))
    assert target["copied"]["failure"] == {"reason": "RbacDenied", "message": "no", "hint": "Grant create."}
    assert target["commands"] == []


def test_a_task_that_ended_without_a_result_says_its_message() -> None:
    failed = {"failed": True, "msg": "ttl is no number"}
    assert known(came(asked=failed, made=SKIPPED, looked=SKIPPED))["copied"]["failure"]["message"] == "ttl is no number"


def test_a_copy_that_could_not_be_deleted_is_still_there() -> None:
    assert known(came(deleted={"targets": [], "failed_targets": [FAILED]}))["copied"]["left"]["reason"] == "RbacDenied"
