# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rooms of the house, in the order in which data flows through them. Nothing imports what comes after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

UTILS = Path(__file__).parents[2] / "plugins" / "module_utils"

READING_ORDER = {
    "what everything speaks": "_python _errors _deadline _names _sizes",
    "the API server": "_refusals _client",
    "which pods and containers": "_targets _select _secrets",
    "who the debugger must be, and what to inject": "_identity _container _inject",
    "the stream into it, and what is seen inside": "_loader _answer _session _exec _probe _end",
    "one target's debugger": "_reuse _debugger _result _commands _diff",
    "the target's files": "_looker _mounts _listing _reader _reading _patterns _resolve _globs _ground",
    "the files here": "_partial _dest _rows _manifest",
    "bringing them home": "_plan _survey _local _remote _transfer _fetch",
    "the tasks": "_fanout _task _options _command_run _debug_task _fetch_task",
}
ROOMS = [name for names in READING_ORDER.values() for name in names.split()]


def imported(name: str) -> set[str]:
    """The utils that one of them imports."""
    tree = ast.parse((UTILS / f"{name}.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {module.rpartition(".")[2] for module in modules if ".incident.distroless.plugins.module_utils." in module}


def test_every_util_has_its_place() -> None:
    assert sorted(path.stem for path in UTILS.glob("*.py")) == sorted(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_util_imports_only_what_comes_before_it(name: str) -> None:
    assert imported(name) <= set(ROOMS[: ROOMS.index(name)])


@pytest.mark.parametrize("name", ROOMS)
def test_a_util_is_short_enough_to_be_read(name: str) -> None:
    assert len((UTILS / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("name", ROOMS)
def test_a_util_says_that_it_is_private(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((UTILS / f"{name}.py").read_text(encoding="utf-8"))) or ""
    assert "private module utility" in docstring
