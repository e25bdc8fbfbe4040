# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/schemas.rst from the JSON Schemas in docs/schemas: python3 tests/tool.py schemas"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
SOURCE = CHECKOUT / "docs" / "schemas"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "schemas.rst"
ADDRESS = "https://github.com/incident-distroless/incident.distroless/blob/main/docs/schemas"

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.schemas:

What is written for programs, as JSON Schema
============================================

What is written for programs has a ``schema`` number and a JSON Schema (draft 2020-12) in ``docs/schemas`` of the collection. Keys may be added without
another number; none is removed or gets another meaning. ``python3 tests/tool.py schemas`` wrote this page from them. What roles make of recordings is compared
with them by ``tests/unit/test_schemas.py::test_the_findings_of_a_role_are_as_their_schema_says``, what ``evidence_api`` was answered by
``tests/unit/plugins/module_utils/_modules/test_evidence_api.py``, a sealed bundle and its copy by
``tests/unit/test_schemas.py::test_a_bundle_and_its_copy_for_sharing_are_as_their_schemas_say``, and what is written on a cluster by
``tests/integration/test_role_pod_triage.py::test_pods_in_trouble_of_each_kind_are_one_case_with_one_look``,
``tests/integration/test_one_case.py::test_a_case_is_refused_added_to_and_judged_again``,
``tests/integration/test_role_evidence_bundle.py::test_a_bundle_is_taken_sealed_proven_by_other_tools_and_every_change_is_found`` and
``tests/integration/test_proc_fs_fetch.py::test_the_manifest_names_everything_once_in_order``.

.. contents::
   :local:
"""
TABLE = """
.. list-table::
   :header-rows: 1
   :widths: 28 20 52

   * - Key
     - Type
     - What it is
"""


def page(source: Path = SOURCE) -> str:
    """Return the page's text: a table for each schema, with a row for each key, those of an inner object below their own."""
    return HEAD + "".join(_section(path) for path in sorted(source.glob("*.json")))


def _section(path: Path) -> str:
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    title = schema["title"]
    rows = "".join(
        f"   * - ``{key}``\n     - {_type(part, is_needed=needed)}\n     - {_rst(part.get('description', ''))}\n"
        for key, part, needed in _rows(schema, "")
    )
    about = f"{_rst(schema['description'])} `{path.name} <{ADDRESS}/{path.name}>`_\n"
    return f"\n{title}\n{'-' * len(title)}\n\n{about}{TABLE}{rows}"


def _rows(schema: Mapping[str, Any], above: str) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    for key, part in schema.get("properties", {}).items():
        name = f"{above}{key}"
        yield name, part, key in schema.get("required", ())
        inner, mark = (part["items"], "[].") if "items" in part else (part, ".")
        yield from _rows(inner, f"{name}{mark}")


def _type(part: Mapping[str, Any], *, is_needed: bool) -> str:
    if "const" in part or "enum" in part:
        values = [part["const"]] if "const" in part else part["enum"]
        text = ", ".join(f"``{json.dumps(value)}``" for value in values)
    else:
        names = [part["type"]] if isinstance(part["type"], str) else part["type"]
        text = " or ".join(names)
    return text if is_needed else f"{text}; may be left out"


def _rst(sentence: str) -> str:
    # what stands between < and > is a part of a path
    return sentence.replace("\\", "\\\\").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
