# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Merges a change into a container as the API server does: strategic merge, and the directive of it that users need.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

# the lists of a container that strategic merge merges by a key (struct tags patchMergeKey of core/v1 Container)
MERGE_KEYS = {"env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "ports": "containerPort"}

# the one directive of strategic merge patches that a user needs: $patch: replace or $patch: delete
DIRECTIVE = "$patch"


def strategic_merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return base with change merged in, as the API server merges: maps key by key, null deletes, the known lists by their merge
    key, other lists replaced; `$patch: replace` and `$patch: delete` in a map or in an entry of a known list."""
    if DIRECTIVE in change:
        kept = {} if change[DIRECTIVE] == "delete" else change
        return {key: copy.deepcopy(value) for key, value in kept.items() if key != DIRECTIVE and value is not None}
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if value is None or (below is None and isinstance(value, Mapping) and value.get(DIRECTIVE) == "delete"):
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = strategic_merge(below if isinstance(below, Mapping) else {}, value)
        elif isinstance(value, list) and key in MERGE_KEYS:
            merged[key] = _merge_list(below if isinstance(below, list) else [], value, MERGE_KEYS[key])
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _merge_list(base: Sequence[Any], change: Sequence[Any], merge_key: str) -> list[Any]:
    directives = [entry for entry in change if DIRECTIVE in entry]
    gone = {entry.get(merge_key) for entry in directives if entry[DIRECTIVE] == "delete"}
    if any(entry[DIRECTIVE] == "replace" for entry in directives):
        base = []
    before = {entry.get(merge_key): entry for entry in base if entry.get(merge_key) not in gone}
    merged: dict[Any, dict[str, Any]] = {}
    for entry in change:
        if DIRECTIVE not in entry:
            key = entry[merge_key]
            merged[key] = strategic_merge(merged.get(key, before.get(key, {})), entry)
    # The order counts ($(NAME) in a value refers to variables before it) and is the API's: the change's entries in the
    # change's order; one of base's own goes before the next that stands behind it in base, else to the end
    # (k8s.io/apimachinery/pkg/util/strategicpatch, mergeSortedSlice).
    place = {key: index for index, key in enumerate(before)}
    own = [key for key in before if key not in merged]
    ordered = []
    for key, entry in merged.items():
        while own and place[own[0]] < place.get(key, -1):
            ordered.append(before[own.pop(0)])
        ordered.append(entry)
    return ordered + [before[key] for key in own]
