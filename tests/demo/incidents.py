# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two incidents of the demo: a pod that crashes at once, and one whose disk is full. One playbook says what is wrong with each."""

from __future__ import annotations

import shutil

from showing import DEST, NAMESPACE, apply, headline, kubectl, pod, run_playbook, say

CASES = DEST / "cases"
CRASHING, FULL = "orders-0", "uploads-0"
BROKEN = (CRASHING, FULL)


def broken() -> None:
    """A pod whose configuration is missing, and one whose cache is as big as its volume: apps as all others here."""
    shutil.rmtree(CASES, ignore_errors=True)
    kubectl("delete", "pod", *BROKEN, "--ignore-not-found")
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
    """Show what is wrong with them, said by one playbook that looks at everything."""
    headline("Two pods misbehave: what is wrong with each?")
    kubectl("wait", f"pod/{FULL}", "--for=condition=Ready", "--timeout=90s")
    kubectl(
        "wait", f"pod/{CRASHING}", "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}", "--timeout=90s"
    )
    say(kubectl("get", "pods", *BROKEN).rstrip())
    for name in BROKEN:
        given = {"namespace": NAMESPACE, "pod": name, "dest": str(CASES), "case_id": name}
        variables = {f"pod_triage_{key}": value for key, value in given.items()}
        run_playbook("pod_triage", variables, from_task="Say what was found")


def reports() -> None:
    """Where the cases are."""
    for name in BROKEN:
        say(f"  report    {CASES / name / 'report.html'}")
