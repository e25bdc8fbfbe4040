# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work for many targets side by side, inside one module call.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_concurrently(
    work: Callable[[Item], Outcome], items: Sequence[Item], concurrency: int
) -> list[Outcome | Failure]:
    """The outcome of work for each item, in the items' order; a Failure stands for the item that met it.

    Any other exception is a defect of ours and is raised when all are done. The threads are daemons: a task that is
    killed or interrupted does not wait for a pod that does not answer.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Outcome | BaseException]] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def worker() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, work(items[index])))
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                done.put((index, error))

    for _number in range(min(concurrency, len(items))):
        threading.Thread(target=worker, daemon=True).start()
    outcomes: dict[int, Outcome | Failure] = {}
    defects: list[BaseException] = []
    for _item in items:
        index, outcome = done.get()
        if isinstance(outcome, BaseException) and not isinstance(outcome, Failure):
            defects.append(outcome)
        else:
            outcomes[index] = outcome
    if defects:
        raise defects[0]
    return [outcomes[index] for index in range(len(items))]
