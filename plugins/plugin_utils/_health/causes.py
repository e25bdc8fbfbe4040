# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every cause that a pod's trouble can have: what the API shows, how bad that is, and what to do next.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A cause as the table of the documentation has it. severity: 0 to 100, the order among findings of one verdict."""

    name: str
    title: str
    shows: str
    verdict: str
    next: str
    severity: int


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of one pod's trouble. sure: named (by the API or the kernel), said (by the app as it ended) or inferred."""

    kind: Kind
    message: str
    next: str
    verdict: str
    sure: str = "named"
    remarks: tuple[str, ...] = ()

    def under(self, *remarks: str) -> Cause:
        """Return it with what follows from it, or stands beside it, told below."""
        return replace(self, remarks=(*self.remarks, *filter(None, remarks)))

    def as_fact(self) -> dict[str, Any]:
        """Return what analyzers see of it."""
        return {
            "name": self.kind.name,
            "title": self.kind.title,
            "verdict": self.verdict,
            "message": " ".join([_sentence(self.message), *map(_sentence, self.remarks)])
            if self.remarks
            else self.message,
            "next": self.next,
            "severity": self.kind.severity,
            "sure": self.sure,
        }


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "?", "!")) or not text else f"{text}."


def _rows(verdict: str, *rows: tuple[str, int, str, str, str]) -> dict[str, Kind]:
    return {
        name: Kind(name, title, shows, verdict, following, severity) for name, severity, title, shows, following in rows
    }


_PLACES = "Mount the file where the app looks for it, or tell the app where it is."
KINDS: Mapping[str, Kind] = {
    **_rows(
        "fail",
        (
            *("node_lost", 99, "The pod's node does not report"),
            "the node's Ready is not True; or the pod's Ready is False while ContainersReady is True and no gate is unmet",
            "Check the node and its kubelet; what the API says of the pod's containers is stale.",
        ),
        (
            *("evicted", 98, "The pod was evicted, or failed as a whole"),
            "phase Failed with a reason of the pod's own",
            "Check what the message names, on the node or in the pod's requests and limits.",
        ),
        (
            *("not_scheduled", 97, "No node takes the pod"),
            "condition PodScheduled is False",
            "Check requests, node selectors, taints and claims that the message names.",
        ),
        (
            *("stuck_deleted", 96, "The pod was deleted and is still there"),
            "deletionTimestamp is past by more than half a minute",
            "Check the finalizer, the hook or the container that is named, and the kubelet of the node.",
        ),
        (
            *("disrupted", 88, "The pod is being removed from its node"),
            "condition DisruptionTarget is True",
            "See who drains the node, its taints, and pods of a higher priority.",
        ),
        (
            *("missing_volume", 92, "A volume cannot be mounted"),
            "event FailedMount, FailedAttachVolume or FailedMapVolume, no sandbox yet, and none that failed after it",
            "Create the claim, config map or secret that the volume names, or check its storage.",
        ),
        (
            *("no_sandbox", 91, "The pod's sandbox cannot be made"),
            "event FailedCreatePodSandBox, FailedCreatePodContainer, NetworkNotReady or FailedPrepareDynamicResources, and no sandbox",
            (
                "Check what the message names, on the node: the network plug-in and its free addresses, or the runtime that "
                "runtimeClassName asks for."
            ),
        ),
        (
            *("missing_config", 95, "A config map, a secret or a key that the container needs is missing"),
            "waiting, CreateContainerConfigError, with `not found` or `couldn't find key`",
            "Create what is missing, in the namespace of the pod, or mark the reference as optional.",
        ),
        (
            *("runs_as_root", 95, "The container must not run as root, but would"),
            "waiting, CreateContainerConfigError, with `runAsNonRoot`",
            "Set runAsUser to a number other than 0; of a user who has a name in the image, the kubelet does not know the number.",
        ),
        (
            *("no_image", 95, "The image is not available"),
            "waiting, ErrImagePull, ImagePullBackOff or another reason about an image",
            "Check the image's name and tag, the registry's address, imagePullSecrets, and the signature that the node asks for.",
        ),
        (
            *("wrong_architecture", 95, "The program is not built for this machine"),
            "`exec format error`, of the runtime or as last words",
            (
                "The image is for another architecture than the node's, or the program is neither a binary nor a script with a first "
                "line that names its interpreter."
            ),
        ),
        (
            *("not_executable", 95, "The command may not be executed"),
            "start error with `exec:` and `permission denied` or `is a directory`",
            (
                "Make it executable for the container's user (chmod a+x in the image), mount it without noexec, or name a program in it "
                "where it is a directory."
            ),
        ),
        (
            *("wrong_command", 95, "The command is not in the image"),
            "start error with `exec:` or `executable file not found`",
            "Set command and args to what the image holds.",
        ),
        (
            *("missing_interpreter", 95, "The interpreter of the program is not in the image"),
            "last words `exec ...: no such file or directory`",
            (
                "The first line of the script, which may end with a carriage return, or the dynamic loader of the binary names a file that the "
                "image has not. Take an image with it, save the script with the line ends of Unix, or link the program statically."
            ),
        ),
        (
            *("not_started", 90, "The container cannot be started"),
            "another start error, or CreateContainerConfigError with another message",
            "Check what the message names.",
        ),
        (
            *("held_back", 85, "The kubelet does not start the container"),
            "waiting with a reason that is none of those above",
            "Check what the message names, and the log of the kubelet on the node.",
        ),
        (
            *("out_of_memory", 94, "Out of memory: the kernel killed a process"),
            "the end's reason is OOMKilled",
            (
                "Give it a higher resources.limits.memory, or find out what grows in it; what it writes to an emptyDir with medium "
                "Memory counts, and stays after a restart. If it held far less (kubectl top pod), the node ran out: see its events of "
                "SystemOOM."
            ),
        ),
        (
            *("failing_probe", 89, "A probe fails, and the container is restarted"),
            (
                "event Killing: `failed liveness probe` or `failed startup probe, will be restarted`; of an earlier run, "
                "where the kubelet's events of the last one were lost"
            ),
            (
                "See whether the app answers there at all, and in time: path, port, timeoutSeconds and failureThreshold of the probe; "
                "for an app that starts slowly a startupProbe."
            ),
        ),
        (
            *("failing_hook", 89, "The postStart hook fails, and the container is killed for it"),
            "event FailedPostStartHook, or waiting with PostStartHookError",
            "Check what lifecycle.postStart runs or asks; what it says is in the log of the kubelet.",
        ),
        (
            *("missing_file", 87, "A file that the app needs is missing"),
            "an end with a code, and last words such as `no such file or directory`",
            _PLACES,
        ),
        (
            *("read_only_path", 87, "The app writes where it must not"),
            "an end with a code, and last words such as `read-only file system`",
            "Mount an emptyDir where the app writes, tell the app of another place, or take readOnlyRootFilesystem or readOnly off.",
        ),
        (
            *("no_permission", 86, "The app lacks a permission"),
            "an end with a code, and last words such as `permission denied`",
            "Check runAsUser and fsGroup, the owner of the files, and capabilities.",
        ),
        (
            *("lost", 84, "How the container ended is not known"),
            "the end's reason is Unknown or ContainerStatusUnknown",
            "See whether the node, its kubelet or its runtime was started anew, and whether the pod was evicted.",
        ),
        (
            *("exit", 83, "How the container ended"),
            "an end with a code other than 0, and no cause above",
            "The code is the app's own; its last words say why.",
        ),
        (
            *("ended_well", 83, "The app ends by itself, and is restarted"),
            "an end with 0 of a container that is to stay",
            "An app that finishes belongs in a Job. One that is to stay must not go into the background.",
        ),
        (
            *("never_up", 82, "A startup probe fails, and the container is not up"),
            "running, `started` is false for longer than its probe's patience, or than ten minutes",
            "See whether the app answers there at all: path, port and scheme of the startup probe, and what the app waits for.",
        ),
        (
            *("waits_for_other", 70, "A container that has to come first is in trouble"),
            "waiting for an init container or a sidecar that has one of these causes",
            "Leave the container out, or name the other one by it, and that one is judged with its log.",
        ),
    ),
    **_rows(
        "unknown",
        (
            *("end_forgotten", 80, "It was restarted, and the API has no record of its end"),
            "restartCount above 0, and lastState is empty",
            "See the log of the app around its start, and the node's own logs: the runtime has forgotten the container.",
        ),
        (
            *("other_warning", 60, "Something else was said of a pod that has not begun"),
            "never started, nothing else is known, and a Warning event that no other cause reads",
            "See whether that is what keeps the container from being started.",
        ),
    ),
    **_rows(
        "warn",
        (
            *("failing_now", 66, "A liveness probe fails right now"),
            "running, event Unhealthy `Liveness probe failed` of the last minute, not killed for it yet",
            "See whether the app answers there, and in time; at its failureThreshold the kubelet restarts the container.",
        ),
        (
            *("not_ready", 60, "The pod gets no traffic"),
            "running and started, and ready is false for longer than half a minute",
            "See whether the app answers there, and what it waits for.",
        ),
        (
            *("gate", 60, "A readiness gate keeps the pod from traffic"),
            "ContainersReady is True, and a condition of spec.readinessGates is not True for longer than half a minute",
            "Check the controller that sets the condition, such as that of the load balancer; no container is at fault.",
        ),
        (
            *("kept_up", 59, "The app is done, and what stands beside it keeps the pod up"),
            "ended with 0, restartPolicy is not Always, and all containers that run on have names of proxies and agents",
            "Make it a native sidecar (an init container with restartPolicy Always), which ends with the apps, or let the app end it.",
        ),
        (
            *("hangs", 58, "What has to come first takes its time"),
            "an init container runs for longer than a minute, or a sidecar has not started, and others wait for it",
            "Check what it waits for.",
        ),
        (
            *("other_not_ready", 30, "Another container keeps the pod from being ready"),
            "the container is ready, ContainersReady is False for longer than half a minute",
            "Check the container that is named.",
        ),
        (
            *("not_begun", 50, "The container has not been started"),
            "no state or ContainerCreating or PodInitializing, and no cause above",
            "Judge it again in a minute; if that is still so, check what it waits for, and the kubelet of the node.",
        ),
        (
            *("restarted_before", 40, "The container was in trouble before"),
            "the last end is longer ago than within_seconds, and it runs now",
            "Raise within_seconds of the role to have that judged.",
        ),
    ),
}


def because(
    name: str, message: str, *, following: str = "", verdict: str = "", sure: str = "named", remarks: Sequence[str] = ()
) -> Cause:
    """Return a cause of that name, with its kind's verdict and next step where no others are given."""
    kind = KINDS[name]
    return Cause(
        kind,
        " ".join(message.split()),
        following or kind.next,
        verdict or kind.verdict,
        sure,
        tuple(filter(None, remarks)),
    )
