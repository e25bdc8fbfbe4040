# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes from the distribution: tools that must be installed here, and packages whose files go into debug images."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .places import made
from .run import run
from .say import Stop, doing, heartbeat, say

SUITE = "trixie"  # Debian 13: the first with busybox 1.37
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def ensure(tools: Mapping[str, str], libraries: Mapping[str, str] | None = None) -> None:
    """Have every program of `tools` and every pkg-config name of `libraries`; the values are the Debian packages that bring them."""
    if missing := _missing(tools, libraries or {}):
        install(missing)
        if still := _missing(tools, libraries or {}):
            raise Stop(f"still missing after apt-get: {', '.join(still)}.")


def install(names: Sequence[str]) -> None:
    """Install Debian packages where apt-get is and may; elsewhere: Stop with the list."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Stop(f"missing on this machine (by Debian's names): {', '.join(names)}. Install these and start again.")
    say(f"Installing what this machine lacks: {', '.join(names)}.")
    with heartbeat():
        run(["apt-get", "update", "-q"], env=_QUIET)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *names], env=_QUIET)


def _missing(tools: Mapping[str, str], libraries: Mapping[str, str]) -> list[str]:
    lacking = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if libraries and shutil.which("pkg-config") is None:
        return sorted({*lacking, *libraries.values()})
    for library, package in libraries.items():
        if subprocess.run(["pkg-config", "--exists", library], check=False).returncode:
            lacking.append(package)
    return sorted(set(lacking))


def packages(cache: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """The .deb files of `names` and of all that they depend on, checked by apt's signatures; kept in the cache.

    Nothing is installed: apt works in a folder of its own, with an empty list of installed packages.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Stop("the debug images are made of Debian packages, by apt-get and dpkg-deb, which this machine has not.")
    wanted = sorted(names)

    def make(folder: Path) -> None:
        with doing(f"Fetching {', '.join(wanted)} for debug images", "10 s, once"):
            _fetch(folder, wanted)

    name = f"{SUITE}-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    return tuple(sorted(made(cache / "packages" / name, "fetching packages", make).glob("*.deb")))


def _fetch(folder: Path, wanted: list[str]) -> None:
    work = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial", "etc"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    apt = ["apt-get", "-q", "-y"]
    for name, value in {
        **_sources(work),
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Log": work,
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "APT::Sandbox::User": "root",  # the cache may lie where apt's own user cannot go
        "APT::Install-Recommends": "false",
        "Debug::NoLocking": "true",
    }.items():
        apt += ["-o", f"{name}={value}"]
    run([*apt, "update"], env=_QUIET, timeout=600)
    run([*apt, "install", "--download-only", *wanted], env=_QUIET, timeout=600)
    for deb in (work / "cache" / "archives").glob("*.deb"):
        deb.rename(folder / deb.name)
    shutil.rmtree(work)


def _sources(work: Path) -> dict[str, Path | str]:
    """Apt's settings for where packages come from: Debian's `SUITE` by this machine's mirror; on a relative of Debian, its own."""
    mirror = _mirror()
    if mirror is None:
        run(["apt-get", "update", "-q"], env=_QUIET)  # a new machine has no lists yet, and so does not know its mirrors
        mirror = _mirror()
    if mirror is None:
        say("This machine has no mirror of Debian: the debug images get its own distribution's tools.")
        return {}
    (work / "etc" / "sources.list").write_text(f"deb {mirror} {SUITE} main\n", encoding="utf-8")
    return {"Dir::Etc::SourceList": work / "etc" / "sources.list", "Dir::Etc::SourceParts": "/dev/null"}


def _mirror() -> str | None:
    wanted = ["--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    for line in run(["apt-get", "indextargets", *wanted], env=_QUIET).splitlines():
        origin, label, uri = line.split(" ", 2)
        if (origin, label) == ("Debian", "Debian"):
            return uri.removesuffix("/")
    return None
