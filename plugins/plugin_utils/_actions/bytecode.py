# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helpers are compiled once, and not in every play: Python's own way to import them, in place of that of Ansible's collections.

Ansible compiles each file of a collection in each process that imports it, which is a quarter of a second for what a role needs. What
plugins import first is this file; all helpers after it are found where Ansible would find them, and their bytecode is kept beside
them, as Python does with all else that it imports.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_PLUGINS = __name__.rpartition(".plugin_utils.")[0]
HELPERS = tuple(f"{_PLUGINS}.{side}." for side in ("module_utils", "plugin_utils"))


class _Loader(SourceFileLoader):
    def set_data(self, path: str, data: Any, **keywords: Any) -> None:
        # another user could not remove what lies in a folder that root made in theirs
        if Path(self.path).parent.stat().st_uid == os.geteuid():
            super().set_data(path, data, **keywords)


@cache
def _finder(folder: str) -> FileFinder:
    return FileFinder(folder, (_Loader, SOURCE_SUFFIXES))


class HelperFinder(MetaPathFinder):
    """Finds the helpers of this collection, and leaves all else to others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a helper, or None."""
        if not fullname.startswith(HELPERS):
            return None
        return next((spec for folder in path or () if (spec := _finder(folder).find_spec(fullname, target))), None)


# elsewhere, as in unit tests, it is Python that imports us
if not isinstance(sys.modules[__name__].__loader__, SourceFileLoader):
    # before Ansible's, and behind what watches imports, as ansible-test does
    _names = [type(finder).__name__ for finder in sys.meta_path]
    sys.meta_path.insert(
        _names.index("_AnsibleCollectionFinder") if "_AnsibleCollectionFinder" in _names else 0, HelperFinder()
    )
