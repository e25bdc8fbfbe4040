# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the launcher tells the person in front of it: sentences, signs of life, and one way to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEARTBEAT = 20.0  # seconds


class Stop(Exception):
    """The work cannot go on; the text says why and what to do next. Never shown with a traceback."""


def say(sentence: str) -> None:
    print(sentence, flush=True)


@contextmanager
def heartbeat() -> Iterator[None]:
    """Give a sign of life now and then."""
    began = time.monotonic()
    over = threading.Event()

    def live() -> None:
        while not over.wait(HEARTBEAT):
            say(f"  ... still busy after {time.monotonic() - began:.0f} s")

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def doing(what: str, usually: str) -> Iterator[None]:
    """Tell what begins and how long it usually takes, and then how long it took."""
    say(f"{what}; usually {usually}.")
    began = time.monotonic()
    with heartbeat():
        yield
    say(f"  done in {time.monotonic() - began:.0f} s.")
