# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the figures were taken on: the machine, the cluster, the programs and libraries."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import shutil
from pathlib import Path
from typing import Any

from measuring import Trouble, spent
from ways import Way

GIB = 1 << 30
LIBRARIES = ("ansible-core", "kubernetes", "websocket-client", "urllib3")


def described(way: Way, state: Path) -> list[tuple[str, str]]:
    """Names and values for the page; `state` is the folder in which the cluster's launcher writes down what it has."""
    versions: dict[str, Any] = json.loads(way.run_kubectl("default", "version", "-o", "json").printed)
    nodes: dict[str, Any] = json.loads(way.run_kubectl("default", "get", "nodes", "-o", "json").printed)
    info = [node["status"]["nodeInfo"] for node in nodes["items"]]
    return [
        ("CPU", f"{_cpu()}, {os.cpu_count()} cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIB:.0f} GiB"),
        ("kernel", platform.release()),
        ("Kubernetes", f"{versions['serverVersion']['gitVersion']}, {len(info)} node{'s' if len(info) != 1 else ''}"),
        ("container runtime", ", ".join(sorted({one["containerRuntimeVersion"] for one in info})) + _runc(state)),
        ("kubectl", versions["clientVersion"]["gitVersion"]),
        ("Python", platform.python_version()),
        *((name, importlib.metadata.version(name)) for name in LIBRARIES),
        ("kubernetes.core", _collection("kubernetes", "core")),
        ("zstd on this side", _zstd()),
    ]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _runc(state: Path) -> str:
    """The low-level runtime's version, which no API tells, where the cluster is our own."""
    facts = dict(line.split("=", 1) for line in (state / "env").read_text(encoding="utf-8").splitlines() if "=" in line)
    if "RUNC" not in facts:
        return ""
    try:
        printed = spent([*shlex.split(facts["RUNC"]), "--version"]).printed
    except Trouble:
        return ""
    return f", {printed.splitlines()[0].replace(' version ', ' ')}"


def _collection(namespace: str, name: str) -> str:
    folder = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections" / namespace / name
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    return str(manifest["collection_info"]["version"])


def _zstd() -> str:
    if importlib.util.find_spec("zstandard"):
        return f"the library zstandard {importlib.metadata.version('zstandard')}"
    return "the program zstd" if shutil.which("zstd") else "none"
