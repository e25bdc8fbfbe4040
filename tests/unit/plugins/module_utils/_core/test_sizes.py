# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import parse_size, show_size
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (0, 0),
        (12, 12),
        ("12", 12),
        ("12B", 12),
        ("2G", 2 << 30),
        ("2Gi", 2 << 30),
        ("2GiB", 2 << 30),
        ("2 gb", 2 << 30),
        ("1.5k", 1536),
        (1.5, 1),
        ("20M", 20 << 20),
        (" 1E ", 1 << 60),
    ],
)
def test_a_size_is_read_as_powers_of_1024(text: object, expected: int) -> None:
    assert parse_size(text, "max_size") == expected


@pytest.mark.parametrize("text", ["", "G", "-1", "2X", "2iB", "1e6", "nan", True, None, "٣", "2G 3M", "1_000", [1]])
def test_what_is_no_size_is_refused_by_the_option_s_name(text: object) -> None:
    with pytest.raises(Failure, match="max_size") as caught:
        parse_size(text, "max_size")
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1023 << 10, "1023 KiB"),
        (20 << 30, "20 GiB"),
        (1023 * 1000 + 700, "999 KiB"),
    ],
)
def test_a_size_is_shown_short(count: int, expected: str) -> None:
    assert show_size(count) == expected


@given(st.integers(min_value=0, max_value=1 << 70))
def test_what_is_shown_can_be_read_again(count: int) -> None:
    again = parse_size(show_size(count), "max_size")
    assert abs(again - count) <= count / 100
