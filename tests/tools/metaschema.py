# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the schemas in docs/schemas against the metaschema that they name; `make docs` runs it where jsonschema is: python metaschema.py"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def main(folder: Path) -> int:
    """Print what is wrong with each schema; 1 where something is."""
    wrong = []
    for path in sorted(folder.glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        found = validator_for(schema, default=None)
        if found is None:
            wrong.append(f"{path.name}: its $schema is not a known metaschema")
            continue
        try:
            found.check_schema(schema)
        except SchemaError as error:
            wrong.append(f"{path.name}: {error.json_path}: {error.message}")
    sys.stdout.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER))
