# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One of tests/tools as a program: `python3 tests/tool.py options`."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    # the package beside this file is found by the name `tools`, whatever the directory that this was called in
    name = sys.argv.pop(1)
    runpy.run_module(f"tools.{name}", run_name="__main__", alter_sys=True)
