# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the demo shows what it does: commands as one types them, what they print, and what that means."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

NAMESPACE = "shop"
DEST = Path(__file__).parents[2] / "evidence"


def say(text: str = "") -> None:
    print(text, flush=True)


def headline(text: str) -> None:
    say(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def kubectl(*words: str, stdin: str | None = None, check: bool = True) -> str:
    """Return what kubectl printed, both streams, without showing it."""
    command = [os.environ.get("KUBECTL", "kubectl"), "--namespace", NAMESPACE, *words]
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False
    )
    if check and done.returncode:
        raise SystemExit(f"kubectl {shlex.join(words)}: {done.stdout}")
    return done.stdout


def by_hand(comment: str, *words: str) -> None:
    """Shows a kubectl command as one would type it, what it printed, and what that means."""
    say(f"\n$ kubectl {shlex.join(words)}")
    for line in kubectl(*words, check=False).splitlines():
        for piece in textwrap.wrap(line, 150):
            say(f"  {piece}")
    say(f"  # {comment}")


def apply(*manifests: Mapping[str, object]) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))


def pod(name: str, container: Mapping[str, object], **spec: object) -> dict[str, object]:
    """A pod of one container called app, which is a distroless app under uid 65532 unless its image is given."""
    app = {"name": "app", "image": "incident.test/app:nonroot", "imagePullPolicy": "Never", **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [app], "terminationGracePeriodSeconds": 1, **spec},
    }


def run_playbook(name: str, variables: Mapping[str, object], *, quiet: bool = False, from_task: str = "") -> None:
    """Runs a playbook of the collection as a user does, and shows what it prints, or only one task's part of that."""
    command = ["ansible-playbook", f"incident.distroless.{name}", "-e", json.dumps(variables)]
    if not quiet:
        say(f"\n$ {shlex.join(command)}")
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    output = subprocess.PIPE if quiet or from_task else None
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, text=True, timeout=300, check=False
    )
    printed = done.stdout or ""
    if done.returncode:
        raise SystemExit(f"{printed}\nthe playbook failed")
    for task in printed.split("\n\n") if from_task else []:
        if task.startswith("TASK [") and from_task in task.splitlines()[0]:
            say(f"  ...\n{textwrap.indent(task, '  ')}\n  ...")
