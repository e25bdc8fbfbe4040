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
        ({"name": "v", "csi": {"driver": "secrets-store-gke.csi.k8s.io"}}, True),
        ({"name": "v", "csi": {"driver": "csi.sharedresource.openshift.io"}}, True),
        ({"name": "v", "csi": {"driver": "of.a.site.of.its.own"}}, True),
        ({"name": "v", "csi": {"driver": "nfs.csi.k8s.io"}}, False),
        ({"name": "v", "projected": {"sources": [{"podCertificate": {"signerName": "a/b"}}]}}, True),
        ({"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"name": "ca"}}]}}, False),
        ({"name": "v", "flexVolume": {"driver": "azure/kv"}}, True),
        ({"name": "v", "flexVolume": {"driver": "ceph.rook.io/rook"}}, False),
        ({"name": "v", "emptyDir": {}}, False),
        ({"name": "v", "emptyDir": {"medium": "Memory"}}, False),
        ({"name": "home-secrets", "emptyDir": {"medium": "Memory"}}, True),
        ({"name": "linkerd-identity-end-entity", "emptyDir": {"medium": "Memory"}}, True),
        ({"name": "workload-certs", "emptyDir": {"medium": "Memory"}}, True),
        ({"name": "consul-connect-inject-data", "emptyDir": {"medium": "Memory"}}, True),
        ({"name": "monkeys", "emptyDir": {"medium": "Memory"}}, False),
        ({"name": "vault-secrets", "emptyDir": {}}, False),
    ],
)
def test_a_volume_is_a_secret_by_its_source(volume: dict[str, Any], secret: bool) -> None:
    assert is_secret(volume) is secret


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("/vault/secrets", True),
        ("/openbao/secrets", True),
        ("/dev/shm", False),
        ("/cache", False),
        ("/secretary", False),
    ],
)
def test_memory_is_a_secret_by_where_it_is_mounted(path: str, secret: bool) -> None:
    mounts = [{"name": "memory", "mountPath": path}]
    volumes = [{"name": "memory", "emptyDir": {"medium": "Memory"}}]
    found = secret_paths(target(containers=[{"name": "app", "volumeMounts": mounts}], volumes=volumes))
    assert found == ([path.encode()] if secret else [])


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
