# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way to fail: the closed list of reasons, what each means, and what the user does next.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One word of the closed list: what it means (a sentence) and the hint that is shown when the cause has none of its own."""

    meaning: str
    hint: str


# Adding a word is a minor change; a word is never removed, renamed or given another meaning: playbooks test on them.
REASONS: dict[str, Reason] = {
    "ImagePullFailed": Reason(
        "The node could not get the debug image.",
        "Set image to one that this node can pull or already has (INCIDENT_DISTROLESS_IMAGE sets it for a whole site), or set image_pull_policy.",
    ),
    "ContainerCreateFailed": Reason(
        "The kubelet or the container runtime refused to create or start the debugger.",
        "Read the message: it is the runtime's own. It is often an image that runs as root under runAsNonRoot; set run_as_user.",
    ),
    "PodSecurityDenied": Reason(
        "Pod Security admission of the namespace refuses a field of the debugger.",
        "Use profile auto or restricted, or have the level in the namespace's pod-security.kubernetes.io/enforce label raised.",
    ),
    "AdmissionDenied": Reason(
        "An admission webhook or policy refuses the debugger.",
        "The message is the webhook's or the policy's own; ask its owner for an exception for pods/ephemeralcontainers.",
    ),
    "QuotaExceeded": Reason(
        "A quota refuses the request. Kubernetes' own counts no ephemeral containers; a webhook's may.",
        "Raise the quota that the message names, or free what it counts.",
    ),
    "RbacDenied": Reason(
        "The credentials lack a permission.", "Grant the verb on the resource that the message names in that namespace."
    ),
    "Unauthorized": Reason(
        "The API server does not accept the credentials.",
        "Renew the token or the certificate, or name the right kubeconfig and context.",
    ),
    "ApiUnreachable": Reason(
        "The API server did not answer.", "Check host, proxy, ca_cert and the network between here and the API server."
    ),
    "ApiUnsupported": Reason(
        "The API server does not know a resource or field that is needed.",
        "Ephemeral containers need Kubernetes 1.25 or newer; check that host is the API server.",
    ),
    "CertificateRefused": Reason(
        "The certificate of the API server is not accepted: its chain, its name or its dates; the message says which.",
        "Set ca_cert to the cluster's own CA, host to a name that the certificate holds, and check the clock here; validate_certs: false trusts anybody.",
    ),
    "NoTarget": Reason(
        "Nothing that could be looked into matches the selection.",
        "Check namespace, name and selectors; finished and terminating pods are left out.",
    ),
    "TooManyPods": Reason(
        "The selection matches more pods than max_pods allows; nothing was changed.",
        "Narrow the selection or raise max_pods.",
    ),
    "PodGone": Reason(
        "The pod was deleted, or replaced by another of the same name.", "Select the pod that took its place."
    ),
    "TargetNotRunning": Reason(
        "The target container does not run: it is pending, waiting or finished.",
        "Look at the pod's events and previous logs; only a running container can be looked into.",
    ),
    "TargetRestarted": Reason(
        "The target container restarted while it was being looked into.", "Run the task again to look into the new one."
    ),
    "TargetProcessAmbiguous": Reason(
        "It could not be proven which process is the target's.",
        "The pod shares its process namespace or the host's; name the container, or use a runtime that shows container ids in /proc/<pid>/cgroup.",
    ),
    "ContainerNotFound": Reason(
        "The pod has no container of that name.", "Set container to one of the names that the message lists."
    ),
    "StaticPod": Reason(
        "The pod is a static (mirror) pod: the API refuses ephemeral containers for it.", "Look into it on its node."
    ),
    "WindowsNode": Reason("The pod runs on a Windows node.", "Only Linux pods can be looked into."),
    "NodeNotReady": Reason(
        "The pod's node is not ready, so its kubelet starts nothing.",
        "Look at the node first; try again when it is Ready.",
    ),
    "InvalidRequest": Reason("The request is not valid.", "Correct the option that the message names."),
    "PermissionDenied": Reason(
        "The debugger runs but may not read the target's root filesystem or the file.",
        "Use identity match, or allow_elevated: true for root with SYS_PTRACE.",
    ),
    "GroupNotMatched": Reason(
        "The file is readable only through a supplementary group that the debugger cannot be given.",
        "Set debug.identity: elevated (root that may read any file); an ephemeral container cannot have supplementary groups of its own.",
    ),
    "LsmDenied": Reason(
        "AppArmor or SELinux keeps the debugger from the target.",
        "Give the debugger the target's own profile by custom.securityContext.",
    ),
    "ImageHasNoShell": Reason(
        "The debug image has no sh or lacks a needed tool.", "Use an image with busybox, such as the default."
    ),
    "ImageLacksTool": Reason(
        "The debug image has a shell, but not the tool that the message names, or one that does something else under its name.",
        "Use an image that has it: busybox, alpine, debian and ubuntu have all that is needed; distroless bases, amazonlinux and ubi-minimal lack find.",
    ),
    "LookBroken": Reason(
        "A look into the target broke off: a tool was killed or could not be started, so that what it said is not the whole truth.",
        "Look at the pod's memory and process limits, which the debugger shares, and run the task again; nothing was concluded from what arrived.",
    ),
    "WaitTimeout": Reason(
        "It took longer than allowed.", "Raise the time-out, or look at what the message says it waited for."
    ),
    "CommandFailed": Reason(
        "A command ended with a code other than 0.", "Read its stderr; set check_rc: false if that is expected."
    ),
    "CommandTimeout": Reason("A command ran longer than its timeout and was ended.", "Raise the command's timeout."),
    "ConnectionLost": Reason(
        "The stream to the container broke before its end; what arrived is incomplete.",
        "Run the task again; finished work is not repeated.",
    ),
    "Conflict": Reason(
        "Another writer changed the pod at the same moment, or the name is taken.",
        "Run the task again, or set another name.",
    ),
    "DestConflict": Reason(
        "What is at dest belongs to something else; it was left as it is.",
        "Choose another dest, or set overwrite: true if it may be replaced.",
    ),
    "DestUnwritable": Reason(
        "Files cannot be written at dest.",
        "Check permissions and free space at dest on the host that the module runs on.",
    ),
    "CaseConflict": Reason(
        "The case's folder holds another look already; it was left as it is.",
        "Choose another case_id or dest, or set the role's add_to_case: true to add to it.",
    ),
    "CaseSealed": Reason(
        "The case is sealed: nothing may be written into it any more.",
        "Choose another case_id; a sealed case stays as it was sealed.",
    ),
    "TaskKilled": Reason(
        "The process on this host that worked on the task could not be started, or was killed before it had an answer.",
        "Look at the memory and process limits of this host or job: it is often the kernel that kills, for want of memory.",
    ),
    "InternalError": Reason(
        "A defect of this collection, at the place that the message names; other targets' results are not touched by it.",
        "Please report it with the message and what was asked for.",
    ),
    "LimitExceeded": Reason("A limit was reached.", "Raise the limit that the message names, or narrow src."),
}


class Failure(Exception):
    """An expected failure, made where its cause is known and shown in one place.

    reason is a word of REASONS (checked); message says what happened to whom; hint says what the user does next. changed:
    something had been changed before, as by an injection.
    """

    def __init__(self, reason: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = REASONS[reason].hint if hint is None else hint
        self.changed = False

    def as_result(self) -> dict[str, str]:
        """Return the keys reason, message and hint of a failed target."""
        return {"reason": self.reason, "message": self.message, "hint": self.hint}


def failure_of(error: BaseException) -> Failure:
    """Return the failure that an exception is. What nobody expected is a defect of ours, of which the kind and the place are
    told: its text and its frames can hold a secret."""
    if isinstance(error, Failure):
        return error
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return Failure("InternalError", f"defect in incident.distroless: {type(error).__name__}{where}.")


@contextmanager
def after_change(*, is_changed: bool = True) -> Iterator[None]:
    """Raise whatever fails inside, a defect too, as a Failure that came after something was changed, if it was."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        failure.changed = failure.changed or is_changed
        if failure is error:
            raise
        raise failure from error
