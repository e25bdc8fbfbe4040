# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can only be learned inside: which process is the target's, who it is, who we are, and whether we can read it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.proc_stat import parse_stat
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import TargetIdentity
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# include/uapi/linux/capability.h, in the order of the bits
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()

# a process with one of these passes the permission bits of any file
READS_ANY_FILE = frozenset({"DAC_OVERRIDE", "DAC_READ_SEARCH"})

# Only builtins in the loop: on a node's whole process table (hostPID) a fork for each would take seconds. A process names
# itself, with newlines as well, and stat has its name as it is (fs/proc/array.c, do_task_stat): all its lines are one here.
_LIST_PROCESSES = rb"""
for dir in /proc/[0-9]*; do
  [ -r "$dir/cgroup" ] || continue
  path=
  while IFS= read -r line; do
    case $line in *"$container_id"*) path=$line ;; esac
  done 2>/dev/null <"$dir/cgroup"
  [ -n "$path" ] || [ "$dir" = /proc/1 ] || continue
  stat=
  while IFS= read -r line || [ -n "$line" ]; do stat="$stat$line "; done 2>/dev/null <"$dir/stat"
  printf 'process %s\n' "$stat"
  printf 'cgroup %s\n' "$path"
done
"""

# what AppArmor or SELinux calls a process; without either the kernel answers with an error. SELinux ends it without a newline
_LOOK_AT_PROCESS = rb"""
label_of() {
  for file in "/proc/$1/attr/apparmor/current" "/proc/$1/attr/current"; do
    label=
    { IFS= read -r label <"$file"; } 2>/dev/null
    [ -z "$label" ] || break
  done
  printf 'Label:%s\n' "$label"
}
sound() { # what a tool says that was killed or not started is no answer: neither is what follows
  case $1 in 0|1) ;; 2) [ "$2" = ls ] || exit 2 ;; *) exit $1 ;; esac
}
# by builtins: a pod at its limit of processes gets this far at least
status_of() {
  while IFS= read -r line; do printf '%s\n' "$line"; done 2>/dev/null <"/proc/$1/status"
}
for tool in stat ls; do
  command -v "$tool" >/dev/null || { printf 'lacks %s\n' "$tool"; exit 0; }
done
printf 'debugger\n'
status_of self
label_of self
printf 'target\n'
status_of "$pid"
label_of "$pid"
owner=$(stat -c %u "/proc/$pid/status" 2>/dev/null)
sound $?
printf 'owner %s\n' "$owner"
ls -a "/proc/$pid/root/" >/dev/null 2>&1
status=$?
sound $status ls
printf 'root '
if [ $status = 0 ]; then printf 'readable\n'; else printf 'denied\n'; fi
"""

# a node's whole process table is far below this; a debugger that lies must not fill our memory
MAX_ANSWER = 8 << 20

_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that could be the target's: its ids, command name, start (clock ticks after boot), and cgroup line ('' without the id)."""

    pid: int
    command: str
    parent: int
    started: int
    cgroup: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Uid and gid (effective), supplementary groups and permitted capabilities, from /proc/<pid>/status; label is what
    AppArmor or SELinux calls the process, empty without either."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    capabilities: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a debugger sees of its target. target is None when /proc/<pid>/status was not there to read.

    is_dumpable is False when the kernel lets no equal look into the target (prctl(2), PR_SET_DUMPABLE). warnings are of
    processes of the target's container that could not be understood.
    """

    pid: int
    debugger: Credentials
    target: Credentials | None
    root_readable: bool
    is_dumpable: bool = True
    warnings: tuple[str, ...] = ()
    # when its process started (clock ticks after boot), where the debugger outlives it, so that its number may become another's
    started: int | None = None

    @property
    def root(self) -> str:
        """Return the target's root filesystem as the debugger names it."""
        return f"/proc/{self.pid}/root"

    @property
    def isolation(self) -> str:
        """Return same_uid when the target could signal or trace the debugger, else other_uid."""
        same = self.target is not None and self.target.uid in (self.debugger.uid, 0)
        return "same_uid" if same else "other_uid"

    @property
    def missing_groups(self) -> tuple[int, ...]:
        """Return the target's groups that the debugger has not: files readable only through them stay closed."""
        if self.target is None:
            return ()
        ours = {self.debugger.gid, *self.debugger.groups}
        return tuple(sorted({self.target.gid, *self.target.groups} - ours))

    @property
    def closed_groups(self) -> tuple[int, ...]:
        """Return those missing groups that matter: none to a debugger that may read any file."""
        return () if READS_ANY_FILE & set(self.debugger.capabilities) else self.missing_groups

    def identity(self) -> TargetIdentity | None:
        """Return the target's identity as its process has it."""
        if self.target is None:
            return None
        return TargetIdentity(self.target.uid, self.target.gid, self.target.groups, self.target.capabilities, "process")


def probe(session: Session, target: Target) -> ProbeResult:
    """Looks from inside. Raises Failure TargetProcessAmbiguous when the target's process cannot be proven."""
    listed = list(_listed(session, target))
    processes = [process for stat, cgroup in listed if (process := _process(stat, cgroup))]
    pid = main_process(processes, target)
    starts = {process.pid: process.started for process in processes} if shares_processes(target.manifest) else {}
    garbled = [stat for stat, cgroup in listed if names_container(cgroup, target.id) and _process(stat, cgroup) is None]
    warnings = tuple(f"a process of the container cannot be understood by its stat: {stat[:80]!r}" for stat in garbled)
    sight = parse_sight(pid, run_text(session, b"pid=%d\n" % pid + _LOOK_AT_PROCESS))
    return replace(sight, warnings=warnings, started=starts.get(pid))


def container_processes(session: Session, target: Target) -> list[int]:
    """Return all processes of the target's container, by the same proof: their cgroup names it, whatever their stat says."""
    own = (stat.split(" ")[0] for stat, cgroup in _listed(session, target) if names_container(cgroup, target.id))
    return sorted(int(pid) for pid in own if _NUMBER.fullmatch(pid))


def _listed(session: Session, target: Target) -> Iterator[tuple[str, str]]:
    return _records(run_text(session, b"container_id=%s\n" % _checked_id(target) + _LIST_PROCESSES))


def run_text(session: Session, script: bytes) -> list[str]:
    """Return the lines that a script prints in the debugger's shell."""
    return session.ask(script + b"exit 0\n").output(MAX_ANSWER).decode("utf-8", "replace").split("\n")


def _checked_id(target: Target) -> bytes:
    """Return the container id, which stands unquoted in a script: hexadecimal by every runtime, and refused otherwise."""
    if not re.fullmatch(r"[0-9a-zA-Z_.-]{8,128}", target.id):
        raise Failure(
            "TargetProcessAmbiguous",
            f"{target.label}: the container id {target.container_id!r} is not a valid runtime id.",
        )
    return target.id.encode()


def parse_processes(lines: Iterable[str]) -> list[Process]:
    """Return the processes in the listing's answer: lines `process <stat>` each followed by `cgroup <line>`."""
    return [process for stat, cgroup in _records(lines) if (process := _process(stat, cgroup))]


def _records(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return what the listing says of each process, as stat and cgroup line; one that has ended meanwhile has no stat."""
    stat = ""
    for line in lines:
        word, _space, rest = line.partition(" ")
        if word == "process":
            stat = rest
        elif word == "cgroup" and stat:
            yield stat, rest
            stat = ""


def _process(stat: str, cgroup: str) -> Process | None:
    """Return None for a stat that is not the kernel's."""
    found = parse_stat(stat)
    return Process(found.pid, found.name, found.parent, found.started, cgroup) if found else None


def main_process(processes: Iterable[Process], target: Target) -> int:
    """Return the pid of the target's main process, by proof: its cgroup path names the container, its parent is outside.

    Raises Failure TargetProcessAmbiguous when nothing or more than one thing is proven.
    """
    own = {process.pid: process for process in processes if names_container(process.cgroup, target.id)}
    outermost = sorted((process.started, process.pid) for process in own.values() if process.parent not in own)
    if outermost and (1 in own or shares_processes(target.manifest)):
        if len(outermost) > 1 and outermost[0][0] == outermost[1][0]:
            raise Failure(
                "TargetProcessAmbiguous",
                f"{target.label}: processes {outermost[0][1]} and {outermost[1][1]} started at once.",
            )
        return outermost[0][1]
    raise Failure(
        "TargetProcessAmbiguous",
        f"{target.label}: no process seen by the debugger can be proven to be the container's main process.",
    )


def names_container(cgroup: str, container_id: str) -> bool:
    """Return whether a component of a cgroup path is that container's: its id, alone or behind a runtime's name, a runtime's scope of
    it (systemd driver), or both drivers at once, as where kubelet and runtime differ (kubernetes#106514)."""
    runtimes = ("cri-containerd", "crio", "docker")
    names = {container_id, *(f"{runtime}-{container_id}{end}" for runtime in runtimes for end in ("", ".scope"))}
    ends = tuple(f".slice:{runtime}:{container_id}" for runtime in runtimes)
    return any(component in names or component.endswith(ends) for component in cgroup.split("/"))


def shares_processes(pod: Mapping[str, object]) -> bool:
    """Return whether PID 1 is not the target's own: the pod shares its process namespace, or the host's."""
    spec = pod.get("spec")
    return isinstance(spec, Mapping) and bool(spec.get("shareProcessNamespace") or spec.get("hostPID"))


def parse_sight(pid: int, lines: Iterable[str]) -> ProbeResult:
    """Return what the look at one process answered."""
    sections: dict[str, dict[str, str]] = {"debugger": {}, "target": {}}
    current = sections["debugger"]
    readable = False
    owner = ""
    for line in lines:
        if line.startswith("lacks "):
            raise Failure("ImageLacksTool", f"The debug image lacks a working {line.removeprefix('lacks ')}.")
        if line in sections:
            current = sections[line]
        elif line.startswith("owner "):
            owner = line.removeprefix("owner ")
        elif line.startswith("root "):
            readable = line == "root readable"
        elif ":" in line:
            key, _colon, value = line.partition(":")
            current[key] = value.strip()
    own = parse_credentials(sections["debugger"])
    if own is None:
        raise Failure(
            "ContainerCreateFailed", "The debugger does not answer who it is: /proc/self/status cannot be read."
        )
    seen = parse_credentials(sections["target"])
    # a process's files in /proc are its own, but root's when it is not dumpable (fs/proc/base.c, task_dump_owner)
    is_dumpable = seen is None or seen.uid == 0 or owner != "0"
    return ProbeResult(pid, own, seen, readable, is_dumpable)


def parse_credentials(status: Mapping[str, str]) -> Credentials | None:
    """Return the credentials in the fields of /proc/<pid>/status, None when they are not there."""
    try:
        return Credentials(
            uid=int(status["Uid"].split()[1]),
            gid=int(status["Gid"].split()[1]),
            groups=tuple(sorted({int(group) for group in status.get("Groups", "").split()})),
            capabilities=capability_names(int(status["CapPrm"], 16)),
            label=status.get("Label", "").rstrip("\0"),
        )
    except (KeyError, ValueError, IndexError):
        return None


def capability_names(mask: int) -> tuple[str, ...]:
    """Return the names of the capabilities in a mask, without CAP_; bits that we do not know by their number."""
    known = [name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1]
    return (*known, *(str(bit) for bit in range(len(CAPABILITIES), 64) if mask >> bit & 1))


# more than that is as good as all: then SYS_PTRACE alone is the smaller step
FEW_CAPABILITIES = 3

# appArmorProfile is a field since Kubernetes 1.30; what stands in annotations is fixed when the pod is made
_CONFINED = (
    "Give the debugger the target's own profile by custom.securityContext (appArmorProfile, seLinuxOptions). Kubernetes before 1.30 "
    "knows AppArmor by the pod's annotations container.apparmor.security.beta.kubernetes.io/<container> only, which have to be "
    "there, with the debugger's name, when the pod is made; debug_pod makes one that can be looked into."
)

_NOT_DUMPABLE = "The target is not dumpable (a file capability, a dropped setuid, an unreadable binary"


def why_unreadable(sight: ProbeResult, label: str) -> Failure:
    """Return PermissionDenied or LsmDenied with what keeps this debugger from the target's root, by the kernel's rules, and what would do."""
    us, them = sight.debugger, sight.target
    if them is None:
        return Failure(
            "PermissionDenied",
            f"{label}: the debugger can read neither the root nor the status of the target's process.",
        )
    lacking = sorted(set(them.capabilities) - set(us.capabilities))
    what = f"the debugger ({us.uid}:{us.gid}) may not read {sight.root} of the target ({them.uid}:{them.gid}"
    message = (
        f"{label}: {what}{', which holds ' + ', '.join(lacking) + ' that the debugger has not' if lacking else ''})."
    )
    elevate = "Set allow_elevated: true for root with SYS_PTRACE."
    is_equal = (us.uid, us.gid) == (them.uid, them.gid)
    is_allowed = "SYS_PTRACE" in us.capabilities or (is_equal and not lacking and sight.is_dumpable)
    if is_allowed and us.label and them.label and us.label != them.label:
        words = (
            f"Its identity would do, but the security module runs it as {us.label!r} and the target as {them.label!r}."
        )
        return Failure("LsmDenied", f"{label}: {what}). {words}", _CONFINED)
    if not sight.is_dumpable:
        return Failure("PermissionDenied", f"{message} {_NOT_DUMPABLE}).", elevate)
    if not is_equal:
        return Failure("PermissionDenied", message)
    if not lacking:
        message += f" {_NOT_DUMPABLE}), or a security module keeps it apart."
        return Failure("PermissionDenied", message, elevate)
    # root alone: the capabilities of others are gone after the exec of the debug image's program
    if us.uid == 0 and len(lacking) <= FEW_CAPABILITIES:
        added = f"custom: {{securityContext: {{capabilities: {{add: [{', '.join(lacking)}]}}}}}}"
        return Failure(
            "PermissionDenied",
            message,
            f"Give the debugger the same by {added}, or set allow_elevated: true for root with SYS_PTRACE.",
        )
    return Failure("PermissionDenied", message, elevate)
