# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says in one clear message that the interpreter is too old, before anything is imported that would end in a traceback.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import sys

REQUIRED = (3, 11)


def require_python() -> None:
    """Ends the task when this interpreter is older than the collection's code."""
    if sys.version_info >= REQUIRED:
        return
    found = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in REQUIRED)
    message = (
        f"incident.distroless needs Python {wanted} or newer on the host that runs the module; {sys.executable} is {found}. "
        "Set ansible_python_interpreter, for localhost usually to '{{ ansible_playbook_python }}'."
    )
    sys.stdout.write(json.dumps({"failed": True, "msg": message}))
    raise SystemExit(1)
