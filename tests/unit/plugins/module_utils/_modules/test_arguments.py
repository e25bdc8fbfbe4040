# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    MASK,
    debugger_defaults,
    masked,
    parse_request,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.ephemeral_debug import argument_spec
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import exit_code


def test_secret_leaves_are_masked_and_nothing_else() -> None:
    params = {
        "pod": "api-0",
        "env": {"X": "1"},
        "commands": ["ls", {"cmd": "echo 1", "env": {"Y": "1"}, "stdin": "1"}],
        "custom": {"env": [{"name": "Z", "value": "1"}]},
        "patch": [],
        "debug": {"env": {"X": "1"}, "ttl": 1},
    }
    spec = {**argument_spec(), "debug": {"options": {"env": {"no_log": True}, "ttl": {}}}}
    assert masked(params, spec) == {
        "pod": "api-0",
        "env": {"X": MASK},
        "commands": ["ls", {"cmd": "echo 1", "env": {"Y": MASK}, "stdin": MASK}],
        "custom": MASK,
        "patch": [],
        "debug": {"env": {"X": MASK}, "ttl": 1},
    }


def test_a_password_in_a_proxys_url_is_masked() -> None:
    shown = masked(
        {"proxy": "http://oncall:hunter2@proxy:3128", "host": "https://api:6443/a@b"}, {"proxy": {}, "host": {}}
    )
    assert shown == {"proxy": f"http://{MASK}@proxy:3128", "host": "https://api:6443/a@b"}


def test_a_kubeconfig_in_memory_is_masked_and_its_path_is_not() -> None:
    for value, shown in (({"users": ["hunter2"]}, MASK), ("~/.kube/config", "~/.kube/config"), (None, None)):
        assert masked({"kubeconfig": value}, {"kubeconfig": {"type": "raw"}}) == {"kubeconfig": shown}


def test_a_sites_defaults_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCIDENT_DISTROLESS_IMAGE", "mirror/busybox:1")
    monkeypatch.setenv("INCIDENT_DISTROLESS_TTL", "60")
    request = parse_request(debugger_defaults())
    assert (request.image, request.ttl) == ("mirror/busybox:1", 60)


@pytest.mark.parametrize("wrong", [{"ttl": "soon"}, {"ttl": 0}, {"profile": "royal"}])
def test_a_sites_default_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Failure) as caught:
        parse_request({**debugger_defaults(), **wrong})
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"status": "Success"}, 0),
        (
            {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
            },
            7,
        ),
        ({"status": "Failure", "reason": "InternalError", "code": 500}, None),
        ({}, None),
    ],
)
def test_an_exit_code_is_what_channel_3_said_and_never_assumed(status: dict[str, object], code: int | None) -> None:
    assert exit_code(status) == code
