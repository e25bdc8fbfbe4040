# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every helper is in its package, nothing imports to its right, and no file or function is too long to be read."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.unit.support.house import (
    COLLECTION,
    ORDER,
    helpers,
    importers,
    violations,
)

CHECKOUT = Path(__file__).parents[2]
PLUGINS = CHECKOUT / "plugins"
FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 60, 8


def test_every_helper_is_in_its_package_and_imports_nothing_to_its_right() -> None:
    assert violations(PLUGINS) == []


# one line in the wrong room: the file, the line, and the sentence that must come of it
WRONG = {
    "a helper takes what comes after it": (
        "module_utils/_core/sizes.py",
        f"from {COLLECTION}module_utils._k8s.client import Cluster",
        "module_utils._core.sizes imports module_utils._k8s.client, which comes after it",
    ),
    "it takes a whole module, and inside a function": (
        "module_utils/_remote/session.py",
        f"def late():\n    from {COLLECTION}module_utils._fetch import plan",
        "module_utils._remote.session imports module_utils._fetch.plan, which comes after it",
    ),
    "it counts the dots instead of naming the package": (
        "plugin_utils/_case/folder.py",
        "from .._report import summary",
        "plugin_utils._case.folder imports plugin_utils._report.summary, which comes after it",
    ),
    "a cycle inside a package": (
        "module_utils/_core/errors.py",
        f"from {COLLECTION}module_utils._core.deadline import within",
        "module_utils._core.errors imports itself by way of others",
    ),
    "a module takes what only the controller has": (
        "module_utils/_modules/runner.py",
        f"from {COLLECTION}plugin_utils._case import folder",
        "module_utils._modules.runner imports plugin_utils._case.folder, which only the controller has",
    ),
    "the controller borrows what is on no list": (
        "action/evidence_log.py",
        f"import {COLLECTION}module_utils._k8s.client",
        "action.evidence_log borrows module_utils._k8s.client, which is not on the list",
    ),
    "a file outside every package": (
        "module_utils/_left.py",
        "",
        "module_utils/_left.py is in no package of the order",
    ),
    "a package that does something": (
        "module_utils/_k8s/__init__.py",
        "x = 1",
        "module_utils/_k8s/__init__.py is not empty",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_line_in_the_wrong_room_is_seen(name: str, tmp_path: Path) -> None:
    file, line, sentence = WRONG[name]
    plugins = tmp_path / "plugins"
    shutil.copytree(PLUGINS, plugins)
    with (plugins / file).open("a", encoding="utf-8") as text:
        text.write(f"{line}\n")
    assert sentence in violations(plugins)


def test_at_most_a_quarter_of_the_helpers_serve_one_file_only() -> None:
    """A file that one other file needs is mostly a part of that one: whoever reads the one has to open both."""
    served = importers(PLUGINS)
    alone = sorted(name for name, count in served.items() if count <= 1)
    assert 4 * len(alone) <= len(served), alone


def test_importers_are_counted_by_the_file_whichever_way_they_import(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    shutil.copytree(PLUGINS, plugins)
    new = "module_utils/_core/new.py"
    (plugins / new).write_text(f"from {COLLECTION}module_utils._core import new\n", encoding="utf-8")
    ways = (
        ("module_utils/_k8s/client.py", f"from {COLLECTION}module_utils._core.new import x, y"),
        ("module_utils/_k8s/client.py", f"from {COLLECTION}module_utils._core.new import z"),
        ("module_utils/_core/sizes.py", "from . import new"),
        ("modules/pod_logs.py", f"def late():\n    import {COLLECTION}module_utils._core.new"),
    )
    counts = [importers(plugins)["module_utils._core.new"]]
    for file, line in ways:
        with (plugins / file).open("a", encoding="utf-8") as text:
            text.write(f"{line}\n")
        counts.append(importers(plugins)["module_utils._core.new"])
    assert counts == [0, 1, 1, 2, 3]


def test_no_folder_has_the_name_of_a_module_beside_it() -> None:
    """Ansible's loader of collections takes a folder for a package, also one without Python in it, and the module is hidden."""
    hidden = [path for path in PLUGINS.rglob("*.py") if path.with_suffix("").is_dir()]
    assert hidden == []


def test_the_map_for_contributors_has_the_packages_in_their_order() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `(_\w+)` \|", text, flags=re.MULTILINE)
    assert rooms == [room for rooms in ORDER.values() for room in rooms]


@pytest.mark.parametrize("path", helpers(PLUGINS), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_helper_says_that_it_is_private_and_is_short_enough_to_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    kind = "module" if "module_utils" in path.parts else "plugin"
    assert f"private {kind} utility" in (ast.get_docstring(tree) or "")
    assert len(text.splitlines()) <= FILE_LINES
    assert [function.name for function in _functions(tree) if _lines(function) > FUNCTION_LINES] == []
    assert [function.name for function in _functions(tree) if _parameters(function) > PARAMETERS] == []


# a docstring says what a function does, and begins with the verb of it
QUESTIONS = ("What", "Who", "Which", "How", "Whether")


def test_no_docstring_of_a_function_begins_with_a_question() -> None:
    """Tests are left out: theirs say what is so."""
    folders = [CHECKOUT / name for name in ("plugins", "extensions", "tests")]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if not path.name.startswith("test_")]
    assert len(files) > 200
    found = [
        f"{path.relative_to(CHECKOUT)}: {function.name}"
        for path in files
        for function in _functions(ast.parse(path.read_text(encoding="utf-8")))
        if (ast.get_docstring(function) or "").split(" ", maxsplit=1)[0] in QUESTIONS
    ]
    assert found == []


def _functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _lines(function: ast.FunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def _parameters(function: ast.FunctionDef) -> int:
    """Return what a caller hands over: the object that a method belongs to is none of it."""
    arguments = function.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    extra = [one for one in (arguments.vararg, arguments.kwarg) if one]
    return len([name for name in names if name not in ("self", "cls")]) + len(extra)
