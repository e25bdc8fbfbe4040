# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When tests give up, and how much time they give to what has to run out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Done = TypeVar("Done")

# seconds after which what a test waits for is taken to hang: far more than anything takes on the busiest machine, and no test
# measures by it
PATIENCE = 900


def just_enough(seconds: int, act: Callable[[int], Done], has_begun: Callable[[Done], bool]) -> Done:
    """Run an act that is to run out of time in the middle: with so many seconds, or twice as many while it had not begun.

    How much is enough to come to the middle depends on what else the machine does.
    """
    done = act(seconds)
    while not has_begun(done) and seconds < PATIENCE:
        seconds *= 2
        done = act(seconds)
    return done
