# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two incidents of the demo: a pod that crashes at once, and one whose disk is full. Each ends with a report."""

from __future__ import annotations

import shutil

from showing import DEST, NAMESPACE, apply, headline, kubectl, pod, run_playbook, say

CASES = DEST / "cases"
CRASHING, FULL = "orders-0", "uploads-0"
PLAYBOOKS = {CRASHING: "crashloop_triage", FULL: "disk_triage"}


def broken() -> None:
    """A pod whose configuration is missing, and one whose cache is as big as its volume: apps as all others here."""
    shutil.rmtree(CASES, ignore_errors=True)
    kubectl("delete", "pod", *PLAYBOOKS, "--ignore-not-found")
    thumbnails = ("--blob", "/cache/thumbnails", "--blob-size", str(8 << 20))
    apply(
        pod(CRASHING, {"command": ["/app", "sha256", "/etc/shop/config.yaml"]}),
        pod(
            FULL,
            {"args": thumbnails, "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
            volumes=[{"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}],
        ),
    )


def investigate() -> None:
    """What is wrong with them, said by one playbook each."""
    headline("Two incidents, one playbook each")
    kubectl("wait", f"pod/{FULL}", "--for=condition=Ready", "--timeout=90s")
    kubectl(
        "wait", f"pod/{CRASHING}", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}", "--timeout=90s"
    )
    say(kubectl("get", "pods", *PLAYBOOKS).rstrip())
    for name, playbook in PLAYBOOKS.items():
        given = {"namespace": NAMESPACE, "pod": name, "dest": str(CASES), "case_id": name}
        variables = {f"{playbook}_{key}": value for key, value in given.items()}
        run_playbook(playbook, variables, from_task="Say what was found")


def reports() -> None:
    """Where the cases are."""
    for name in PLAYBOOKS:
        say(f"  report    {CASES / name / 'report.html'}")
