# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of logs, and what a task may say about whose."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules import pod_logs as _logs_task
from ansible_collections.incident.distroless.plugins.module_utils._modules.pod_logs import End, Log, parse

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


LOST = b"unable to retrieve container logs for containerd://4f2b"


@pytest.mark.parametrize(
    ("previous", "answers", "text", "pauses"),
    [
        (True, [LOST, b"panic: no config\n"], "panic: no config\n", 1),
        (True, [LOST] * 9, LOST.decode(), 3),
        (True, [b"all is well\n"], "all is well\n", 0),
        # the log of a run that goes on does not come back
        (False, [LOST, b"x\n"], LOST.decode(), 0),
    ],
)
def test_of_a_run_before_that_is_deleted_meanwhile_the_next_one_s_log_is_read(
    monkeypatch: pytest.MonkeyPatch, previous: bool, answers: list[bytes], text: str, pauses: int
) -> None:
    left, slept = iter(answers), list[float]()

    class Kubelet:
        def stream(self, _path: str, _doing: str, _deadline: Any, _query: Any, take: Any) -> None:
            take(next(left))

    monkeypatch.setattr(_logs_task.time, "sleep", slept.append)
    kubelet: Any = Kubelet()
    end = _logs_task._read(kubelet, 100, 1000, 60, Log("shop", "api-0", "app", previous))
    assert end.text() == text
    assert len(slept) == pauses
