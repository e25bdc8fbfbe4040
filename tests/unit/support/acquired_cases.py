# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case that was collected: its target, what was run and asked, and how far it came."""

from __future__ import annotations

from typing import Any

COMMAND = {
    "name": "clock",
    "rc": 0,
    "start": "2026-11-25T02:00:00Z",
    "end": "2026-11-25T02:00:01Z",
    "delta": 0.2,
    "timed_out": False,
    "dest_size": 9,
    "dest_sha256": "b" * 64,
}


TARGET = {
    "namespace": "shop",
    "pod": "api-0",
    "container": "app",
    "node": "node-1",
    "debugger": "debugger-1",
    "image": "busybox:1.37",
    "identity": {"uid": 65532},
    "isolation": "same_uid",
    "reused": False,
    "started_at": "2026-11-25T01:59:59Z",
    "mutated_by_admission": ["image"],
    "commands": [COMMAND],
}


COLLECTED = {
    "role": "evidence_bundle",
    "case_id": "case",
    "examiner": "me",
    "reason": "drill",
    "started": "2026-11-25T01:59:50Z",
    "looked": "2026-11-25T02:00:01Z",
    "ended": "2026-11-25T02:00:10Z",
    "collectors": [{"name": "clock", "command": "date", "argv": None, "suffix": "txt"}],
    "targets": [TARGET],
    "failed_targets": [
        {
            "namespace": "shop",
            "pod": "api-1",
            "container": None,
            "reason": "RbacDenied",
            "message": "may not",
            "hint": "",
        }
    ],
}


def asked(**changes: Any) -> dict[str, Any]:
    return {
        "request": "GET /api/v1/namespaces/shop/pods/api-0",
        "start": "2026-11-25T01:59:51.000Z",
        "end": "2026-11-25T01:59:51.100Z",
        "date": "Wed, 25 Nov 2026 01:59:51 GMT",
        "audit_id": "audit-1",
        "offset": 0.4,
        "uncertainty": 0.55,
        "reason": None,
        "message": None,
        "namespace": "shop",
        "pod": "api-0",
        "path": "shop/api-0/pod.json",
        "size": 5,
        "sha256": "a" * 64,
        **changes,
    }


RECORD = {"who": {"username": "me@shop"}, "cluster": {"uid": "1-2-3", "version": "v1.36.0"}, "requests": [asked()]}


OPENED = {**COLLECTED, "looked": None, "ended": None, "targets": [], "failed_targets": []}


LOOKED = {**COLLECTED, "ended": None}
