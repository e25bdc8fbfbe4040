# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A line that is cut, at each byte of what a real shell once said, or says something else: what nothing has proven is no file and no
progress."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._read import request
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, Pipes

SHELL = "ash" if "ash" in SHELLS else min(SHELLS)
# two that come in a group, an empty one among them, and one that comes alone
CONTENTS = {"/a/one": b"1" * 20, "/a/none": b"", "/a/alone": bytes(range(200))}
RUBBISH = b"<html>502 Bad Gateway</html>\n"
LOST = (("failed", "ConnectionLost"), ("failed", "ChecksumMismatch"))
STRIDE = 61


class Heard(Pipes):
    """A real shell, and what it said to each job, without the marks that end an answer."""

    def __init__(self) -> None:
        self.nonce = new_nonce()
        shell = SHELLS[SHELL]
        super().__init__([*shell.argv, *exec_command(self.nonce)[1:]], {**os.environ, **shell.env})
        self.answers: list[bytearray] = []
        self.mark = b""

    def send(self, data: bytes) -> None:
        """See Transport.send."""
        if data.startswith(b"mark="):
            self.mark = data[5:].partition(b"\n")[0]
        if data.endswith((b" run\n", b" ask\n")):
            self.answers.append(bytearray())
        super().send(data)

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive."""
        piece = super().receive(timeout)
        if piece is not None and piece[0] == 1:
            self.answers[-1] += piece[1]
        return piece


class Said:
    """A transport that says again what was said to jobs, up to so many bytes, then something else, and then breaks."""

    hears_end, patience, exit_code = True, 60.0, None

    def __init__(self, answers: Sequence[bytes], mark: bytes, *, cut: int, then: bytes = b"") -> None:
        self._answers, self._old, self._left, self._then = list(answers), mark, cut, then
        self._mark = b""
        self._pieces: list[tuple[int, bytes]] = []

    def send(self, data: bytes) -> None:
        """See Transport.send."""
        if data.startswith(b"mark="):
            self._mark = data[5:].partition(b"\n")[0]
        if not data.endswith((b" run\n", b" ask\n")):
            return
        answer = self._answers.pop(0).replace(self._old, self._mark) if self._answers else b""
        self._pieces += [(1, answer[: self._left]), (2, self._mark + b" 0\n")]
        if len(answer) > self._left:
            self._pieces[-1] = (1, self._then)
        self._left = max(0, self._left - len(answer))

    def receive(self, _timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive."""
        while self._pieces:
            channel, piece = self._pieces.pop(0)
            if piece:
                return channel, memoryview(bytearray(piece))
        raise Failure("ConnectionLost", "cut by the test")

    def keep_alive(self) -> None:
        """See Transport.keep_alive."""

    def close(self) -> None:
        """See Transport.close."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(reconnect, "_PAUSE", 0.0)
    monkeypatch.setattr(request, "SMALL", 100)
    made = World(tmp_path, SHELL)
    for path, content in CONTENTS.items():
        made.write(path, content)
    return made


def heard(world: World, files: Iterable[str] = tuple(CONTENTS)) -> tuple[list[bytes], bytes]:
    """What a real shell says in a fetch that nothing breaks, job by job, and the mark that ends each."""
    shell = Heard()
    done = world.fetch("/a", opener=lambda: Session(shell, shell.nonce))
    assert statuses(done) == dict.fromkeys(files, ("fetched", None))
    shutil.rmtree(world.home)
    return [bytes(answer) for answer in shell.answers], shell.mark


def cuts(answers: Sequence[bytes], last: int) -> Iterator[int]:
    """Return each place at which a line can be cut in so many last answers, and some in those before."""
    before = 0
    for number, answer in enumerate(answers):
        yield from range(before, before + len(answer), 1 if number >= len(answers) - last else STRIDE)
        before += len(answer)


def fetched(world: World, said: Said, home: str) -> Fetched | Failure:
    """What comes of a fetch to a folder of its own on one line that says this."""
    world.home = world.root.parent / home
    world.copy = world.home / "shop/app-0/app"
    lines = iter([said])

    def opening() -> Session:
        line = next(lines, None)
        if line is None:
            raise Failure("ConnectionLost", "there is no other line")
        return Session(line, new_nonce())

    try:
        return world.fetch("/a", opener=opening, retries=0)
    except Failure as failure:
        return failure


@pytest.mark.parametrize("then", [b"", RUBBISH], ids=["nothing", "rubbish"])
def test_wherever_a_line_is_cut_each_file_is_right_or_said_to_be_lost(world: World, then: bytes) -> None:
    answers, mark = heard(world)
    ends: set[tuple[str, ...]] = set()
    for cut in cuts(answers, 1 if then else 2):
        done = fetched(world, Said(answers, mark, cut=cut, then=then), f"cut at {cut}")
        brought = {f"/a/{path.name}": path.read_bytes() for path in world.copy.glob("a/*")}
        assert world.no_temporary_is_left()
        if isinstance(done, Failure):
            assert (done.reason, brought) == ("ConnectionLost", {}), done
            continue
        assert done.failure is not None
        assert done.failure.reason == "ConnectionLost"
        became = statuses(done)
        assert set(became) == set(CONTENTS)
        lost = {path for path, end in became.items() if end in LOST}
        assert {path: end for path, end in became.items() if path not in lost} == dict.fromkeys(
            brought, ("fetched", None)
        )
        assert brought == {path: CONTENTS[path] for path in brought}
        ends.add(tuple(sorted(brought)))
    # what was proven before the cut is kept
    assert len(ends) > 2, ends


def test_what_is_not_cut_is_brought(world: World) -> None:
    answers, mark = heard(world)
    done = fetched(world, Said(answers, mark, cut=sum(map(len, answers)) + 1), "whole")
    assert isinstance(done, Fetched)
    assert statuses(done) == dict.fromkeys(CONTENTS, ("fetched", None))


def test_a_little_that_nothing_has_proven_uses_up_the_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line brings a few more bytes of a file than the one before, and they are not the file's."""
    monkeypatch.setattr(reconnect, "_PAUSE", 0.0)
    world = World(tmp_path, SHELL)
    world.write("/a/large", b"right" * 40_000)
    answers, mark = heard(world, {"/a/large"})
    *before, stream = answers
    begin = stream[: stream.index(b"\n", stream.index(b"begin ")) + 1]
    # a later line is asked for the tools and for the file alone
    lines = [[*before, begin + RUBBISH], *[[before[0], begin + RUBBISH]] * 99]
    opened: list[Said] = []

    def opening() -> Session:
        said = lines[len(opened)]
        opened.append(Said(said, mark, cut=sum(map(len, said)) - 1))
        return Session(opened[-1], new_nonce())

    done = world.fetch("/a", opener=opening, retries=2)
    assert statuses(done) == {"/a/large": ("failed", "ConnectionLost")}
    # the first, two more, and one that asks for the names of groups
    assert len(opened) == 4


# in the place of a word of an answer, or beside it
WORDS = (b"", b"-1", b"9" * 19, b"\xff", b"1 2 3", b"//E")


def twisted(answers: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Return the answers with another word in the place of one, or with a line left out or doubled, in the listing and what follows."""
    for number, answer in list(enumerate(answers))[-2:]:
        lines = answer.split(b"\n")
        for at, line in enumerate(lines[:12]):
            for other in ([], [line, line]):
                yield [*answers[:number], b"\n".join([*lines[:at], *other, *lines[at + 1 :]]), *answers[number + 1 :]]
            words = line.split(b" ")[:12]
            for place, word in enumerate(words):
                for instead in (*WORDS, word + b" " + word):
                    changed = b" ".join([*words[:place], instead, *words[place + 1 :]])
                    text = b"\n".join([*lines[:at], changed, *lines[at + 1 :]])
                    yield [*answers[:number], text, *answers[number + 1 :]]


def test_whatever_a_word_of_an_answer_is_it_ends_in_rows_or_a_failure(world: World) -> None:
    answers, mark = heard(world)
    contents = set(CONTENTS.values())
    cases = list(twisted(answers))
    for lies in cases:
        done = fetched(world, Said(lies, mark, cut=sum(map(len, lies)) + 1), "twisted")
        assert isinstance(done, Failure | Fetched)
        assert world.no_temporary_is_left()
        assert {path.read_bytes() for path in world.copy.rglob("*") if path.is_file()} <= contents
        shutil.rmtree(world.home, ignore_errors=True)
    assert len(cases) > 300
