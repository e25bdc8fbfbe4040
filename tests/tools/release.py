# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make release`: everything that a release consists of, tried as a user has it, in one folder. It changes nothing here and publishes nothing.

The version is that of galaxy.yml. The changelog is made of the fragments in a copy; what a person has to commit lies beside the tarball.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import yaml

from . import bill, cache, checks, dependencies, environments, install, live, tree
from .log import Log
from .pythons import NEWEST_CORE, found
from .say import Stop, say

# what the copy's changelog is made of, and what its release changes
CHANGES = ("CHANGELOG.rst", "changelogs/changelog.yaml")


def made() -> None:
    """Make the release and try it; Stop when something is not as it must be."""
    version = str(yaml.safe_load((cache.CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    target = cache.own() / "release" / version
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    log = Log(cache.own() / "logs" / "release.log")
    tarball = built(log, target, version)
    say(f"Built {tarball.name}, {tarball.stat().st_size:,} bytes. Asking galaxy-importer.")
    checks.imported(log, tarball)
    user = installed(target / "environment", tarball)
    say("Installed it into an empty environment. Running the demo with it.")
    live.cluster()
    live.demonstrate(user)
    described(log, user, tarball)
    say(
        f"The release is in {target}. To publish it:\n"
        "  copy what is in its to-commit over the checkout, remove changelogs/fragments/*.yml, commit\n"
        f"  git tag {version}, and ansible-galaxy collection publish {tarball.name}"
    )


def built(log: Log, target: Path, version: str) -> Path:
    """Return the tarball with its changelog, in the folder target; what is to be committed is in its folder to-commit."""
    tools = environments.for_checks() / "bin"
    with tree.copy() as folder:
        place = folder / tree.PLACE
        known = yaml.safe_load((place / CHANGES[1]).read_text(encoding="utf-8"))["releases"]
        log.run(tools / "antsibull-changelog", "lint", cwd=place)
        if version not in known:
            # it looks for new plugins in a copy of its own, where documentation fragments of kubernetes.core would be missing
            others = dependencies.collections(NEWEST_CORE[found()[-1].version])
            variables = {"PYTHONPATH": str(others), "PATH": checks.path_with(tools)}
            log.run(tools / "antsibull-changelog", "release", "--version", version, cwd=place, **variables)
        elif any((place / "changelogs" / "fragments").glob("*.y*ml")):
            raise Stop(
                f"{version} is in the changelog already, and there are fragments: raise the version in galaxy.yml."
            )
        for name in CHANGES:
            copy = target / "to-commit" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place / name, copy)
        log.run(tools / "python", "tests/tool.py", "interface", cwd=place)
        (target / "to-commit" / "tests").mkdir()
        shutil.copyfile(place / "tests/interface.json", target / "to-commit" / "tests/interface.json")
        log.run(tools / "ansible-galaxy", "collection", "build", "--output-path", target, place, cwd=place)
    return install.of_its_size(target)


def installed(folder: Path, tarball: Path) -> Path:
    """Return a new environment with nothing but Ansible, what the collection needs, and this very tarball."""
    python = found()[-1]
    core = NEWEST_CORE[python.version]
    environments.made(folder, python, f"core-{core}", "runtime")
    install.put(folder, dependencies.collections(core), tarball)
    return folder


def described(log: Log, user: Path, tarball: Path) -> None:
    """Write the bill of materials and the sums beside the tarball."""
    target = tarball.parent
    listed = json.loads(log.run(user / "bin" / "python", "-m", "pip", "inspect", "--local", cwd=target))
    others = user / "collections" / "ansible_collections" / "kubernetes" / "core" / "MANIFEST.json"
    about = json.loads(others.read_text(encoding="utf-8"))["collection_info"]
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    version = tarball.name.removesuffix(".tar.gz").rpartition("-")[2]
    written = target / tarball.name.replace(".tar.gz", ".cdx.json")
    written.write_text(json.dumps(bill.of(version, digest, about, listed), indent=1) + "\n", encoding="utf-8")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in (tarball, written)]
    (target / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
