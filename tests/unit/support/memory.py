# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much memory a piece of work takes, as the kernel counts it.

Not tracemalloc: before Python 3.12.9 it can crash the process when it is stopped while another thread allocates.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RESET_THE_PEAK = "5"


@contextmanager
def peak_growth() -> Iterator[Callable[[], int]]:
    """Yield a function that returns by how many bytes the resident memory of this process was at most larger than at the begin."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text(_RESET_THE_PEAK, encoding="ascii")
    before = _status("VmRSS")
    yield lambda: _status("VmHWM") - before


def _status(key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found, key
    return int(found[1]) * 1024
