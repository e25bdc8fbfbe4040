# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small things of a target that tests are about: a file, a directory, a link, a mount."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.mountinfo import Mount

TARGET = {
    "namespace": "shop",
    "pod": "app-0",
    "container": "app",
    "pod_uid": "11111111-2222-3333-4444-555555555555",
    "container_id": "containerd://0123",
    "cluster": "99999999-2222-3333-4444-555555555555",
}


def entry(path: bytes, type: str = "file", size: int = 5, **changes: Any) -> Entry:  # noqa: A002
    """A thing at path as a listing gives it."""
    fields: dict[str, Any] = {
        "mode": 0o644,
        "uid": 65532,
        "gid": 65532,
        "dev": 66,
        "ino": 1000 + len(path),
        "nlink": 1,
        "blocks": 8,
        "atime_ns": 1_700_000_001_000_000_001,
        "mtime_ns": 1_700_000_000_500_000_000,
        "ctime_ns": 1_700_000_000_500_000_002,
        "link": None,
    }
    return Entry(path=path, type=type, size=size, **{**fields, **changes})  # type: ignore[arg-type]


def link(path: bytes, text: bytes) -> Entry:
    """A link with that text."""
    return entry(path, "link", len(text), link=text, mode=0o777)


def mount(number: int, point: bytes, fstype: str = "ext4") -> Mount:
    """Something mounted at point."""
    return Mount(id=number, parent=1, device=f"8:{number}", root=b"/", point=point, fstype=fstype, source="none")


@contextlib.contextmanager
def named_process(name: str, script: str = "") -> Iterator[int]:
    """A process of this machine that gives itself a name, after a script in Python: its pid."""
    # include/uapi/linux/prctl.h, PR_SET_NAME
    rename = f"import ctypes, sys; ctypes.CDLL(None).prctl(15, {name.encode()!r}); print('named', flush=True)"
    words = [sys.executable, "-c", f"{script}\n{rename}; sys.stdin.read()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"named\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()
