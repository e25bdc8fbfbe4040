# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the README's picture of a report: `tool.py picture evidence/cases/uploads-0/report.html docs/images/report.png` after `make demo`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from . import chromium, environments
from .say import Stop, stopping

SIZE = "1100,900"
# as the tests of the report start it: nothing that a browser does by itself, and no sandbox, which root has none of
SWITCHES = "--headless --hide-scrollbars --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync".split()


def main(report: Path, picture: Path) -> None:
    """Write what a browser's window of SIZE shows of the report when it is opened."""
    with tempfile.TemporaryDirectory() as profile:
        environments.run(
            chromium.program(),
            *SWITCHES,
            f"--user-data-dir={profile}",
            f"--window-size={SIZE}",
            f"--screenshot={picture.absolute()}",
            report.absolute().as_uri(),
        )


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except Stop as stop:
        sys.exit(stopping(stop))
