# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._container import Request, base_name, build
from ansible_collections.incident.distroless.plugins.module_utils._identity import Attempt, Wish
from ansible_collections.incident.distroless.plugins.module_utils._reuse import described, recognise

CONFINED = {
    "appArmorProfile": {"type": "RuntimeDefault"},
    "seLinuxOptions": {"level": "s0:c7,c9"},
}
REQUEST = Request("busybox:1.37", None, 3600, {}, {}, [], None, ("auto",))

ATTEMPTS = [
    Attempt("baseline", "image"),
    Attempt("restricted", "match", 65532, 65532),
    Attempt("restricted", "match", 65532, 65532, CONFINED),
    Attempt("netadmin", "match", 0, 0, {"seLinuxOptions": CONFINED["seLinuxOptions"]}),
    Attempt("general", "elevated"),
]


def made(attempt: Attempt) -> dict[str, Any]:
    return build(REQUEST, attempt, base_name(REQUEST, "app"), "app")


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: f"{attempt.identity}-{len(attempt.confinement)}")
def test_what_the_same_request_made_is_found_again_as_what_it_was(attempt: Attempt) -> None:
    assert recognise(REQUEST, Wish(), made(attempt), "app") == attempt
    assert described(made(attempt)) == attempt


def test_a_debugger_of_another_shape_is_not_taken() -> None:
    manifest = made(ATTEMPTS[1])
    manifest["securityContext"]["privileged"] = True
    assert recognise(REQUEST, Wish(), manifest, "app") is None


def without_nothing(value: Any) -> Any:
    """As the API server has it: what is empty or false is left out."""
    if isinstance(value, dict):
        return {key: without_nothing(field) for key, field in value.items() if field not in ("", False, [], {})}
    return [without_nothing(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "custom",
    [
        {"env": [{"name": "EMPTY", "value": ""}]},
        {"tty": False, "stdin": False},
        {"workingDir": "", "envFrom": []},
        {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": False}]},
    ],
)
def test_what_says_nothing_and_is_left_out_by_the_api_is_no_difference(custom: dict[str, Any]) -> None:
    request, attempt = replace(REQUEST, custom=custom), Attempt("baseline", "image")
    sent = build(request, attempt, base_name(request, "app"), "app")
    kept = without_nothing(sent)
    assert kept != sent
    assert recognise(request, Wish(), kept, "app") == attempt


def test_a_uid_of_0_says_something() -> None:
    manifest = made(Attempt("restricted", "match", 0, 0))
    del manifest["securityContext"]["runAsUser"]
    assert recognise(REQUEST, Wish(), manifest, "app") != Attempt("restricted", "match", 0, 0)
