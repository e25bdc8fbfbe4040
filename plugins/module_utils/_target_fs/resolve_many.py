# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where many paths lead: each is looked up once, and none after a moment that has passed.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from ansible_collections.incident.distroless.plugins.module_utils._target_fs.resolve import (
    Found,
    Looker,
    Unresolved,
    resolve,
)

# between two looks at the clock: seconds, where each path is a chain of as many links as the kernel follows
_AT_ONCE = 128


def look_up(
    looker: Looker, paths: Iterable[bytes], until: float, *, follow: bool = True
) -> dict[bytes, Found | Unresolved]:
    """Where paths lead, as resolve says; those that are missing were not looked at before until (time.monotonic())."""
    distinct = list(dict.fromkeys(paths))
    answers: dict[bytes, Found | Unresolved] = {}
    for begin in range(0, len(distinct), _AT_ONCE):
        if time.monotonic() > until:
            break
        part = distinct[begin : begin + _AT_ONCE]
        answers.update(zip(part, resolve(looker, part, follow=follow), strict=True))
    return answers
