# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod that is put into quarantine, what stands around it, and what is judged of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.isolation import (
    Surroundings,
    isolation,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import (
    plan,
)

from . import pods

LABELS = {"app": "api", "pod-template-hash": "5d4f"}


RECORDED = {"at": "2026-11-25T02:00:00Z", "by": "oncall", "reason": "", "reached": ["10.0.0.1:443"]}


def pod(labels: dict[str, str] | None = None, kind: str | None = "ReplicaSet", **metadata: Any) -> dict[str, Any]:
    owner = [{"kind": kind, "name": "api-5d4f", "controller": True}] if kind else []
    about = {"uid": "uid-1", "labels": LABELS if labels is None else labels, "ownerReferences": owner}
    return pods.pod(metadata={**about, **metadata})


def service(name: str, selector: dict[str, str] | None) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": selector}}


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"podSelector": {}, **spec}}


def planned(given: dict[str, Any], **options: Any) -> dict[str, Any]:
    services = options.pop("services", [service("api", {"app": "api"}), service("db", {"app": "db"})])
    record = {**RECORDED, "case": "quarantine-1"}
    return plan(given, services, **{"is_forced": False, "keep_labels": [], "record": record, **options})


def patched(before: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The pod after the API took a merge patch, released by its controller."""
    after = {key: value for key, value in before["metadata"].items() if key != "ownerReferences"}
    for part in ("labels", "annotations"):
        merged = {**(after.get(part) or {}), **patch["metadata"][part]}
        after[part] = {key: value for key, value in merged.items() if value is not None}
    return {**before, "metadata": after}


def looked(*peers: tuple[str, int, int], sockets: str = "==> tcp\n") -> list[dict[str, Any]]:
    """A target in which peers (host, port, code of nc) were reached for."""
    lines = "".join(f"given {host} {port} no {code} 0 _\n" for host, port, code in peers)
    rows = [{"name": "sockets", "rc": 0, "stdout": sockets}, {"name": "reach", "rc": 0, "stdout": lines}]
    return [{"commands": rows}]


GONE = looked(("10.0.0.1", 443, 143))


def judged(
    given: dict[str, Any] | None = None,
    others: list[dict[str, Any]] | None = None,
    services: list[dict[str, Any]] | None = None,
    slices: list[dict[str, Any]] | None = None,
    successors: Sequence[str] = ("api-1",),
    **options: Any,
) -> dict[str, Any]:
    """Return what comes of a pod after it was put into quarantine beside other policies."""
    before = pod()
    made = planned(before)
    after = given or patched(before, made["patch"])
    around = Surroundings([made["policy"], *(others or [])], services or [], slices or [], successors, wanted=1)
    return isolation(after, around, **{"plan": made, "looked": GONE, "fail_on": "fail", **options})
