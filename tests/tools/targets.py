# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tests/integration/targets by ansible-test integration: `python3 tests/tool.py targets api_objects`, or all without a name."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import yaml

from . import cache, dependencies, environments, live, tree
from .log import Log
from .pythons import Python, ends
from .say import Stop, say, stopping

PLACE = Path("tests/integration")


def run(log: Log, python: Python, core: str, *names: str, cluster: Path = live.CLUSTER) -> None:
    """Run these targets, or all, on the published cluster, in a namespace that goes at the end; StepFailed where one fails.

    ansible-test hands on nothing but PATH and HOME, and reads what targets have to know in integration_config.yml. The cluster's file is
    named there; a copy of the collection has it, never the checkout.
    """
    environment = environments.for_tests(python, core)
    namespace = f"targets-{uuid.uuid4().hex[:8]}"
    known = {"targets_kubeconfig": str(cluster / "kubeconfig"), "targets_namespace": namespace}
    path = os.pathsep.join((str(environment / "bin"), os.environ.get("PATH", os.defpath)))
    command = (environment / "bin" / "ansible-test", "integration", "--python", python.version, "--color", "no")
    with tree.copy(dependencies.collections(core)) as folder, tempfile.TemporaryDirectory() as home:
        place = folder / tree.PLACE
        (place / PLACE / "integration_config.yml").write_text(yaml.safe_dump(known), encoding="utf-8")
        try:
            log.run(*command, *names, cwd=place, HOME=home, PATH=path)
        finally:
            kubectl = (cluster / "kubectl", "--kubeconfig", cluster / "kubeconfig")
            forget = (*kubectl, "delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
            subprocess.run(forget, check=False, capture_output=True)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 tests/tool.py targets", description=__doc__)
    parser.add_argument("names", nargs="*", help="the targets; all without a name")
    parser.add_argument("--cluster", type=Path, default=live.CLUSTER, help="the folder that the launcher published")
    given = parser.parse_args(words)
    log = Log(cache.own() / "logs" / "targets.log")
    try:
        run(log, *ends()[-1], *given.names, cluster=given.cluster)
    except Stop as stop:
        say(log.path.read_text(encoding="utf-8", errors="replace"))
        return stopping(stop)
    say(f"{', '.join(given.names) or 'All targets'}: ok.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
