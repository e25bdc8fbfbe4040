# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API answered when it was asked about pods: objects and logs, and which of them are about a target.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values

NEVER_ASKED = "it was not asked for"


def answer(answers: Iterable[Mapping[str, Any]], **wanted: Any) -> Mapping[str, Any]:
    """Return the first answer to a question that is none of an error: what was asked again comes first. Raises ValueError where
    there is none."""
    alike = [entry for entry in answers if all(entry.get(key) == value for key, value in wanted.items())]
    if not alike:
        raise ValueError(NEVER_ASKED)
    if good := next((entry for entry in alike if not entry["error"]), None):
        return good
    raise ValueError(alike[0]["error"])


def named(objects: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the object of that name. Raises ValueError where there is none."""
    for entry in objects:
        if entry["metadata"]["name"] == name:
            return entry
    raise ValueError(f"the API has no {name}")


def is_event_of(event: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Return whether an event is about a target's pod."""
    about = event.get("involvedObject") or {}
    # a pod of the same name that was there before is another one
    return bool(about.get("name") == target["pod"] and about.get("uid", target["pod_uid"]) == target["pod_uid"])


def api_answers(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the API answered: the answers of api_objects to api_requests, and the logs of pod_logs.

    Values of environment variables are left out. Each: api, namespace, name or pod and container; objects or text; error (None
    where there is an answer).
    """
    return [
        _objects(result) if "item" in result else _log(result)
        for result in results
        if "item" in result or "log" in result
    ]


def _objects(result: Mapping[str, Any]) -> dict[str, Any]:
    asked = result["item"]
    error = result["msg"]
    objects = result.get("resources") or []
    if asked["api"] == "pod":
        objects = [without_values(entry) for entry in objects]
    return {**{key: asked[key] for key in ("api", "namespace", "name")}, "objects": objects, "error": error}


def _log(row: Mapping[str, Any]) -> dict[str, Any]:
    names = {key: row[key] for key in ("namespace", "pod", "container")}
    api = "previous_log" if row["previous"] else "log"
    return {"api": api, **names, "text": row["log"] or "", "error": row["msg"]}
