# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of logs, and what a task may say about whose."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._logs_task import End, Log, parse

NAMED = {"namespace": "shop", "pod": "api-0", "container": "app"}


def ended(limit: int, *pieces: bytes) -> End:
    end = End(limit)
    for piece in pieces:
        end.take(piece)
    return end


@pytest.mark.parametrize(
    ("pieces", "text", "is_cut"),
    [
        ((), "", False),
        ((b"one\n", b"two\n"), "one\ntwo\n", False),
        ((b"0123456789",), "0123456789", False),
        ((b"a long line\n", b"two\n"), "two\n", True),
        # no line begins in what is left
        ((b"x" * 50,), "x" * 10, True),
        ((b"x" * 9 + b"\n", b""), "x" * 9 + "\n", False),
        # cut in the middle of a letter
        ((b"\xc3\xa9" * 7,), "\u00e9" * 5, True),
        ((b"\xff\n",), "\ufffd\n", False),
    ],
)
def test_the_end_of_a_log_is_kept_from_a_whole_line_on(pieces: tuple[bytes, ...], text: str, is_cut: bool) -> None:
    end = ended(10, *pieces)
    assert (end.text(), end.is_cut) == (text, is_cut)
    assert len(end.data) <= 10


def test_a_container_is_named_with_its_run() -> None:
    assert parse(0, NAMED) == Log("shop", "api-0", "app")
    assert parse(0, {**NAMED, "previous": True}) == Log("shop", "api-0", "app", previous=True)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "lacks one of"),
        ({**NAMED, "pod": ""}, "lacks one of"),
        ({**NAMED, "pod": 1}, "lacks one of"),
        ({**NAMED, "previous": "yes"}, "neither true nor false"),
        ({**NAMED, "since": 5}, "unknown keys: since"),
    ],
)
def test_what_names_no_container_is_refused_with_its_place(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure, match=r"containers\[3\].*" + said) as caught:
        parse(3, entry)
    assert caught.value.reason == "InvalidRequest"
