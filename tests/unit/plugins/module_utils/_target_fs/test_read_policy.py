# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, policy_of
from ansible_collections.incident.distroless.tests.unit.support.target_things import mount

TOKEN = b"/run/secrets/kubernetes.io/serviceaccount"
MOUNTS = [
    mount(1, b"/", "overlay"),
    mount(2, b"/proc", "proc"),
    mount(3, b"/dev", "tmpfs"),
    mount(4, b"/dev/shm", "tmpfs"),
    mount(5, b"/etc/credentials", "tmpfs"),
    mount(6, b"/etc/credentials/public", "ext4"),
    mount(7, b"/data"),
    mount(8, b"/host/proc", "proc"),
    mount(9, TOKEN, "tmpfs"),
    mount(10, b"/etc/key.pem", "tmpfs"),
]
SECRETS = [b"/etc/credentials", TOKEN, b"/etc/key.pem", b"/etc/unmounted"]


@pytest.fixture
def policy() -> ReadPolicy:
    return policy_of(MOUNTS, SECRETS, include_secrets=False)


@pytest.mark.parametrize(
    "path",
    [
        b"/etc/credentials",
        b"/etc/credentials/..data/password",
        TOKEN + b"/token",
        b"/etc/key.pem",
        b"/etc/unmounted/x",
        b"/var/run/secrets/x",
        b"/run/secrets",
    ],
)
def test_what_is_on_a_secret_mount_is_secret(policy: ReadPolicy, path: bytes) -> None:
    assert policy.denial(path) == "Secret"


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/etc/credentials2",
        b"/etc/credentials/public/x",
        b"/data/secrets/x",
        b"/run",
        b"/proceeds",
        b"/etc/key.pem2",
    ],
)
def test_what_is_on_other_mounts_is_not(policy: ReadPolicy, path: bytes) -> None:
    assert policy.denial(path) is None


@pytest.mark.parametrize("path", [b"/proc", b"/proc/1/environ", b"/sys/x", b"/dev/null", b"/host/proc/1/mem"])
def test_kernel_file_systems_are_left_out_wherever_they_are_mounted(policy: ReadPolicy, path: bytes) -> None:
    assert policy.denial(path) == "KernelFilesystem"
    assert b"/host/proc" in policy.pruned


def test_only_files_of_mounts_that_are_neither_may_be_read(policy: ReadPolicy) -> None:
    assert policy.readable_ids == {1, 3, 4, 6, 7}
    assert policy.secret_ids == {5, 9, 10}


def test_secrets_that_were_asked_for_may_be_read() -> None:
    policy = policy_of(MOUNTS, SECRETS, include_secrets=True)
    assert policy.denial(TOKEN + b"/token") is None
    assert {5, 9, 10} <= policy.readable_ids


def test_of_two_mounts_at_one_point_the_last_counts() -> None:
    policy = policy_of([*MOUNTS, mount(11, b"/etc/credentials", "ext4")], SECRETS, include_secrets=False)
    assert policy.secret_ids == {9, 10, 11}
    assert 5 not in policy.readable_ids


def test_what_processes_share_in_memory_is_data(policy: ReadPolicy) -> None:
    assert policy.denial(b"/dev/shm/x") is policy.denial_as_asked(b"/dev/shm") is None
    bare = policy_of([mount(1, b"/", "overlay"), mount(3, b"/dev", "tmpfs")], [], include_secrets=False)
    assert bare.denial(b"/dev/shm/x") == bare.denial_as_asked(b"/dev/shm") == "KernelFilesystem"


NODE = b"/host/var/lib/kubelet/pods/6a2b/volumes"
OTHER_WAYS = [
    *MOUNTS,
    mount(20, NODE + b"/kubernetes.io~secret/key", "tmpfs"),
    mount(21, NODE + b"/kubernetes.io~projected/token", "tmpfs"),
    mount(22, NODE + b"/kubernetes.io~csi/store/mount", "tmpfs"),
    mount(23, NODE + b"/kubernetes.io~empty-dir/vault", "tmpfs"),
    mount(24, NODE + b"/kubernetes.io~csi/pvc-1/mount", "ext4"),
    mount(25, NODE + b"/kubernetes.io~empty-dir/cache", "ext4"),
    # the target's own secret by another way, as the device says: a bind mount has another id
    replace(mount(26, b"/elsewhere", "tmpfs"), device="0:77"),
    replace(mount(27, b"/of/the/disk", "ext4"), device="8:1"),
]


def test_a_secret_is_one_by_whatever_way_it_is_reached() -> None:
    mounts = [replace(one, device="0:77") if one.point == b"/etc/credentials" else one for one in OTHER_WAYS]
    policy = policy_of(mounts, SECRETS, include_secrets=False)
    assert policy.secret_ids & set(range(20, 28)) == {20, 21, 22, 23, 26}
    assert policy.denial(NODE + b"/kubernetes.io~secret/unmounted/x") == "Secret"
    assert policy.denial(NODE + b"/kubernetes.io~csi/pvc-1/mount/x") is None
    asked = policy_of(mounts, SECRETS, include_secrets=True)
    assert asked.secret_ids == frozenset()
    assert asked.denial(NODE + b"/kubernetes.io~secret/unmounted/x") is None


def test_a_secret_on_a_disk_does_not_make_the_disk_secret() -> None:
    mounts = [
        replace(mount(1, b"/", "overlay"), device="0:50"),
        replace(mount(2, b"/keys", "ext4"), device="8:1"),
        replace(mount(3, b"/data", "ext4"), device="8:1"),
    ]
    assert policy_of(mounts, [b"/keys"], include_secrets=False).secret_ids == {2}
