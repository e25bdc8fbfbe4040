# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder of this machine as a target's root, and a look into it by each shell that there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.local_tree import LocalTree


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tree(tmp_path: Path) -> LocalTree:
    return LocalTree(tmp_path)


@pytest.fixture
def files(shell: str, tree: LocalTree) -> Iterator[TargetFiles]:
    with open_session(shell) as session:
        yield TargetFiles(session, os.getpid(), root=tree.root)
