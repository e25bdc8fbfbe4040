# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._targets.secret_mounts import is_secret, secret_paths
from ansible_collections.incident.distroless.tests.unit.support.pods import target

TOKEN = {
    "name": "kube-api-access",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}, {"configMap": {}}]},
}


@pytest.mark.parametrize(
    ("volume", "secret"),
    [
        ({"name": "v", "secret": {"secretName": "keys"}}, True),
        (TOKEN, True),
        ({"name": "v", "projected": {"sources": [{"secret": {"name": "keys"}}]}}, True),
        ({"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}, {"downwardAPI": {}}]}}, False),
        ({"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}, True),
        ({"name": "v", "csi": {"driver": "ebs.csi.aws.com"}}, False),
        ({"name": "v", "emptyDir": {}}, False),
    ],
)
def test_a_volume_is_a_secret_by_its_source(volume: dict[str, Any], secret: bool) -> None:
    assert is_secret(volume) is secret


def test_the_paths_are_where_the_target_has_them_mounted_whatever_the_path() -> None:
    mounts = [
        {"name": "kube-api-access", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"},
        {"name": "data", "mountPath": "/data"},
    ]
    found = target(
        containers=[{"name": "app", "volumeMounts": mounts}], volumes=[TOKEN, {"name": "data", "emptyDir": {}}]
    )
    assert secret_paths(found) == [b"/var/run/secrets/eks.amazonaws.com/serviceaccount"]


def test_a_relative_path_counts_from_the_root_as_for_the_kubelet() -> None:
    mounts = [{"name": "keys", "mountPath": "conf/sec"}]
    volumes = [{"name": "keys", "secret": {"secretName": "keys"}}]
    assert secret_paths(target(containers=[{"name": "app", "volumeMounts": mounts}], volumes=volumes)) == [b"/conf/sec"]
