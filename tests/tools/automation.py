# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX and alerts run playbooks with: ansible-runner, ansible-builder, ansible-rulebook with its Java, and awx.awx.

As a script it prints where they are, as JSON in its last line: the tests on the cluster ask it.
"""

from __future__ import annotations

import json
import sys

from . import dependencies, distribution, environments
from .pythons import found
from .say import Stop, say, stopping

# Debian 12 and 13 have different ones; ansible-rulebook's engine wants 17 or newer
JAVA = (
    "default-jre-headless",
    "no Java was found, which ansible-rulebook needs. Install a Java 17 or newer, as a headless JRE.",
)


def places() -> dict[str, str]:
    """`programs`: a folder with the programs; `awx`: a collections folder with awx.awx. Made and fetched where they are not there yet."""
    distribution.program(("java",), *JAVA)
    environment = environments.for_automation(found()[-1])
    return {"programs": str(environment / "bin"), "awx": str(dependencies.awx())}


if __name__ == "__main__":
    try:
        say(json.dumps(places()))
    except Stop as stop:
        sys.exit(stopping(stop))
