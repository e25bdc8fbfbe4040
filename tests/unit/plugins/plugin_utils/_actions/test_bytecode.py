# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible imports helpers by their bytecode: it is kept where it may be, and never outlives its source."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._actions import bytecode

PLUGINS = Path(__file__).parents[5] / "plugins"
NAME = "ansible_collections.incident.distroless.plugins"
# what Ansible does before it loads a plugin of a collection
ANSIBLE = "from ansible.plugins.loader import init_plugin_loader; init_plugin_loader([]); import sys\n"
SHOW = f"import {NAME}.plugin_utils._actions.bytecode, {NAME}.module_utils._core.said as said; print(said.WORD)\n"
# one that was compiled before has nothing to be compiled again
REFUSE = """
import builtins
real = builtins.compile
def refuse(source, filename, *words, **keywords):
    assert not str(filename).endswith("said.py"), "compiled again"
    return real(source, filename, *words, **keywords)
builtins.compile = refuse
"""


@pytest.fixture
def helpers(tmp_path: Path) -> Path:
    """A collection of this name with one helper, said.py, whose folder is given."""
    plugins = tmp_path / "ansible_collections" / "incident" / "distroless" / "plugins"
    for room in ("module_utils/_core", "plugin_utils/_actions"):
        (plugins / room).mkdir(parents=True)
        (plugins / room / "__init__.py").touch()
    shutil.copy(bytecode.__file__, plugins / "plugin_utils" / "_actions")
    core = plugins / "module_utils" / "_core"
    (core / "said.py").write_text("WORD = 'one'\n", encoding="utf-8")
    return core


def printed(core: Path, script: str) -> str:
    """What a script prints in a process into which Ansible has put its own way to import."""
    names = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONPYCACHEPREFIX"}
    variables = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", ANSIBLE + script],
        env={**variables, "ANSIBLE_COLLECTIONS_PATH": str(core.parents[5])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kept(core: Path) -> list[str]:
    return [path.name.partition(".")[0] for path in core.rglob("said*.pyc")]


def test_a_helper_is_compiled_once_and_anew_when_it_has_changed(helpers: Path) -> None:
    assert (printed(helpers, SHOW), kept(helpers)) == ("one", ["said"])
    assert printed(helpers, REFUSE + SHOW) == "one"
    (helpers / "said.py").write_text("WORD = 'another'\n", encoding="utf-8")
    assert printed(helpers, SHOW) == "another"


def test_in_a_folder_of_another_user_nothing_is_left(helpers: Path) -> None:
    script = "import os; own = os.geteuid(); os.geteuid = lambda: own + 1\n"
    assert (printed(helpers, script + SHOW), kept(helpers)) == ("one", [])


def test_all_but_helpers_is_found_by_ansible(helpers: Path) -> None:
    script = SHOW + f"print(type(sys.modules['{NAME}'].__loader__).__module__, type(said.__loader__).__module__)\n"
    assert printed(helpers, script).splitlines()[1:] == [
        f"ansible.utils.collection_loader._collection_finder {NAME}.plugin_utils._actions.bytecode"
    ]


def test_where_python_itself_imports_us_nothing_is_put_before_it() -> None:
    assert not any(isinstance(finder, bytecode.HelperFinder) for finder in sys.meta_path)


def first_import(path: Path) -> str:
    """The first module of this collection that a file imports."""
    names = (
        name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)])
    )
    return next(name for name in names if name.startswith(f"{NAME}."))


ENTRIES = sorted(path for kind in ("action", "connection", "inventory") for path in (PLUGINS / kind).glob("*.py"))


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_imports_the_finder_before_any_helper(path: Path) -> None:
    ours, case = (f"{NAME}.plugin_utils._actions.{name}" for name in ("bytecode", "case_action"))
    assert first_import(PLUGINS / "plugin_utils" / "_actions" / "case_action.py") == ours
    assert first_import(path) in (ours, case)
