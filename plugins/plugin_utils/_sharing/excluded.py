# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What never comes along in a copy for sharing: what secret collectors printed, of all targets, on record or not.

A play that was cut off has left files of targets that its record does not name. So a file is told by where it lies.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import TEMPORARY
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import DEFAULT_SUFFIX
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import (
    AFTER,
    BEFORE,
    FETCHED,
)

_NAME = b"[^/]+"
# of a target; no namespace has a name with an underscore, and files of the pod lie below one that has
_FOLDER = rb"(?!(?:%s)/)%s/%s/%s/" % (f"{BEFORE}|{AFTER}|{FETCHED}".encode(), _NAME, _NAME, _NAME)


def secret_names(collectors: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The names of those collectors (rows of collected.json) that are secret."""
    return frozenset(row["name"] for row in collectors if row.get("secret"))


def secret_paths(collectors: Iterable[Mapping[str, Any]]) -> re.Pattern[bytes]:
    """What matches as a whole the paths in the case folder where secret collectors (rows of collected.json) put what they print,
    whatever the target: raw, parsed, and while it is being written."""
    patterns = [pattern for row in collectors if row.get("secret") for pattern in _patterns(row)]
    # without one, what nothing matches
    return re.compile(b"|".join(dict.fromkeys(patterns)) or b"(?!)")


def _patterns(row: Mapping[str, Any]) -> Iterator[bytes]:
    name = re.escape(row["name"].encode())
    suffix = re.escape(str(row.get("suffix", DEFAULT_SUFFIX)).encode())
    yield _FOLDER + name + rb"\.(?:" + suffix + rb"|json)"
    # as CaseFolder and Partial name them
    yield _FOLDER + rb"\." + name + rb"\.json\.partial"
    yield _FOLDER + TEMPORARY.pattern
    if row.get("file"):
        folder, slash, own = row["file"].encode().rpartition(b"/")
        yield _template(folder + slash) + _template(own)
        yield _template(folder + slash) + TEMPORARY.pattern


def _template(path: bytes) -> bytes:
    """The pattern of a path with {namespace}, {pod} and {container} in it."""
    return b"".join(_NAME if part.startswith(b"{") else re.escape(part) for part in re.split(rb"(\{[^{}]*\})", path))
