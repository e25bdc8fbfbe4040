# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes as people write them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

_UNITS = "KMGTPE"
_SIZE = re.compile(
    rf"\s*([0-9]{{1,20}}(?:\.[0-9]{{1,20}})?)\s*(?:([{_UNITS}])(?:i?B?)?|B)?\s*", re.ASCII | re.IGNORECASE
)


def parse_size(value: object, option: str) -> int:
    """Return bytes in a size such as 1048576, "2G", "2Gi" or "1.5 MB"; every unit is a power of 1024; 0 means no limit.

    Raises Failure InvalidRequest that names the option.
    """
    match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if match is None:
        raise Failure(
            "InvalidRequest",
            f"{option}: expected a size, got {str(value)[:100]!r}.",
            "Set a number of bytes, or one with a unit, such as 512Ki, 20M or 2Gi; 0 means no limit.",
        )
    number, unit = match.groups()
    return int(Decimal(number) * 1024 ** (_UNITS.index(unit.upper()) + 1 if unit else 0))


def show_size(count: int) -> str:
    """Return bytes as a person reads them: `0 B`, `1.5 KiB`, `20 GiB`."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, len(_UNITS))
    return (
        f"{count / 1024**power:.3g} {_UNITS[power - 1]}iB"
        # from 999.5 on three digits would be written as 1e+03
        if 2 * count < 1999 * 1024**power
        else f"{count // 1024**power} {_UNITS[power - 1]}iB"
    )
