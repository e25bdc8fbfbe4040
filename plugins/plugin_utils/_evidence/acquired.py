# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tasks of an acquisition left in the case folder, whether they came to their end or not.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    COLLECTED,
    CaseFolder,
    parse_collected,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import Chain, continued
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import label
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import (
    AFTER,
    BEFORE,
    CLOCK,
    FETCHED,
    Acquired,
    log_rows,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import LOG

FETCH = f"{FETCHED}/fetch.json"


def read_acquired(case: CaseFolder, collected_now: str | None = None, fetch_now: str | None = None) -> Acquired:
    """Return what is there so far; of collected.json and fetch.json rather what is to be written there, where that is given.

    Raises OSError, and ValueError for what is no JSON.
    """
    collected = parse_collected(case.read(COLLECTED) if collected_now is None else collected_now)
    clocks = {}
    for target in collected["targets"]:
        name = f"{label(target)}/{CLOCK}.txt"
        if (case.path / name).is_file():
            clocks[label(target)] = case.read(name)
    return Acquired(
        collected=collected,
        before=_json(case.path / BEFORE / "record.json"),
        after=_json(case.path / AFTER / "record.json"),
        fetch=_json(case.path / FETCH) if fetch_now is None else json.loads(fetch_now),
        files=[row for target in collected["targets"] for row in _fetched(case.path, target)],
        clocks=clocks,
    )


def next_log(case: CaseFolder, acquired: Acquired) -> Chain:
    """Return the log that continues the one in the folder, or begins it where nothing was done yet.

    Raises OSError, and ValueError where the one that stood was changed or taken away.
    """
    path = case.path / LOG
    # the first line stands before anything is asked: what would be made anew is what whoever took the log away wants it to say
    if not path.is_file() and (acquired.before or acquired.collected["looked"]):
        raise ValueError(
            f"the log of what was done is not there any more ({LOG}), and is not made anew from what can be forged"
        )
    return continued(path.read_bytes() if path.is_file() else b"", log_rows(acquired))


def _fetched(folder: Path, target: dict[str, Any]) -> list[dict[str, Any]]:
    found = _json(folder / FETCHED / f"{label(target)}.manifest.json")
    return [{**row, "target": label(target)} for row in found.get("files", ())]


def _json(path: Path) -> dict[str, Any]:
    """Return what a file holds that need not be there."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found
