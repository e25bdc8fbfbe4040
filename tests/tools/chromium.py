# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser that reports are opened in: the machine's own, or the distribution's."""

from __future__ import annotations

from pathlib import Path

from . import distribution

NAMES = ("chromium", "chromium-browser", "google-chrome")
OTHERWISE = "no Chromium was found, which the tests of the report need. Install chromium or google-chrome."


def program() -> Path:
    """Chromium's program; installed where apt-get is and may, else: Stop with what to install."""
    return distribution.program(NAMES, "chromium", OTHERWISE)
