# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What secret collectors printed is known by where it lies: a play that was cut off has told nobody whom it looked at."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import secret_paths


def collector(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "suffix": "txt", "file": None, "secret": True, **more}


COLLECTORS = [
    collector("environment_values"),
    collector("core", suffix="bin"),
    collector("kubelet", file="api_before/{namespace}/{pod}/kubelet.json"),
    collector("processes", secret=False),
]


@pytest.mark.parametrize(
    "path",
    [
        b"shop/api-0/app/environment_values.txt",
        b"other/api-1/proxy/environment_values.txt",
        # parsed by what prints all of it
        b"shop/api-0/app/environment_values.json",
        b"shop/api-0/app/core.bin",
        b"api_before/shop/api-0/kubelet.json",
        # while they were being written
        b"shop/api-0/app/.incident-distroless.0123456789abcdef.part",
        b"shop/api-0/app/.environment_values.json.partial",
        b"api_before/shop/api-0/.incident-distroless.0123456789abcdef.part",
    ],
)
def test_what_a_secret_collector_printed_is_secret_in_the_folder_of_any_target(path: bytes) -> None:
    assert secret_paths(COLLECTORS).fullmatch(path)


@pytest.mark.parametrize(
    "path",
    [
        b"shop/api-0/app/processes.txt",
        b"shop/api-0/app/environment_values.txt.old",
        b"shop/api-0/app/environment_valuesXtxt",
        # of the pod, which names its files as it likes
        b"fetched_files/shop/api-0/environment_values.txt",
        b"fetched_files/shop/api-0/app/environment_values.txt",
        b"api_after/shop/api-0/environment_values.txt",
        b"api_before/shop/api-0/more/kubelet.json",
        b"environment_values.txt",
    ],
)
def test_another_file_is_not(path: bytes) -> None:
    assert not secret_paths(COLLECTORS).fullmatch(path)


def test_where_no_collector_is_secret_no_file_is() -> None:
    found = secret_paths([collector("processes", secret=False)])
    for path in (b"", b"shop/api-0/app/processes.txt", b"shop/api-0/app/.incident-distroless.0123456789abcdef.part"):
        assert not found.fullmatch(path)
