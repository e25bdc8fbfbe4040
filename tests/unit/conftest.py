# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of the unit tests `make test` leaves to `make unit`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Marks as bulk what bash does in a test that other shells do too: few debug images have it, and dash reads alike."""
    others = {_test(item) for item in items if _shells(item) and "bash" not in _shells(item)}
    for item in items:
        if "bash" in _shells(item) and _test(item) in others:
            item.add_marker(pytest.mark.bulk)


def _test(item: pytest.Item) -> tuple[str, str]:
    """A test without its parameters."""
    return str(item.path), getattr(item, "originalname", item.name)


def _shells(item: pytest.Item) -> set[str]:
    """The shells among a test's parameters, those of its fixtures included."""
    params = getattr(item, "callspec", None)
    values = params.params.values() if params else ()
    words = [word for value in values for word in (value if isinstance(value, tuple) else (value,))]
    return {word for word in words if word in ("ash", "bash", "dash")}
