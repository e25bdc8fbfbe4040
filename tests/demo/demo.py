# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make demo`: two pods of a real cluster misbehave, and one playbook says what is wrong with each; then files of a pod without a shell
are brought home, first by hand with kubectl, then by one playbook.

Needs ansible-playbook with the collection on PATH, and KUBECTL and KUBECONFIG in the environment; `make demo` sees to that.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time

import incidents
from showing import DEST, NAMESPACE, apply, by_hand, headline, kubectl, pod, run_playbook, say

BUSYBOX = "busybox:1.37"
FILES = ("/data/app.log", "/data/blob.bin", "/etc/app/config.yaml")
LINK = "/etc/app/release"


def deploy() -> None:
    """The seed of the incident: a namespace as clusters are set up, a distroless app under uid 65532, and one under root."""
    # the pods are made anew, and what an earlier demo fetched was from others of the same names
    shutil.rmtree(DEST / NAMESPACE, ignore_errors=True)
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    images = {
        "legacy-0": "incident.test/app:root",
        **dict.fromkeys(("api-0", "api-1", "api-2"), "incident.test/app:nonroot"),
    }
    kubectl("delete", "pod", *images, "--ignore-not-found")
    apply(*(pod(name, {"image": image}) for name, image in images.items()))
    incidents.broken()
    kubectl("wait", *(f"pod/{name}" for name in images), "--for=condition=Ready", "--timeout=90s")


def add_debugger(pod: str, name: str, *flags: str, profile: str = "baseline") -> None:
    """A debugger as kubectl makes it, waited for: with --attach a short command loses its output now and then."""
    words = (f"--image={BUSYBOX}", f"--container={name}", f"--profile={profile}", "--attach=false")
    kubectl("debug", pod, *words, *flags, "--", "sleep", "600")
    state = f"{{.status.ephemeralContainerStatuses[?(@.name=='{name}')].state.running}}"
    kubectl("wait", f"pod/{pod}", f"--for=jsonpath={state}", "--timeout=60s")


def contrast() -> None:
    """Show what an engineer meets who types kubectl at three in the morning."""
    headline("By hand, with kubectl")
    by_hand("the image has no shell", "exec", "api-0", "--", "sh", "-c", "cat /data/app.log")
    add_debugger("api-0", "forgot-target")
    by_hand("without --target it sees only itself", "exec", "api-0", "-c", "forgot-target", "--", "ps")
    by_hand(
        "kubectl's default profile asks for SYS_PTRACE, which Pod Security baseline refuses",
        *("debug", "api-0", f"--image={BUSYBOX}", "--target=app", "--", "cat", "/proc/1/root/data/app.log"),
    )
    add_debugger("api-0", "with-target", "--target=app")
    by_hand(
        "profile baseline is let in, as root, which may not read the root of uid 65532",
        *("exec", "api-0", "-c", "with-target", "--", "cat", "/proc/1/root/data/app.log"),
    )
    add_debugger("legacy-0", "with-target", "--target=app")
    say(
        f"\n# In the app's image {LINK} is an absolute link, to a file that hashes to {truth('legacy-0', LINK)[LINK][:12]}..."
    )
    by_hand(
        "another file: the link led out of the app's root, into the debugger's own. Nothing failed",
        *("exec", "legacy-0", "-c", "with-target", "--", "sha256sum", f"/proc/1/root{LINK}"),
    )


def truth(pod: str, *paths: str) -> dict[str, str]:
    """Return what the app itself says its files hash to."""
    printed = kubectl("exec", pod, "-c", "app", "--", "/app", "sha256", *paths)
    return {path: digest for digest, _space, path in (line.partition("  ") for line in printed.splitlines())}


def playbook(pod: str, *src: str, quiet: bool = False) -> None:
    """Brings files home by the collection's playbook."""
    run_playbook("fetch_files", {"in_namespace": NAMESPACE, "pod": pod, "src": src, "dest": str(DEST)}, quiet=quiet)


def prove(pod: str, *paths: str) -> None:
    """Checks the files here against hashes taken inside the target, by sha256sum itself."""
    root = DEST / NAMESPACE / pod / "app"
    sums = "".join(f"{digest}  {path.lstrip('/')}\n" for path, digest in truth(pod, *paths).items())
    say(f"\n$ kubectl exec {pod} -- /app sha256 {' '.join(paths)}   # taken inside the target, and checked here:")
    done = subprocess.run(
        ["sha256sum", "-c", "-"],
        input=sums,
        text=True,
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    for line in done.stdout.splitlines():
        say(f"  {line}")
    if done.returncode:
        raise SystemExit("the files are not those of the target")


def describe(pod: str) -> None:
    """Show what was added to the pod, in kubectl's words."""
    say(f"\n$ kubectl describe pod {pod}   # what the playbook added")
    lines = kubectl("describe", "pod", pod).splitlines()
    start = max(index for index, line in enumerate(lines) if line.startswith("  debugger-"))
    end = next(index for index, line in enumerate(lines[start + 1 :], start + 1) if not line.startswith("    "))
    for line in lines[start:end]:
        say(line)


def clock() -> None:
    """The same file from two fresh pods: by kubectl, told the uid that it must know, and by the playbook."""
    path = FILES[0]
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as custom:
        json.dump({"securityContext": {"runAsUser": 65532, "runAsGroup": 65532}}, custom)
        custom.flush()
        add_debugger("api-1", "knows-the-uid", "--target=app", f"--custom={custom.name}", profile="restricted")
    kubectl("exec", "api-1", "-c", "knows-the-uid", "--", "cat", f"/proc/1/root{path}")
    by_kubectl = time.monotonic() - started
    started = time.monotonic()
    playbook("api-2", path, quiet=True)
    by_playbook = time.monotonic() - started
    say(f"  {path} from a fresh pod, start to end:")
    say(f"    kubectl debug + wait + exec cat, knowing the uid, unproven    {by_kubectl:.1f} s")
    say(f"    ansible-playbook, learning the uid, sha256 on both ends       {by_playbook:.1f} s")


def main() -> None:
    deploy()
    incidents.investigate()
    contrast()
    headline("By playbook, with incident.distroless")
    playbook("api-0", *FILES)
    prove("api-0", *FILES)
    playbook("legacy-0", LINK)
    prove("legacy-0", LINK)
    describe("api-0")
    headline("How long it takes")
    clock()
    headline("Where it is")
    for name in ("api-0", "legacy-0"):
        folder = DEST / NAMESPACE / name
        say(f"  files     {folder / 'app'}")
        say(f"  manifest  {folder / 'app.manifest.json'}")
    incidents.reports()


if __name__ == "__main__":
    main()
