# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packages of the collection in the order in which data flows, and what breaks that order in a folder of plugins."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

COLLECTION = "ansible_collections.incident.distroless.plugins."
ORDER = {
    "module_utils": "_core _k8s _targets _remote _localfs _debugger _pod_copy _target_fs _read _fetch _preflight _modules _hosts".split(),
    "plugin_utils": "_actions _options _case _parsers _health _collect _judge _redact _report _evidence _sharing _quarantine".split(),
}
# what code on the controller takes from the modules' side: values and rules that both need, and the modules' whole tasks;
# nothing else that acts on a cluster
BORROWED = frozenset(
    (
        "_core.errors _core.proc_stat _core.progress _core.sizes _core.times _hosts.container _hosts.pods _k8s.logs _k8s.pods _k8s.redaction _k8s.waiting "
        "_localfs.destination _localfs.partial_file _modules.api_change _modules.api_objects _modules.debug_pod "
        "_modules.ephemeral_debug _modules.evidence_api _modules.forked _modules.pod_logs _modules.preflight _modules.proc_fs_fetch "
        "_modules.runner"
    ).split()
)

Imports = Mapping[str, frozenset[str]]


def helpers(plugins: Path) -> list[Path]:
    """Return the files of both sides' packages, without those that only make a folder a package."""
    return sorted(path for side in ORDER for path in (plugins / side).rglob("*.py") if path.name != "__init__.py")


def imports(plugins: Path) -> Imports:
    """Return for each file below plugins, by its dotted name, the files of the collection that it imports."""
    files = {_name(path, plugins): path for path in plugins.rglob("*.py")}
    return {
        name: _imported(path.read_text(encoding="utf-8"), path.relative_to(plugins).parent.parts) & files.keys()
        for name, path in files.items()
    }


def importers(plugins: Path) -> dict[str, int]:
    """Return by how many other files each helper is imported."""
    known = imports(plugins)
    return {
        name: sum(name in of for other, of in known.items() if other != name)
        for name in (_name(path, plugins) for path in helpers(plugins))
    }


def violations(plugins: Path) -> list[str]:
    """Return a sentence for each file or import that breaks the order; sorted, empty where all is in its place."""
    known = imports(plugins)
    return sorted([*_out_of_place(plugins), *_against_the_order(known), *_cycles(known)])


def _out_of_place(plugins: Path) -> Iterator[str]:
    for path in [path for side in ORDER for path in (plugins / side).rglob("*.py")]:
        side, *rooms = path.relative_to(plugins).parent.parts
        if len(rooms) != 1 or rooms[0] not in ORDER[side]:
            yield f"{path.relative_to(plugins)} is in no package of the order"
        elif path.name == "__init__.py" and path.stat().st_size:
            yield f"{path.relative_to(plugins)} is not empty"
    for side, rooms in ORDER.items():
        yield from (
            f"{side}/{room} has no __init__.py"
            for room in rooms
            if not (plugins / side / room / "__init__.py").is_file()
        )


def _against_the_order(known: Imports) -> Iterator[str]:
    for name, wanted in known.items():
        yield from (f"{name} {objection}" for other in wanted if (objection := _objection(name, other)))


def _objection(name: str, other: str) -> str | None:
    """Return what is wrong with an import, or None."""
    (side, room), (other_side, other_room) = _place(name), _place(other)
    if other_side not in ORDER or other_room not in ORDER[other_side]:
        return f"imports {other}, which is no helper" if side in ORDER else None
    if side == "module_utils" and other_side == "plugin_utils":
        return f"imports {other}, which only the controller has"
    if side not in ("module_utils", "modules", "doc_fragments") and other_side == "module_utils":
        return None if other.removeprefix("module_utils.") in BORROWED else f"borrows {other}, which is not on the list"
    if side == other_side and room in ORDER[side] and ORDER[side].index(other_room) > ORDER[side].index(room):
        return f"imports {other}, which comes after it"
    return None


def _cycles(known: Imports) -> Iterator[str]:
    """One sentence for each file that reaches itself through its imports."""
    for name in known:
        reached: set[str] = set()
        ahead = [*known[name]]
        while ahead:
            if (other := ahead.pop()) not in reached:
                reached.add(other)
                ahead.extend(known[other])
        if name in reached:
            yield f"{name} imports itself by way of others"


# a test changes one file of hundreds, and the others say what they said before
@cache
def _imported(text: str, folder: tuple[str, ...]) -> frozenset[str]:
    """Return what a file in a folder below the plugins imports of them, by its text.

    Both what `from package.module import name` names and what `from package import module` may.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.level or f"{node.module}.".startswith(COLLECTION)):
            module = _absolute(node, folder).removeprefix(COLLECTION)
            names |= {module, *(f"{module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            names |= {name.name.removeprefix(COLLECTION) for name in node.names if name.name.startswith(COLLECTION)}
    return frozenset(names)


def _absolute(node: ast.ImportFrom, folder: tuple[str, ...]) -> str:
    if not node.level:
        return node.module or ""
    above = folder[: len(folder) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _name(path: Path, plugins: Path) -> str:
    return ".".join(path.relative_to(plugins).with_suffix("").parts)


def _place(name: str) -> tuple[str, str]:
    side, _dot, rest = name.partition(".")
    return side, rest.partition(".")[0]
