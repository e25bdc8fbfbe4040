# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of `make test` that need the cluster: pytest against the collection as a user has it installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from . import cache, checks, environments, install
from .log import Log, StepFailed
from .processes import wait
from .pythons import Python, missing_sentence

# What the launcher publishes: kubeconfig, and a kubectl of the cluster's own release.
CLUSTER = cache.CHECKOUT / ".cluster"
# what pytest is told for the tests of `make test`: those marked as bulk are a part of `make unit` or of `make test-matrix`
NOT_BULK = ("-m", "not bulk")
EVERY_TEST = (*NOT_BULK, "tests/integration", "tests/faults")


def cluster() -> None:
    """A running cluster, made if there is none. Its launcher says what it does: the first build takes minutes."""
    launcher = cache.CHECKOUT / "tests" / "cluster" / "cluster.py"
    if wait([sys.executable, str(launcher), "up"], cwd=cache.CHECKOUT, env=dict(os.environ)):
        raise StepFailed("the cluster did not start")


def user_environment(python: Python, core: str) -> Path:
    """Ansible with the collection as it is now, installed from its tarball."""
    name = "-".join((python.version, "core", core, *environments.MEASURING))
    return install.installed(cache.own() / "installed" / name, python, core)


def variables(environment: Path, cluster: Path = CLUSTER) -> dict[str, str]:
    """The environment of someone who uses the installed collection against the test cluster."""
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(environment / "collections"),
        "KUBECONFIG": str(cluster / "kubeconfig"),
        "KUBECTL": str(cluster / "kubectl"),
        "PATH": os.pathsep.join([str(environment / "bin"), str(cluster), os.environ.get("PATH", os.defpath)]),
    }


def smoke() -> list[str]:
    """The tests that each ansible-core has to pass: those of the lines in tests/integration/smoke.txt."""
    lines = (cache.CHECKOUT / "tests" / "integration" / "smoke.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def reruns() -> Path:
    """The file in which pytest notes which tests of one run it ran again; see tests/reruns.py."""
    return cache.own() / "reruns"


def integration(python: Python, core: str, *arguments: str, log: Log | None = None) -> None:
    """pytest with Ansible the first on PATH, without an import path. Its output goes into `log`, or is shown as it comes."""
    user = user_environment(python, core)
    # most of the time is spent waiting for a kubelet: more workers than cores; a file's tests share their namespaces. The order
    # is that of tests/longest.py
    side_by_side = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder")
    command = checks.pytest(environments.for_tests(python, core), core, *side_by_side, *arguments)
    told = {
        "ANSIBLE_CONFIG": str(cache.CHECKOUT / "tests" / "integration" / "ansible.cfg"),
        "INCIDENT_DISTROLESS_PYTHONS": missing_sentence(),
        "INCIDENT_DISTROLESS_RERUNS": str(reruns()),
        "INCIDENT_DISTROLESS_SECONDS": str(cache.own() / f"seconds-{python.version}-{core}.json"),
    }
    if log is not None:
        log.run(*command, cwd=cache.CHECKOUT, **variables(user), **told)
    elif wait([str(word) for word in command], cwd=cache.CHECKOUT, env=os.environ | variables(user) | told):
        raise StepFailed("pytest failed")


def demonstrate(environment: Path) -> None:
    """The demo, run by the Python of the user's environment."""
    script = cache.CHECKOUT / "tests" / "demo" / "demo.py"
    command = [str(environment / "bin" / "python"), str(script)]
    if wait(command, cwd=cache.CHECKOUT, env=os.environ | variables(environment)):
        raise StepFailed("the demo did not come to its end; `make demo` starts it again")


def benchmark(environment: Path, *arguments: str) -> None:
    script = cache.CHECKOUT / "tests" / "bench" / "bench.py"
    command = [str(environment / "bin" / "python"), str(script), *arguments]
    if wait(command, cwd=cache.CHECKOUT, env=os.environ | variables(environment)):
        raise StepFailed("the benchmark did not come to its end; `make bench` starts it again")
