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

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, failure_of

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_concurrently(
    work: Callable[[Item], Outcome], items: Sequence[Item], concurrency: int
) -> list[Outcome | Failure]:
    """Return the outcome of work for each item, in the items' order; a Failure stands for the item that met it.

    Any other exception is a defect of ours, which costs the item that met it and no other: it becomes that item's Failure.
    The threads are daemons: a task that is killed or interrupted does not wait for a pod that does not answer. Raises
    ValueError for a concurrency at which nothing would ever be done.
    """
    if concurrency < 1:
        raise ValueError("nothing is done by no thread")
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Outcome | Failure]] = queue.SimpleQueue()
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
            except BaseException as error:  # noqa: BLE001 - whatever it is, somebody waits for an outcome
                done.put((index, failure_of(error)))

    for _number in range(min(concurrency, len(items))):
        threading.Thread(target=worker, daemon=True).start()
    outcomes: dict[int, Outcome | Failure] = {}
    for _item in items:
        index, outcome = done.get()
        outcomes[index] = outcome
    return [outcomes[index] for index in range(len(items))]
