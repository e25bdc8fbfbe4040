# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a container ended, or could not be started: what the API or the kernel names, then what it said last.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._k8s.waiting import NO_IMAGE
from ansible_collections.incident.distroless.plugins.plugin_utils._health.causes import Cause, because
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import (
    ON_ITS_WAY,
    is_to_stay,
    rule_for,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._health.evidence import (
    A_MOMENT,
    LOST,
    START_ERRORS,
    View,
    condition,
    memory_limit,
    said_of,
    told_of,
)

NOT_CREATED = ("RunContainerError", "CreateContainerError")
KILLED = 137
# how what the kubelet ends comes to its end: by its own handler of TERM, by TERM itself, by KILL
ENDED_FROM_OUTSIDE = (0, 143, KILLED)
# what is put beside apps, and ends by no work of its own: proxies, agents, collectors
SIDECARS = tuple(
    "proxy envoy linkerd kuma consul dataplane vault-agent daprd fluent filebeat promtail vector otel otc-container xray datadog "
    "telegraf sidecar".split()
)
_NO_NUMBER = re.compile(r"invalid|pars|integer|\bint\b|number|\bport\b.*range|NaN|EACCES|EADDR", re.IGNORECASE)
NOT_TOLD = "in an earlier run, and no event tells of the last one, as not all are kept of a pod that has many"
PHRASES = {
    "missing_file": (
        "no such file or directory",
        "enoent",
        "filenotfounderror",
        "filenotfoundexception",
        "nosuchfileexception",
        "cannot find the file",
        "could not find file",
    ),
    "read_only_path": ("read-only file system", "erofs", "readonlyfilesystemexception"),
    "no_permission": (
        *(
            "permission denied",
            "operation not permitted",
            "eacces",
            "eperm",
            "permissionerror",
            "accessdeniedexception",
        ),
    ),
}
# man 7 signal: what each is sent for
SIGNALS = {
    "KILL": "Something killed it: the kernel for memory, the kubelet after terminationGracePeriodSeconds, or a process in it.",
    "SEGV": "The program itself is at fault, or a library of the image does not fit.",
    "ABRT": "The program gave up; its last words say why.",
    "TERM": "Something asked it to end: a probe, an eviction, a roll-out, or a process in it.",
    "SYS": "A system call was refused by seccomp; see the seccompProfile.",
    "ILL": "The node's CPU lacks an instruction of the program: compare what the image is built for (AVX, ARMv8.x) with the CPU.",
    "BUS": "It touched a mapping with nothing behind it: a file that was truncated, a full tmpfs or /dev/shm, no huge pages left.",
    "FPE": "A whole number was divided by zero, or a result did not fit.",
    "TRAP": "A runtime stopped itself at a check of its own (V8, Chromium, Swift), or a breakpoint was hit.",
    "XFSZ": "It wrote a file beyond its limit of a file's size (RLIMIT_FSIZE, ulimit -f).",
    "XCPU": "It used up its limit of CPU seconds (RLIMIT_CPU, ulimit -t).",
    "PIPE": "It wrote to a pipe or a socket that nobody reads any more.",
}
CODES = {126: "The shell found the command and may not run it.", 127: "The shell did not find the command."}
LINK = (
    "Kubernetes sets X_PORT=tcp://address:port for each Service x of the namespace, and an app that takes X_PORT for a number meets that: "
    "give the pod enableServiceLinks: false, or set the variable in its spec."
)
MORE_LINES = "Raise log_lines of the role, so that the head of the trace is read too."


def why_waiting(view: View) -> Cause | None:
    """Return why the kubelet cannot make or start the container, None where it says nothing of that."""
    life, name = view.life, view.name
    reason, message = life["reason"], life["message"]
    if life["state"] != "waiting":
        return None
    if reason == "CreateContainerConfigError":
        if "runAsNonRoot" in message:
            return because("runs_as_root", f"{name} cannot be made: {message}")
        missing = "not found" in message or "couldn't find key" in message
        return because("missing_config", f"{name} cannot be made: {message}") if missing else _not_started(view)
    if reason in NO_IMAGE:
        return because("no_image", f"{name} has no image ({reason}): {message}")
    if reason == "PostStartHookError":
        return _hook(view)
    if reason in NOT_CREATED:
        return _not_started(view)
    if reason in ON_ITS_WAY or (reason == "CrashLoopBackOff" and life["has_ended"]):
        return None
    return because("held_back", f"{name} waits with {reason}{': ' + message if message else ''}")


def _not_started(view: View) -> Cause:
    life = view.life
    message, name = life["message"], view.name
    how = f"{name} {'cannot' if life['trouble_age'] == 0 else 'could not'} be started: "
    if "OOM-killed" in message:
        return _memory(view)
    if "exec format error" in message:
        return because("wrong_architecture", f"{name} cannot run its program: {message}")
    if "exec: " in message and ("permission denied" in message or "is a directory" in message):
        return because("not_executable", how + message)
    if "exec: " in message or "executable file not found" in message:
        command = " ".join(life["command"]) or "neither, so that it is the entry point of the image"
        following = f"Set command and args to what the image holds; the spec has {command}."
        return because("wrong_command", how + message, following=following)
    return because("not_started", how + (message or life["reason"] or life["end_reason"]))


def why_ended(view: View) -> Cause:
    """Return why the container ended, of one that has ended and should not have."""
    life = view.life
    if life["end_reason"] == "OOMKilled" or "OOM-killed" in life["message"]:
        is_done = life["exit_code"] == 0 and not is_to_stay(view.pod, life["kind"], view.spec)
        part = "It counts as done, and what that process was to do may be missing"
        return replace(_memory(view), verdict="warn").under(part) if is_done else _memory(view)
    if life["end_reason"] in START_ERRORS:
        return _not_started(view)
    if life["end_reason"] in LOST:
        told = f": {life['message']}" if life["message"] else ""
        return because("lost", f"How {view.name} ended is not known ({life['end_reason']}){told}")
    if killed := _killed_by_probe(view):
        return killed
    if hooks := view.about("FailedPostStartHook"):
        if view.of_last_run(hooks):
            return _hook(view)
        if life["exit_code"] in ENDED_FROM_OUTSIDE and view.lacks_events_of_last_run:
            return replace(_hook(view), sure="inferred").under(f"That was {NOT_TOLD}")
    found = _by_last_words(view) or _by_code(view)
    return found.under(_by_rule(view), *_beside(view))


def why_kept_up(view: View) -> Cause | None:
    """Return what keeps the pod of a container up that is done for good, None where that may be work: kubernetes#25908."""
    others = still_running(view)
    known = [name for name in others if any(word in name for word in SIDECARS)]
    age = view.age(view.life["ended_at"])
    if not known or known != others or age is None or age <= A_MOMENT:
        return None
    message = f"{view.name} is done since {view.life['ended_at']} ({age} s), and {', '.join(known)} runs on: the pod does not end"
    return because("kept_up", message)


def still_running(view: View) -> list[str]:
    """Return the app containers that run on after the container is done for good; native sidecars are none of them."""
    life = view.life
    is_done = (
        life["state"] == "terminated"
        and life["exit_code"] == 0
        and life["kind"] == "app"
        and not view.pod["metadata"].get("deletionTimestamp")
    )
    if not is_done or view.pod["spec"].get("restartPolicy", "Always") == "Always":
        return []
    rows = (view.pod.get("status") or {}).get("containerStatuses") or ()
    return [row["name"] for row in rows if "running" in (row.get("state") or {})]


def _ended(view: View) -> str:
    life = view.life
    signal = f" (SIG{life['signal']})" if life["signal"] else ""
    after = f" after {life['ran_seconds']} s" if life["ran_seconds"] is not None else ""
    return f"{view.name} ended with {life['exit_code']}{signal}{after}"


def _restarts(view: View) -> str:
    return f"{view.life['restarts']} restarts so far"


def _said(view: View) -> str:
    """Return sentences with the message that it left and its last words, or why there are none."""
    left = f"It left the message: {' / '.join(view.left)}" if view.left else ""
    if view.words is None:
        said = f"What it said cannot be read: {view.no_words}." if view.no_words else ""
    elif view.words.begins_in_trace:
        said = "What was read of its log begins within a stack trace, whose head stands above it."
    else:
        said = f"It said last: {' / '.join(view.words.lines)}" if view.words.lines else ""
    return f"{left}{'; ' if left and said else ''}{said}"


def _memory(view: View) -> Cause:
    life, limit = view.life, memory_limit(view.pod, view.name)
    pressure = condition(view.node or {}, "MemoryPressure")
    if limit.value:
        whose = "its limit is" if limit.whose == "container" else "the limit of its pod is"
        known = f"{whose} {limit.value}"
        if limit.wish:
            known += f" (the spec asks for {limit.wish}{'; ' + limit.pending if limit.pending else ''})"
    else:
        known = "it has no limit, nor has its pod, so that it was the node's memory that ran out"
    if "OOM-killed" in life["message"] or life["exit_code"] == KILLED:
        how = f"{view.name} was killed by the kernel for its memory ({life['end_reason'] or life['reason']}"
        message = f"{how}, exit code {life['exit_code']}), {known}, {_restarts(view)}"
    else:
        how = f"A process in it was killed by the kernel for its memory ({life['end_reason']})"
        message = f"{how}, and {_ended(view)}; {known}, {_restarts(view)}"
    on_node = "Check the memory of the node, and the requests of the pods on it, which reserve too little."
    if pressure.get("status") == "True":
        where = f"node {view.pod['spec'].get('nodeName')} has MemoryPressure ({said_of(pressure)})"
        message += f"; {where}, so that it may be the node's memory that ran out"
        return because(
            "out_of_memory", message, following=on_node, sure="inferred", remarks=[_counted(view), _said(view)]
        )
    if not limit.value:
        return because("out_of_memory", message, following=on_node, remarks=[_counted(view), _said(view)])
    # the runtime itself says of one that it could not begin that the limit is too low
    is_told = "OOM-killed" in life["message"]
    unknown = (
        ""
        if is_told
        else "Whether it came to that limit, or its pod or its node ran out of memory, the API does not tell"
    )
    return because("out_of_memory", message, remarks=[_counted(view) or unknown, _said(view)])


# the counts of a run end with it: of one that was killed those of the next one are left, at the same limit
_MET = {
    "own": "it has run out of memory at that limit as well",
    "near": "it has come to that limit as well",
    "reclaimed": "at that limit there has always been memory to take back",
    "far": "it has been far from that limit",
}


def _counted(view: View) -> str:
    """Return a sentence with what the kernel counts of the run that goes on, "" where nobody looked."""
    memory = view.memory
    if memory is None:
        return ""
    held = f"The run that goes on since {view.life['started_at']} holds {show_size(memory['kept'])} that the kernel cannot take back"
    if memory["limit"] is None:
        return f"{held}, and has no limit of its own"
    met = _MET.get(memory["limit_met"])
    return f"{held}, of a limit of {show_size(memory['limit'])}{'; so far ' + met if met else ''}"


def _killed_by_probe(view: View) -> Cause | None:
    """Return the probe for which the kubelet says that it killed the container: only its own word is one."""
    kills = [row for row in view.about("Killing") if "failed" in row["message"] and "probe" in row["message"]]
    if not kills:
        return None
    kind = "Startup" if "startup" in kills[-1]["message"] else "Liveness"
    answer = view.unhealthy(kind)
    told = told_of(answer, view.spec.get(f"{kind.lower()}Probe") or {}) if answer else kills[-1]["message"]
    message = f"{told}; the kubelet killed {view.name} for it, and it was started again {view.life['restarts']} times"
    found = because("failing_probe", message, remarks=[_ended(view), _said(view)])
    if view.of_last_run(kills):
        return found
    may_be = view.lacks_events_of_last_run or (answer and view.of_last_run([answer]))
    if view.life["exit_code"] in ENDED_FROM_OUTSIDE and may_be:
        return replace(found, sure="inferred").under(f"It did so {NOT_TOLD}")
    return None


def _hook(view: View) -> Cause:
    rows = view.about("FailedPostStartHook")
    told = f"{rows[-1]['message']} ({rows[-1]['count']} times" if rows else "PostStartHook failed ("
    why = view.life["message"] if view.life["reason"] == "PostStartHookError" else ""
    message = f"{told}{'; ' if rows else ''}{view.name} was started again {view.life['restarts']} times)"
    return because("failing_hook", message, remarks=[why])


def _by_last_words(view: View) -> Cause | None:
    # what it wrote for that very purpose counts more
    words = (*(view.words.lines if view.words else ()), *view.left)
    code = view.life["exit_code"]
    if line := _holding(words, ("exec format error",)):
        return because("wrong_architecture", f"{view.name} cannot run its program: {line}", sure="said")
    if (line := _holding(words, ("no such file or directory",))) and line.startswith("exec "):
        return because("missing_interpreter", f"{view.name} has its program, and not what runs it: {line}", sure="said")
    if not code:
        return None
    found = [(words.index(line), name, line) for name, phrases in PHRASES.items() if (line := _holding(words, phrases))]
    if not found:
        return None
    _place, name, line = max(found)
    others = [word for word in words if word != line]
    message = f"{_ended(view)}, {_restarts(view)}, and said: {line}"
    return because(name, message, sure="said", remarks=[f"Beside that: {' / '.join(others)}" if others else ""])


def _holding(words: Sequence[str], phrases: Sequence[str]) -> str:
    return next((word for word in reversed(words) if any(phrase in word.lower() for phrase in phrases)), "")


def _by_code(view: View) -> Cause:
    life = view.life
    if life["exit_code"] == 0:
        message = f"{_ended(view)}, and is started again each time ({_restarts(view)})"
        following = "Take 0 out of its restartPolicyRules, if it may be done." if rule_for(view.spec, 0) else ""
        unseen = _unseen(view)
        sure = "inferred" if unseen else "named"
        return because("ended_well", message, following=following, sure=sure, remarks=[_said(view), unseen])
    following = SIGNALS.get(life["signal"]) or CODES.get(life["exit_code"] or 0) or ""
    if not following and life["signal"]:
        following = f"Something sent it SIG{life['signal']}."
    if view.words is not None and view.words.begins_in_trace:
        following = MORE_LINES
    if _took_a_link_for_a_port(view):
        following = LINK
    return because(
        "exit", f"{_ended(view)}, {_restarts(view)}. {_said(view)}", following=following, remarks=[_unseen(view)]
    )


def _unseen(view: View) -> str:
    """Return that the kubelet may have ended it for a probe, where no event tells of the last run; "" where it has none, or one tells."""
    probe = next((kind for kind in ("liveness", "startup") if view.spec.get(f"{kind}Probe")), "")
    if not probe or view.life["exit_code"] not in ENDED_FROM_OUTSIDE or view.tells_of_last_run:
        return ""
    return f"It has a {probe} probe, and no event tells of that run: whether the kubelet ended it for that probe is not known"


def _took_a_link_for_a_port(view: View) -> bool:
    if view.pod["spec"].get("enableServiceLinks") is False:
        return False
    words = (*(view.words.lines if view.words else ()), *view.left)
    return any(re.search(r"\btcp://[\d.]+:\d+", word) and _NO_NUMBER.search(word) for word in words)


def _by_rule(view: View) -> str:
    rule = rule_for(view.spec, view.life["exit_code"])
    if not rule:
        return ""
    what = "all containers of the pod" if rule.get("action") == "RestartAllContainers" else "it"
    return f"Its restartPolicyRules start {what} again for that code"


def _beside(view: View) -> list[str]:
    """Return what was seen at the same time and is not known to have ended it."""
    found = []
    for kind in ("Liveness", "Startup"):
        answer = view.unhealthy(kind)
        if answer and answer in view.of_last_run([answer]):
            found.append(
                f"{answer['message']} ({answer['count']} times); the kubelet did not say that it killed it for that"
            )
    return found
