# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers are those of a real node: Linux 6.18, containerd 2.2, cgroup v1 and v2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import (
    _LIST_PROCESSES,
    _LOOK_AT_PROCESS,
    ProbeResult,
    Process,
    capability_names,
    container_processes,
    main_process,
    names_container,
    parse_processes,
    parse_sight,
    probe,
    run_text,
    why_unreadable,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import own_main_process
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, session_with
from ansible_collections.incident.distroless.tests.unit.support.pods import target
from ansible_collections.incident.distroless.tests.unit.support.target_things import named_process

ID = f"0{'c' * 63}"
V1 = f"5:memory:/kubepods/besteffort/pod1/{ID}"
ROOT_STATUS = ["Name:\tapp", "Uid:\t0\t0\t0\t0", "Gid:\t0\t0\t0\t0", "Groups:\t ", "CapPrm:\t00000000a80425fb"]
NOBODY_STATUS = [
    "Uid:\t65532\t65532\t65532\t65532",
    "Gid:\t65532\t65532\t65532\t65532",
    "Groups:\t5 65532 ",
    "CapPrm:\t0000000000000000",
]


def stat(pid: int, command: str, parent: int, started: int) -> str:
    return f"process {pid} ({command}) S {parent} {pid} {pid} 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {started} 1 1"


def test_processes_are_parsed_whatever_their_name() -> None:
    lines = [stat(1, "a) S 9 (b", 0, 100), f"cgroup {V1}", stat(7, "", 1, 120), "cgroup "]
    assert parse_processes(lines) == [Process(1, "a) S 9 (b", 0, 100, V1), Process(7, "", 1, 120, "")]


def test_a_process_that_went_away_meanwhile_is_left_out() -> None:
    assert parse_processes(["process ", "cgroup ", "process 5", f"cgroup {V1}"]) == []


NAMES = ["busybox\nx", "a) Z\nb", "\n) R 1 1 (\n", "\n\n\nprocess 1", "x\ncgroup /"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_a_process_gives_itself_hides_it(shell: str, name: str, tmp_path: Path) -> None:
    with named_process(name) as pid, open_session(shell) as session:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / f"{pid}/stat").write_bytes(Path(f"/proc/{pid}/stat").read_bytes())
        (tmp_path / f"{pid}/cgroup").write_text(f"{V1}\n")
        script = _LIST_PROCESSES.replace(b"/proc/", os.fsencode(f"{tmp_path}/"))
        (process,) = parse_processes(run_text(session, b"container_id=%s\n" % ID.encode() + script))
    assert (process.pid, process.parent, process.cgroup) == (pid, os.getpid(), V1)
    # a name of several lines comes as one
    assert process.command == name.replace("\n", " ")


NOT_STAT = f"process 9 garbled\ncgroup {V1}\nprocess 8 garbled\ncgroup 0::/other\nprocess \ncgroup {V1}\n"


def test_a_process_that_cannot_be_understood_is_still_one_of_the_containers() -> None:
    listing = f"{stat(1, 'app', 0, 100)}\ncgroup {V1}\n{NOT_STAT}"
    assert container_processes(session_with(Liar(listing.encode())), target()) == [1, 9]


def test_a_process_that_cannot_be_understood_is_said() -> None:
    main = f"{stat(1, 'app', 0, 100)}\ncgroup {V1}\n"
    status = "\n".join(["debugger", *ROOT_STATUS, "target", *ROOT_STATUS, "root readable", ""])
    sight = probe(session_with(Liar(f"{main}{NOT_STAT}{status}".encode())), target())
    assert sight.pid == 1
    (warning,) = sight.warnings
    assert "9 garbled" in warning
    assert probe(session_with(Liar(f"{main}{status}".encode())), target()).warnings == ()


@pytest.mark.parametrize(
    "path",
    [
        V1,
        f"0::/../cri-containerd-{ID}.scope",
        f"0::/kubepods.slice/pod.slice/crio-{ID}.scope",
        f"4:memory:/kubepods/besteffort/pod1f0c/crio-{ID}",
        f"1:name=systemd:/system.slice/containerd.service/kubepods-besteffort-pod1f0c.slice:cri-containerd:{ID}",
        f"3:cpu:/docker/docker-{ID}.scope/init",
    ],
)
def test_a_cgroup_names_its_container_by_a_whole_component(path: str) -> None:
    assert names_container(path, ID)
    assert not names_container(path.replace(ID, f"{ID}f"), ID)


@pytest.mark.parametrize("component", [f"crio-conmon-{ID}.scope", f"app:cri-containerd:{ID}", f"other-{ID}"])
def test_what_only_has_the_id_in_it_is_not_the_container(component: str) -> None:
    assert not names_container(f"0::/kubepods.slice/{component}", ID)


def test_the_main_process_is_the_first_whose_parent_is_outside() -> None:
    shared = target(shareProcessNamespace=True)
    processes = [
        Process(1, "pause", 0, 50, ""),
        Process(17, "worker", 8, 130, V1),
        Process(8, "app", 0, 100, V1),
        Process(40, "later", 0, 200, V1),
    ]
    assert main_process(processes, shared) == 8


def test_pid_1_is_the_targets_only_by_proof() -> None:
    assert main_process([Process(1, "app", 0, 100, V1)], target()) == 1
    with pytest.raises(Failure) as caught:
        main_process([Process(1, "sleep", 0, 100, "")], target())
    assert caught.value.reason == "TargetProcessAmbiguous"


def test_two_that_started_at_once_are_ambiguous() -> None:
    with pytest.raises(Failure, match="started at once"):
        main_process([Process(8, "a", 0, 100, V1), Process(9, "b", 0, 100, V1)], target(hostPID=True))


def test_what_is_seen_of_a_target() -> None:
    sight = parse_sight(8, ["debugger", *NOBODY_STATUS, "target", *ROOT_STATUS, "root denied", ""])
    assert (sight.root, sight.root_readable, sight.isolation) == ("/proc/8/root", False, "same_uid")
    assert sight.missing_groups == (0,)
    identity = sight.identity()
    assert identity is not None
    assert (identity.uid, identity.source) == (0, "process")
    assert "DAC_OVERRIDE" in identity.capabilities


def test_the_targets_other_groups_are_missing_ones() -> None:
    debugger = [line.replace("5 65532", "65532") for line in NOBODY_STATUS]
    sight = parse_sight(1, ["debugger", *debugger, "target", *NOBODY_STATUS, "root readable"])
    assert (sight.root_readable, sight.missing_groups) == (True, (5,))


def test_missing_groups_close_nothing_to_one_that_may_read_any_file() -> None:
    by_root = parse_sight(1, ["debugger", *ROOT_STATUS, "target", *NOBODY_STATUS, "root readable"])
    by_nobody = parse_sight(1, ["debugger", *NOBODY_STATUS, "target", *ROOT_STATUS, "root readable"])
    assert (by_root.missing_groups, by_root.closed_groups) == ((5, 65532), ())
    assert by_nobody.closed_groups == (0,)


@pytest.mark.parametrize(
    ("debugger", "mask", "words", "hint"),
    [
        (NOBODY_STATUS, None, "(65532:65532) may not read /proc/1/root of the target (0:0", "identity match"),
        (
            ROOT_STATUS,
            "00000000aa0425fb",
            "which holds SYS_TIME that",
            "custom: {securityContext: {capabilities: {add: [SYS_TIME]}}}",
        ),
        (ROOT_STATUS, "000001ffffffffff", "SYS_ADMIN", "Set allow_elevated: true"),
        (ROOT_STATUS, "00000000a80425fb", "not dumpable", "Set allow_elevated: true"),
    ],
)
def test_a_refusal_says_what_the_kernel_misses_and_what_would_do(
    debugger: list[str], mask: str | None, words: str, hint: str
) -> None:
    target_status = [line if mask is None or "CapPrm" not in line else f"CapPrm:\t{mask}" for line in ROOT_STATUS]
    sight = parse_sight(1, ["debugger", *debugger, "target", *target_status, "root denied"])
    failure = why_unreadable(sight, "shop/api-0/app")
    assert failure.reason == "PermissionDenied"
    assert words in failure.message
    assert hint in failure.hint


OURS, THEIRS = "cri-containerd.apparmor.d (enforce)", "shop-api (enforce)"
PTRACE = [*ROOT_STATUS[:-1], "CapPrm:\t0000000000080000"]


@pytest.mark.parametrize("debugger", [NOBODY_STATUS, PTRACE], ids=["same-identity", "elevated"])
def test_a_security_module_that_keeps_two_equals_apart_is_said_with_both_labels(debugger: list[str]) -> None:
    lines = ["debugger", *debugger, f"Label:{OURS}", "target", *NOBODY_STATUS, f"Label:{THEIRS}"]
    failure = why_unreadable(parse_sight(1, [*lines, "root denied"]), "shop/api-0/app")
    assert failure.reason == "LsmDenied"
    assert repr(OURS) in failure.message
    assert repr(THEIRS) in failure.message
    assert "custom.securityContext" in failure.hint
    # which releases before 1.30 have no field for
    assert "before 1.30 knows AppArmor by the pod's annotations" in failure.hint


@pytest.mark.parametrize(
    ("debugger", "ours", "theirs", "owner"),
    [
        (NOBODY_STATUS, OURS, OURS, "65532"),
        (NOBODY_STATUS, "", THEIRS, "65532"),
        (NOBODY_STATUS, OURS, "", "65532"),
        # what the kernel's own rule refuses is no security module's doing
        (ROOT_STATUS, OURS, THEIRS, "65532"),
        (NOBODY_STATUS, OURS, THEIRS, "0"),
    ],
    ids=["same-label", "no-label-here", "no-label-there", "other-identity", "not-dumpable"],
)
def test_a_security_module_is_not_blamed_without_proof(debugger: list[str], ours: str, theirs: str, owner: str) -> None:
    lines = ["debugger", *debugger, f"Label:{ours}", "target", *NOBODY_STATUS, f"Label:{theirs}"]
    failure = why_unreadable(parse_sight(1, [*lines, f"owner {owner}", "root denied"]), "shop/api-0/app")
    assert failure.reason == "PermissionDenied"


def test_an_selinux_label_is_read_with_its_colons_and_without_its_end() -> None:
    label = "system_u:system_r:container_t:s0:c7,c9"
    sight = parse_sight(1, ["debugger", *NOBODY_STATUS, f"Label:{label}\0", "target", "root readable"])
    assert sight.debugger.label == label


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_the_labels_of_both_security_modules(shell: str, tmp_path: Path) -> None:
    # as the kernel writes them: AppArmor with a newline, SELinux with a NUL
    selinux = "system_u:system_r:container_t:s0:c7,c9"
    labels = {
        "self/attr/current": f"{selinux}\0",
        "7/attr/apparmor/current": f"{THEIRS}\n",
        "7/attr/current": "other\n",
    }
    for name, label in labels.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(label)
    for process in ("self", "7"):
        (tmp_path / process / "status").write_text("\n".join(NOBODY_STATUS) + "\n")
    with open_session(shell) as session:
        lines = run_text(session, b"pid=7\n" + _LOOK_AT_PROCESS.replace(b"/proc/", os.fsencode(f"{tmp_path}/")))
    sight = parse_sight(7, lines)
    assert sight.target is not None
    assert (sight.debugger.label, sight.target.label) == (selinux, THEIRS)


def test_a_target_whose_files_in_proc_are_roots_is_not_dumpable() -> None:
    def seen(status: list[str], owner: str) -> ProbeResult:
        return parse_sight(1, ["debugger", *ROOT_STATUS, "target", *status, f"owner {owner}", "root denied"])

    assert not seen(NOBODY_STATUS, owner="0").is_dumpable
    assert seen(NOBODY_STATUS, owner="65532").is_dumpable
    # root's are root's anyway, and a tool that is not there says nothing
    assert seen(ROOT_STATUS, owner="0").is_dumpable
    assert seen(NOBODY_STATUS, owner="").is_dumpable
    refusal = why_unreadable(seen(NOBODY_STATUS, owner="0"), "shop/api-0/app")
    assert "not dumpable" in refusal.message
    assert "allow_elevated" in refusal.hint


def test_a_target_whose_status_is_gone_is_unknown() -> None:
    assert parse_sight(1, ["debugger", *ROOT_STATUS, "target", "root denied"]).identity() is None


def test_capabilities_have_names_and_unknown_ones_numbers() -> None:
    assert capability_names(0b1 | 1 << 19 | 1 << 60) == ("CHOWN", "SYS_PTRACE", "60")


def test_only_the_debuggers_own_sleep_is_ended() -> None:
    own = [Process(30, "sh", 0, 300, "own"), Process(31, "sleep", 30, 310, "own"), Process(20, "sleep", 0, 200, "own")]
    assert own_main_process(own) == own[2]
    assert own_main_process([Process(1, "app", 0, 100, "own")]) is None
