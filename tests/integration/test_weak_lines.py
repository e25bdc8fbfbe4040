# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files come home over a line that breaks again and again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, pod_manifest
from .cutting import cutting

SIZE = 64 << 20
BLOB = "/data/blob.bin"


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 with a file of 64 MiB."""
    kubectl.apply(
        pod_manifest("api", "incident.test/app:nonroot", container={"args": ["--blob-size", str(SIZE), "--seed", "7"]})
    )
    kubectl.wait_until_running("api")
    return "api"


@pytest.mark.parametrize("checksum", [True, False])
def test_a_large_file_comes_home_through_a_proxy_that_cuts_every_stream(
    kubectl: Kubectl, call: Play, app: str, tmp_path: Path, kubeconfig: dict[str, Any], checksum: bool
) -> None:
    with cutting(kubeconfig["clusters"][0]["cluster"]["server"], 9 << 20) as proxy:
        kubeconfig["clusters"][0]["cluster"]["server"] = proxy.url
        played = call(
            "proc_fs_fetch",
            pod=app,
            kubeconfig=kubeconfig,
            src=[BLOB],
            dest=str(tmp_path / "home"),
            retries=1,
            checksum=checksum,
            compress="none",
        )
    assert not played.result.get("failed"), played["msg"]
    (row,) = played["files"]
    truth = kubectl.hashes(app, BLOB)[BLOB]
    assert hashlib.sha256(Path(row["dest"]).read_bytes()).hexdigest() == truth == row["sha256"]
    # nothing was sent twice, but for what was on its way when a stream was cut
    assert proxy.cuts >= SIZE // proxy.limit
    assert played["stats"]["transferred_bytes"] == SIZE
