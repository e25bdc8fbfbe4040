# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes from the distribution: tools that must be installed here, and packages whose files go into debug images."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from .places import locked
from .run import run
from .say import Stop, doing, say

SUITE = "trixie"  # Debian 13: the first with busybox 1.37
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def ensure(tools: Mapping[str, str], libraries: Mapping[str, str] | None = None) -> None:
    """Have every program of `tools` and every pkg-config name of `libraries`; the values are the Debian packages that bring them.

    What is missing is installed where apt-get is; elsewhere: Stop with the list.
    """
    missing = _missing(tools, libraries or {})
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Stop(f"missing on this machine (by Debian's names): {', '.join(missing)}. Install these and start again.")
    say(f"Installing what this machine lacks: {', '.join(missing)}.")
    run(["apt-get", "update", "-q"], env=_QUIET)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=_QUIET)
    if still := _missing(tools, libraries or {}):
        raise Stop(f"still missing after apt-get: {', '.join(still)}.")


def _missing(tools: Mapping[str, str], libraries: Mapping[str, str]) -> list[str]:
    lacking = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if libraries and shutil.which("pkg-config") is None:
        return sorted({*lacking, *libraries.values()})
    for library, package in libraries.items():
        if subprocess.run(["pkg-config", "--exists", library], check=False).returncode:
            lacking.append(package)
    return sorted(set(lacking))


def packages(cache: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """The .deb files of `names` and of all that they depend on, from Debian's `SUITE`, checked by apt's signatures; kept in the cache.

    Nothing is installed: apt works in a folder of its own, with this machine's mirror and an empty list of installed packages.
    """
    wanted = sorted(names)
    folder = cache / "packages" / f"{SUITE}-{'-'.join(wanted)}"
    if not folder.is_dir():
        with locked(cache / "packages" / ".lock", "Another launcher fetches packages; waiting for it."):
            if not folder.is_dir():
                with doing(f"Fetching {', '.join(wanted)} of Debian {SUITE} for debug images", "10 s, once"):
                    _fetch(folder, wanted)
    return tuple(sorted(folder.glob("*.deb")))


def _fetch(folder: Path, wanted: list[str]) -> None:
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (fresh / part).mkdir(parents=True)
    (fresh / "etc" / "sources.list").write_text(f"deb {_mirror()} {SUITE} main\n", encoding="utf-8")
    (fresh / "status").touch()
    apt = ["apt-get", "-q", "-y"]
    for name, value in {
        "Dir::Etc::SourceList": fresh / "etc" / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": fresh,
        "Dir::State::Lists": fresh / "lists",
        "Dir::State::status": fresh / "status",
        "Dir::Cache": fresh / "cache",
        "Dir::Log": fresh,
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "APT::Sandbox::User": "root",  # the cache may lie where apt's own user cannot go
        "APT::Install-Recommends": "false",
        "Debug::NoLocking": "true",
    }.items():
        apt += ["-o", f"{name}={value}"]
    run([*apt, "update"], env=_QUIET, timeout=600)
    run([*apt, "install", "--download-only", *wanted], env=_QUIET, timeout=600)
    got = fresh / "debs"
    got.mkdir()
    for deb in (fresh / "cache" / "archives").glob("*.deb"):
        deb.rename(got / deb.name)
    got.rename(folder)
    shutil.rmtree(fresh)


def _mirror() -> str:
    """The Debian mirror that this machine uses."""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"], env=_QUIET
    )
    for line in targets.splitlines():
        origin, label, uri = line.split(" ", 2)
        if (origin, label) == ("Debian", "Debian"):
            return uri.removesuffix("/")
    raise Stop("apt on this machine knows no mirror of Debian, from which the debug images are made.")
