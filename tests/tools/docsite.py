# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make site`: the documentation site, every page of it, and any warning fails it. Nothing is fetched while it is built."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import cache, checks, dependencies, environments, tree
from .log import Log
from .pythons import NEWEST_CORE, found
from .say import say

SETTINGS = tree.PLACE / "docs" / "site"


def built(log: Log) -> None:
    """Build the site anew and say where it is; StepFailed at any warning of antsibull-docs or Sphinx."""
    python = found()[-1]
    tools = environments.for_site(python) / "bin"
    target = cache.own() / "site"
    shutil.rmtree(target, ignore_errors=True)
    with tree.copy(dependencies.collections(NEWEST_CORE[python.version])) as folder:
        pages = folder / "rst"
        # antsibull-docs takes no folder that others may write into
        pages.mkdir(mode=0o700)
        variables = {"ANSIBLE_COLLECTIONS_PATH": str(folder), "PATH": checks.path_with(tools)}
        antsibull = (tools / "antsibull-docs", "--config-file", folder / SETTINGS / "antsibull-docs.cfg", "collection")
        wanted = ("--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", pages, "incident.distroless")
        log.run(*antsibull, *wanted, cwd=folder, **variables)
        sphinx = (tools / "sphinx-build", "-b", "html", "-c", folder / SETTINGS, "-d", folder / "doctrees")
        log.run(*sphinx, "-W", "--keep-going", "-q", pages, target, cwd=folder, **variables)
    say(f"The site is in {target}; it begins with {first(target)}.")


def first(site: Path) -> Path:
    """Return the page that a site begins with."""
    return site / "index.html"
