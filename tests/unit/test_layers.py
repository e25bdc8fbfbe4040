# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rooms of the house, in the order in which data flows through them. Nothing imports what comes after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"

READING_ORDER = {
    "what everything speaks": "_python _errors _deadline _names _sizes _progress _values",
    "the API server": "_refusals _client _connect _watch _witness",
    "which pods and containers": "_crowd _targets _limits _select _endings _secrets",
    "who the debugger must be, and what to inject": "_identity _merge _image _container _inject",
    "the stream into it, and what is seen inside": "_loader _answer _session _frames _exec _probe _unreadable _end",
    "one target's debugger": "_reuse _debugger _result _commands _diff",
    "a pod's copy": "_copy _claims _copy_select _copy_make _copy_wait",
    "the target's files": "_looker _mounts _listing _packing _reader _wants _zstd _unpack _read_events _reading _measure _patterns _ground "
    "_resolve _lookups _globs",
    "the files here": "_partial _dest _rows _manifest",
    "bringing them home": "_plan _tree _deleted _survey _local _remote _incoming _doubts _transfer _groups _fetch",
    "the tasks": "_fanout _task _options _command_run _absent _debug_task _fetch_target _fetch_task",
    "the task of a pod's copy": "_copy_task",
    "the task that keeps what the API says": "_evidence_task",
    "the task that reads logs": "_lost_log _logs_task",
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


# what runs on the controller: the modules' actions, and the engine of the roles
ON_THE_CONTROLLER = {
    "before a module runs": "_live _action _case_action",
    "what a collector printed": "_parse_text _parse_mounts _parse_files _parse_pod _parse_container _parse_processes _parse_sockets",
    "what a network's collectors printed": "_parse_network _parse_tls _parse_certificates",
    "and which parser is which": "_parse_evidence _parse_places _parsers",
    "what to look at, what was found, and how it is judged": "_collectors _subjects _copies _facts _analyze",
    "what a case says": "_timeline _findings _summary _tables _report _case_folder",
    "a case that is sealed": "_sums _chain _zst _tar _bundle _pack _signer _cosign _sign _verify _acquisition _left",
    "what is replaced in a copy for sharing": "_redact_names _redact_pem _redact_addresses _redact_tokens _redact_yaml _redact_assigned _redact_json _redact",
    "a copy of it for sharing": "_shared_secrets _shared_names _shared_report _derive _made_beside",
    "a pod in quarantine": "_policies _quarantine _isolation _quarantine_case",
}
HALLS = [name for names in ON_THE_CONTROLLER.values() for name in names.split()]


def test_every_util_of_the_controller_has_its_place() -> None:
    assert sorted(path.stem for path in (PLUGINS / "plugin_utils").glob("*.py")) == sorted(HALLS)


@pytest.mark.parametrize("name", HALLS)
def test_a_util_of_the_controller_imports_only_what_comes_before_it_is_short_and_says_that_it_is_private(
    name: str,
) -> None:
    text = (PLUGINS / "plugin_utils" / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    siblings = {module.rpartition(".")[2] for module in modules if ".distroless.plugins.plugin_utils." in module}
    assert siblings <= set(HALLS[: HALLS.index(name)])
    assert len(text.splitlines()) <= 300
    assert "private plugin utility" in (ast.get_docstring(tree) or "")
