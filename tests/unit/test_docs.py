# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages for users, and the files that are written for them, say of the code and of its tests is so."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import REASONS
from ansible_collections.incident.distroless.plugins.plugin_utils._options import kinds
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog, roles

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "docsite" / "rst"
# the word list of the contract with users: a playbook tests on these words, so none may ever go
PROMISED = """
    ImagePullFailed ContainerCreateFailed PodSecurityDenied AdmissionDenied QuotaExceeded RbacDenied Unauthorized
    ApiUnreachable ApiUnsupported NoTarget TooManyPods PodGone TargetNotRunning TargetRestarted TargetProcessAmbiguous
    ContainerNotFound StaticPod WindowsNode NodeNotReady InvalidRequest PermissionDenied GroupNotMatched LsmDenied
    ImageHasNoShell WaitTimeout CommandFailed CommandTimeout ConnectionLost Conflict DestConflict DestUnwritable
    LimitExceeded ImageLacksTool LookBroken CertificateRefused CaseConflict CaseSealed
""".split()


@cache
def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, CHECKOUT / "tests" / "tools" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((CHECKOUT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def pages() -> list[Path]:
    return sorted(PAGES.glob("*.rst"))


def test_every_reason_that_was_promised_is_there() -> None:
    assert [word for word in PROMISED if word not in REASONS] == []


def test_the_page_of_reasons_is_what_its_tool_writes() -> None:
    written = (PAGES / "reasons.rst").read_text(encoding="utf-8")
    assert written == tool("reasons").page(REASONS), "run: python3 tests/tool.py reasons"


def test_the_page_of_redaction_is_what_its_tool_writes() -> None:
    written = (PAGES / "redaction.rst").read_text(encoding="utf-8")
    assert written == tool("redaction").page(tool("redaction").load_rules()), "run: python3 tests/tool.py redaction"


def test_the_page_of_values_is_what_its_tool_writes() -> None:
    written = (PAGES / "values.rst").read_text(encoding="utf-8")
    assert written == tool("values").page(catalog(), kinds), "run: python3 tests/tool.py values"


def test_the_page_of_checks_is_what_its_tool_writes() -> None:
    written = (PAGES / "checks.rst").read_text(encoding="utf-8")
    assert written == tool("triage_checks").page(), "run: python3 tests/tool.py triage_checks"


def test_the_page_of_schemas_is_what_its_tool_writes() -> None:
    written = (PAGES / "schemas.rst").read_text(encoding="utf-8")
    assert written == tool("schemas").page(), "run: python3 tests/tool.py schemas"


def test_every_page_is_in_the_sites_table_of_contents() -> None:
    sections = yaml.safe_load((PAGES.parent / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    listed = [name for section in sections for name in section["toctree"]]
    assert sorted(listed) == [page.stem for page in pages()]


def test_the_files_of_the_roles_options_are_what_their_tool_writes() -> None:
    written = {**tool("options").pages(roles()), **tool("options").play_pages(catalog())}
    for path, text in written.items():
        assert (CHECKOUT / path).read_text(encoding="utf-8") == text, "run: python3 tests/tool.py options"
    of_plays = {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")}
    assert {path.name for path in written if path.parent.name == "playbooks"} == {
        f"{name}.meta.yaml" for name in of_plays
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)", page.read_text(encoding="utf-8"))
    assert named
    assert [f"{path}::{name}" for path, name in named if name not in functions_in(path)] == []


def test_every_case_of_kubectl_has_its_row() -> None:
    files = ("_debugger/test_kubectl_cases", "_pod_copy/test_kubectl_copy_cases")
    functions = {name for file in files for name in functions_in(f"tests/unit/plugins/module_utils/{file}.py")}
    ours = {name for name in functions if name.startswith("test")}
    text = (PAGES / "kubectl_parity.rst").read_text(encoding="utf-8")
    assert ours <= set(re.findall(r"``(test_\w+)``", text))


@pytest.mark.parametrize("file", ["test_parity", "test_copy_parity"])
def test_every_deliberate_difference_from_kubectl_is_on_its_page(file: str) -> None:
    tree = ast.parse((CHECKOUT / "tests/integration" / f"{file}.py").read_text(encoding="utf-8"))
    (table,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DIFFERENCES"
    )
    text = (PAGES / "kubectl_parity.rst").read_text(encoding="utf-8")
    assert [field for field in table if f"* - ``{field}``\n" not in text] == []


def test_every_row_of_the_matrix_is_on_the_page_of_permissions() -> None:
    tree = ast.parse((CHECKOUT / "tests/integration/test_matrix.py").read_text(encoding="utf-8"))
    rows = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Row" and node.args
    }
    text = (PAGES / "permissions.rst").read_text(encoding="utf-8")
    assert rows
    assert [row for row in sorted(rows) if f"``{row}``" not in text] == []


def test_the_readme_has_whole_addresses_alone_and_those_of_the_project_are_there() -> None:
    """Galaxy and Automation Hub show it without the files beside it."""
    repository = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    links = re.findall(r"\]\(([^)\s]+)\)", (CHECKOUT / "README.md").read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://")] == []
    ours = [link.removeprefix(repository) for link in links if link.startswith(repository)]
    pages = [re.sub(r"^/(blob|raw)/main/", "", link) for link in ours if link != "/issues"]
    assert pages
    assert [page for page in pages if not (CHECKOUT / page).is_file()] == []


def test_what_is_installed_beside_the_collection_is_said_once() -> None:
    wanted = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    for name in ("requirements.yml", "meta/ee-requirements.yml"):
        listed = yaml.safe_load((CHECKOUT / name).read_text(encoding="utf-8"))["collections"]
        assert {row["name"]: row["version"] for row in listed} == wanted, name
    events = yaml.safe_load((CHECKOUT / "meta" / "extensions.yml").read_text(encoding="utf-8"))["extensions"]
    folders = {
        path.relative_to(CHECKOUT / "extensions").parent for path in (CHECKOUT / "extensions" / "eda").rglob("*.py")
    }
    assert {Path(row["args"]["ext_dir"]) for row in events} == folders
