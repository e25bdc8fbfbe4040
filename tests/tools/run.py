# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make test` and its parts: what runs, in which order, and what is said about it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from . import (
    automation,
    branches,
    built,
    cache,
    checks,
    docsite,
    entry_points,
    live,
    matrix,
    object_store,
    processes,
    release,
    sanity,
)
from .log import Log, StepFailed
from .pythons import Python, ends, missing, missing_sentence, pairs
from .say import Stop, say, stopping


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that passes or fails: the make `target` that repeats it, what people call it, and the work."""

    target: str
    name: str
    work: Callable[[Log], None]


def main(arguments: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stopped)
    _forget_settings()
    target, *rest = arguments
    words = tuple(rest[1:] if rest[:1] == ["--"] else rest)
    try:
        with branches.measured():
            run(target, words)
    except Stop as stop:
        return stopping(stop)
    return 0


def run(target: str, words: tuple[str, ...]) -> None:
    """Do what a make target asks for, with `words` for its tool; Stop when something failed."""
    if target == "test":
        everything()
    elif target == "demo":
        demonstration()
    elif target == "bench":
        benchmark(words)
    elif target == "integration":
        live.cluster()
        live.reruns().unlink(missing_ok=True)
        on_lowest(*words)
        on_newest(*words)
        if not words:
            # of ansible-test's targets `make test` runs one
            _on_cluster(*ends()[-1], "-m", "bulk", "tests/integration/test_targets.py")
    elif target == "test-matrix":
        matrix.run(words)
        # what no change of a day is to wait for
        passed([] if words else steps("site"))
    elif target == "faults":
        faults(words)
    elif target == "release":
        release.made()
    else:
        passed(steps(target, words))


def everything() -> None:
    say(missing_sentence())
    if os.environ.get("REQUIRE_ALL_PYTHONS") and missing():
        raise Stop("all of these Pythons are required here (REQUIRE_ALL_PYTHONS is set).")
    with (
        cache.locked(
            cache.own() / "test", "Another `make test` runs in this checkout. Waiting for it.", inherited=False
        ),
        ThreadPoolExecutor(1) as beside,
    ):
        cluster = beside.submit(live.cluster)
        users = [beside.submit(live.user_environment, python, core) for python, core in ends()]
        automated = beside.submit(automation.places)
        tools = [beside.submit(built.program, name) for name in ("cosign", "alertmanager")]
        stores = [beside.submit(object_store.places, python.version, core) for python, core in ends()]
        ready: list[Future[Any]] = [cluster, *users, automated, *tools, *stores]
        # the longest first, so that no core is left alone with one; what needs the cluster when it has had time to start
        wanted = [*reversed(_units(ends(), ends()[-1:], live.NOT_BULK)), *_quick_sanity()]
        wanted += [_smoke(ready)] if len(ends()) > 1 else []
        wanted += [*steps("lint"), _branches()]
        wanted += [step for target in ("browser", "types", "docs") for step in steps(target)]
        wanted += [Step("build", "build", checks.built_beside_lint)]
        live.reruns().unlink(missing_ok=True)
        passed(wanted)
        for part in ready:
            part.result()
        on_newest()


def demonstration() -> None:
    python, core = ends()[-1]
    with ThreadPoolExecutor(1) as beside:
        environment = beside.submit(live.user_environment, python, core)
        live.cluster()
    live.demonstrate(environment.result())


def benchmark(words: tuple[str, ...]) -> None:
    python, core = ends()[-1]
    with ThreadPoolExecutor(1) as beside:
        environment = beside.submit(live.user_environment, python, core)
        live.cluster()
    live.benchmark(environment.result(), *words)


def faults(words: tuple[str, ...]) -> None:
    """Many trials with connections that fail, on the newest pair; writes the page about them."""
    live.cluster()
    os.environ.update({"FAULT_TRIALS": os.environ.get("FAULT_TRIALS", "1012"), "FAULT_PAGE": "yes"})
    try:
        live.integration(*ends()[-1], "tests/faults", *words)
    except StepFailed as failure:
        raise Stop(f"{failure}. Its output names the seeds; FAULT_SEED=<n> FAULT_TRIALS=1 repeats one.") from None


def steps(target: str, words: tuple[str, ...] = ()) -> list[Step]:
    """The steps of one make target that needs no cluster."""
    match target:
        case "unit":
            tests = _units(pairs(), ends(), words)
            return tests if words else [*tests, _branches()]
        case "sanity":
            return _sanity()
        case "site":
            return [Step("site", "site", docsite.built)]
        case _:
            return [Step(target, target, getattr(checks, target))]


def passed(wanted: list[Step]) -> None:
    """Run all of them, three side by side; Stop when one failed, after every failed one's output was shown."""
    # of the unit tests much is waiting
    with ThreadPoolExecutor(3) as workers:
        failed = [step for step, fine in zip(wanted, workers.map(_run, wanted), strict=True) if not fine]
    if failed:
        again = " or ".join(dict.fromkeys(f"`make {step.target}`" for step in failed))
        raise Stop(
            f"{', '.join(step.name for step in failed)} failed. After a change, repeat that part alone with {again}."
        )


def on_lowest(*arguments: str) -> None:
    """pytest on the lowest pair, where it is not the newest too: what an ansible-core can change, and little of that.

    What the kernel, Kubernetes and the remote shells do is the same under each.
    """
    lowest, *others = ends()
    if others:
        _on_cluster(*lowest, *live.smoke(), *arguments)


def on_newest(*arguments: str) -> None:
    """pytest with every test on the newest pair, its closing line the last of all."""
    _on_cluster(*ends()[-1], *live.EVERY_TEST, *arguments)


def _on_cluster(python: Python, core: str, *arguments: str) -> None:
    say(f"\nOn the cluster with Python {python.release} and ansible-core {core}:")
    try:
        live.integration(python, core, *arguments)
    except StepFailed as failure:
        raise Stop(f"{failure}. After a change, repeat that part alone with `make integration`.") from None


def _smoke(ready: Sequence[Future[Any]]) -> Step:
    """The tests on the lowest pair as one of the steps that run side by side; waits until what it needs is `ready`."""
    python, core = ends()[0]

    def work(log: Log) -> None:
        for part in ready:
            part.result()
        live.integration(python, core, *live.smoke(), log=log)

    return Step("integration", f"smoke on Python {python.version} with ansible-core {core}", work)


def _units(
    wanted: Sequence[tuple[Python, str]], whole: Sequence[tuple[Python, str]], words: tuple[str, ...] = ()
) -> list[Step]:
    """The unit tests on each pair. What a shell does is the same under each Python: few pairs see enough of it."""
    return [_pair("unit", partial(checks.unit, arguments=words, is_whole=pair in whole), *pair) for pair in wanted]


def _sanity() -> list[Step]:
    return [_pair("sanity", sanity.check, *pair) for pair in ends()]


def _quick_sanity() -> list[Step]:
    """ansible-test sanity of what people install, and on the lowest pair what its ansible-core and Python can change alone."""
    lowest, *others = ends()
    of_the_version = [_pair("sanity", partial(sanity.check, tests=sanity.OF_THE_VERSION), *lowest)] if others else []
    return [*of_the_version, _pair("sanity", sanity.check_what_is_installed, *ends()[-1])]


def _branches() -> Step:
    return Step("unit", "branches of the entry points", entry_points.check)


def _pair(target: str, work: Callable[..., None], python: Python, core: str) -> Step:
    name = f"{target} on Python {python.version} with ansible-core {core}"
    return Step(target, name, lambda log: work(log, python, core))


def _run(step: Step) -> bool:
    output = Log(cache.own() / "logs" / f"{step.name.replace(' ', '-')}.log")
    begin = time.monotonic()
    try:
        step.work(output)
    except Stop as stop:
        say(f"\n{output.path.read_text(encoding='utf-8', errors='replace')}\n{step.name}: FAILED: {stop}\n")
        return False
    say(f"{step.name}: ok, {time.monotonic() - begin:.0f} s")
    return True


def _forget_settings() -> None:
    """Drop what the person's own shell sets for Python and Ansible: results must not depend on it."""
    for name in tuple(os.environ):
        if name in ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE") or name.startswith(
            ("ANSIBLE_", "K8S_AUTH_")
        ):
            del os.environ[name]


def _stopped(number: int, _frame: FrameType | None) -> None:
    processes.end_all()
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
