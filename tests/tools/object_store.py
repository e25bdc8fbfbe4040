# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What delivers to S3, and what takes it: boto3 beside Ansible, the collection amazon.aws, and a store that speaks the protocol.

As a script, `object_store.py <Python's version> <ansible-core's>` prints where they are, as JSON in its last line: the tests on
the cluster ask it.
"""

from __future__ import annotations

import json
import sys

from . import built, dependencies, environments, pythons
from .say import Stop, say, stopping


def places(version: str, core: str) -> dict[str, str]:
    """`programs`: Ansible's, with boto3; `collections`: has amazon.aws; `server`: the store. Made where they are not there yet."""
    python = pythons.find(version)
    if python is None:
        raise Stop(f"Python {version} was not found on this machine.")
    return {
        "programs": str(environments.for_s3(python, core) / "bin"),
        "collections": str(dependencies.amazon()),
        "server": str(built.program("versitygw")),
    }


if __name__ == "__main__":
    try:
        say(json.dumps(places(*sys.argv[1:])))
    except Stop as stop:
        sys.exit(stopping(stop))
