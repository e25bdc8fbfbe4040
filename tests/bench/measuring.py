# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs commands and contenders and takes their time and memory; contenders take turns, so that a busy minute hits all."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from figures import Row, Sample

# longer than any command here takes that comes to its end
LIMIT = 900.0
POLL = 0.002


class Trouble(Exception):
    """A contender did not do what it was asked for; the text says what it printed."""


@dataclass(frozen=True, slots=True)
class Spent:
    """A command that ended well: wall-clock seconds, the most memory of one of its processes in bytes, and seconds of CPU."""

    seconds: float = 0.0
    peak: int = 0
    cpu: float = 0.0
    printed: str = ""

    def __add__(self, other: Spent) -> Spent:
        """One command after the other."""
        return Spent(
            self.seconds + other.seconds,
            max(self.peak, other.peak),
            self.cpu + other.cpu,
            self.printed + other.printed,
        )

    def sample(self) -> Sample:
        """The same as one run of a contender that is no module."""
        return Sample(self.seconds, peak=self.peak, cpu=self.cpu)


@dataclass(frozen=True, slots=True)
class Contender:
    """`prepare` makes the ground for one run and is not measured; `run` is; `check` raises Trouble when its work is not whole.

    `most_broken`: so many runs may fail and are made again.
    """

    name: str
    run: Callable[[], Sample]
    prepare: Callable[[], None] = lambda: None
    check: Callable[[], None] = lambda: None
    most_runs: int = 1000
    most_broken: int = 0


def spent(
    words: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
    into: Sequence[str] = (),
    fine: Sequence[int] = (0,),
) -> Spent:
    """Runs one command to its end, its stdout going to `output`, or through a pipe `into` a second command, else kept.

    Raises Trouble when one ends with a status that is not `fine`. Both are told to end when this is interrupted.
    """
    variables = {**os.environ, **(environment or {})}
    with tempfile.TemporaryFile() as kept, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        first = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if into else output or kept,
            stderr=errors,
            env=variables,
        )
        children = [first]
        try:
            if into:
                children.append(subprocess.Popen(into, stdin=first.stdout, stdout=kept, stderr=errors, env=variables))
                if first.stdout is not None:
                    first.stdout.close()
            usages = [_ended(child, started) for child in children]
        except BaseException:
            for child in children:
                if child.returncode is None:
                    child.terminate()
                    child.wait()
            raise
        seconds = time.perf_counter() - started
        kept.seek(0)
        errors.seek(0)
        printed, said = (file.read().decode(errors="replace") for file in (kept, errors))
    for child, command in zip(children, (words, into), strict=False):
        if child.returncode not in fine:
            raise Trouble(
                f"{Path(command[0]).name} ended with status {child.returncode}: {(said or printed)[-2000:].strip()}"
            )
    peak = max(usage.ru_maxrss * 1024 for usage in usages)
    return Spent(seconds, peak, sum(usage.ru_utime + usage.ru_stime for usage in usages), printed)


def _ended(child: subprocess.Popen[bytes], started: float) -> resource.struct_rusage:
    """Waits for a child by the call that also tells what it used, which subprocess has no way to ask for."""
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.perf_counter() - started > LIMIT:
            raise Trouble(f"did not end within {LIMIT:.0f} s")
        time.sleep(POLL)
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage


def interleaved(contenders: Sequence[Contender], runs: int, say: Callable[[str], None]) -> tuple[Row, ...]:
    """Each contender `runs` times in turn (A B C, B C A, ...). One that fails more often than it may is not run again, and its
    row says why."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    broken: dict[str, list[str]] = {contender.name: [] for contender in contenders}
    for number in range(runs):
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            name = contender.name
            wanted = min(number + 1, contender.most_runs)
            while len(samples[name]) < wanted and len(broken[name]) <= contender.most_broken:
                try:
                    samples[name].append(_run(contender))
                    say(f"    {samples[name][-1].seconds:8.2f} s  {name}")
                except Trouble as trouble:
                    broken[name].append(str(trouble))
                    say(f"    {name}: FAILED: {trouble}")
    return tuple(
        Row(
            contender.name,
            tuple(samples[contender.name]),
            broken[contender.name][-1] if len(broken[contender.name]) > contender.most_broken else "",
            len(broken[contender.name]),
        )
        for contender in contenders
    )


def _run(contender: Contender) -> Sample:
    contender.prepare()
    # what an earlier run left to be written to disk is not this one's work
    os.sync()
    sample = contender.run()
    contender.check()
    return sample
