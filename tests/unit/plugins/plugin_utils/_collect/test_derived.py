# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read off several facts: which code an image did not bring, beside what looks alike and is all right."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import odd_code
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.disk import mountinfo
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.processes import loaded

MOUNTS = b"""\
300 290 0:80 / / rw,relatime - overlay overlay rw,lowerdir=/l
301 300 0:81 / /proc rw,nosuid - proc proc rw
302 300 0:82 / /dev/shm rw,nosuid - tmpfs shm rw
310 300 254:0 /kubelet/pods/u/volumes/kubernetes.io~empty-dir/plugins /app/plugins rw,relatime - ext4 /dev/vda rw
311 300 254:0 /kubelet/pods/u/volumes/kubernetes.io~empty-dir/agent /agent ro,relatime - ext4 /dev/vda rw
312 300 254:0 /usr/lib/libcuda.so.535 /usr/lib/x86_64-linux-gnu/libcuda.so.535 ro,nosuid - ext4 /dev/vda rw
313 300 254:0 /kubelet/pods/u/volumes/kubernetes.io~empty-dir/plugins/x /app/plugins/shipped ro,relatime - ext4 /dev/vda rw
"""


def code(lines: str, exe: str = "/usr/bin/python3.13") -> dict[str, Any]:
    """What is odd of process 7, by what the collector printed."""
    processes = [{"pid": 7, "name": "app", "uid": 65532, "exe": exe}]
    return odd_code(loaded(lines.encode()), processes, mountinfo(MOUNTS))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/var/tmp/.font-cache/libselinux.so.2", "a place for temporary files"),
        ("/dev/shm/p", "a place for temporary files"),
        ("/run/lock/x y.so", "a place for temporary files"),
        ("/usr/lib/libcrypt.so.1 (deleted)", "which is deleted"),
        ("/opt/lib (deleted)/x.so (deleted)", "which is deleted"),
        ("/memfd:m (deleted)", "which is in no file system"),
        ("/app/plugins/auth.so", "in /app/plugins, which is mounted and can be written to"),
    ],
)
def test_code_that_no_image_brought(path: str, why: str) -> None:
    (row,) = code(f"7 m {path}\n")["rows"]
    assert (row["path"], row["why"]) == (path.removesuffix(" (deleted)"), why)


@pytest.mark.parametrize(
    ("path", "exe"),
    [
        ("/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "/usr/bin/redis-server"),
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.535", "/usr/bin/python3"),
        ("/agent/launcher.preload.so", "/usr/bin/node"),
        ("/app/plugins/shipped/auth.so", "/app/server"),
        ("/application/plugins.so", "/app/server"),
        ("/tmpl/engine.so", "/app/server"),
        # its own file, which is judged as that
        ("/tmp/helper (deleted)", "/tmp/helper"),
    ],
)
def test_code_that_an_image_or_its_node_brought(path: str, exe: str) -> None:
    found = code(f"7 m {path}\n7 e LD_PRELOAD\n", exe)
    assert (found["rows"], found["told"]) == ([], ["app"])


UNPACKED = [
    ("/tmp/libnetty_transport_native_epoll_x86_6412.so (deleted)", "/usr/lib/jvm/17/bin/java"),
    ("/tmp/hsperf/own-name.tmp", "/opt/java/openjdk/bin/java"),
    ("/tmp/_MEIx7Qp2a/libpython3.12.so.1.0", "/app/cli"),
    ("/var/tmp/.net/shop/Xy1=/libSystem.Native.so", "/app/shop"),
    ("/tmp/snappy-1.1.10-a-libsnappyjava.so", "/app/native-image"),
]


@pytest.mark.parametrize(("path", "exe"), UNPACKED)
def test_what_a_program_unpacks_for_itself_is_counted(path: str, exe: str) -> None:
    found = code(f"7 m {path}\n", exe)
    assert (found["rows"], found["unpacked"]) == ([], 1)


@pytest.mark.parametrize(("path", "exe"), UNPACKED)
def test_what_the_loader_was_told_to_take_from_there_is_none_of_that(path: str, exe: str) -> None:
    (row,) = code(f"7 m {path}\n7 e LD_AUDIT\n", exe)["rows"]
    assert row["told"] == ["LD_AUDIT"]


def test_of_a_process_that_is_in_no_table_nothing_is_said() -> None:
    found = code("8 m /tmp/x.so\n8 e LD_PRELOAD\n")
    assert found == {"rows": [], "unpacked": 0, "told": []}
