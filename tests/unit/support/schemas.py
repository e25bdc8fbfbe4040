# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs in a document from its schema in docs/schemas, and what in it the schema says nothing of.

The schemas use few words of JSON Schema; one that is not known here is an error, so that none is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "schemas"
ABOUT = frozenset(("$schema", "$id", "title", "description"))
KNOWN = ABOUT | {
    *("type", "const", "enum", "pattern", "minimum", "maximum"),
    *("properties", "required", "additionalProperties", "items"),
}
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@cache
def schema(name: str) -> Mapping[str, Any]:
    """Return a schema by the name of its file."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def differences(value: Any, wanted: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield a sentence for each place of a document that is not as its schema says."""
    if unknown := wanted.keys() - KNOWN:
        raise ValueError(f"{place}: {sorted(unknown)} of the schema is not understood here")
    types = [wanted["type"]] if isinstance(wanted.get("type"), str) else wanted.get("type", [])
    if types and not any(_is(value, name) for name in types):
        yield f"{place} is {json.dumps(value)[:80]}, not {' or '.join(types)}"
        return
    if ("const" in wanted and value != wanted["const"]) or ("enum" in wanted and value not in wanted["enum"]):
        yield f"{place} is {json.dumps(value)[:80]}, not {wanted.get('const', wanted.get('enum'))}"
    if isinstance(value, str) and not re.search(wanted.get("pattern", ""), value):
        yield f"{place} is {value[:80]!r}, not of the form {wanted['pattern']}"
    if _is(value, "integer") and not wanted.get("minimum", value) <= value <= wanted.get("maximum", value):
        yield f"{place} is {value}, out of its bounds"
    if isinstance(value, list) and "items" in wanted:
        for number, entry in enumerate(value):
            yield from differences(entry, wanted["items"], f"{place}[{number}]")
    if isinstance(value, dict):
        yield from (f"{place}.{key} is missing" for key in wanted.get("required", ()) if key not in value)
        for key, entry in value.items():
            inner = wanted.get("properties", {}).get(key, wanted.get("additionalProperties"))
            yield from differences(entry, inner or {}, f"{place}.{key}")


def undescribed(value: Any, wanted: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield each key of a document that its schema allows and says nothing of."""
    if isinstance(value, list):
        for entry in value:
            yield from undescribed(entry, wanted.get("items", {}), f"{place}[]")
    elif isinstance(value, dict) and "properties" in wanted:
        for key, entry in value.items():
            if key in wanted["properties"]:
                yield from undescribed(entry, wanted["properties"][key], f"{place}.{key}")
            else:
                yield f"{place}.{key}"


def _is(value: Any, name: str) -> bool:
    # JSON tells them apart, and a bool is an int in Python
    return isinstance(value, TYPES[name]) and not (name in ("integer", "number") and isinstance(value, bool))
