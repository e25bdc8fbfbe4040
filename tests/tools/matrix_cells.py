# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What `make test-matrix` tries: one axis at a time from the newest, each lowest with the lowest once, and a real line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .dependencies import LOWEST, NEWEST

# which tests run: those of `make test` on its lowest pair and some more, or what its newest pair leaves to a release
SMOKE, BULK = "the smoke tests", "the tests marked as bulk"

CLIENTS = {"37": "runtime", "28": "runtime-client-28"}
WEBSOCKETS = {"1.9": None, "1.2": "websocket-1.2"}
# which releases are beside the cluster's own, as tests/cluster/releases pins them
NEWEST_KUBERNETES = "1.36"


# how the API server is reached -> the words of tests/bench/behind.py; on each but the first 50 ms and 100 Mbit/s in both directions
LINES: dict[str, tuple[str, ...]] = {
    "none": (),
    "slow": (),
    # what proxies do after 60 s
    "slow, cut after 12 s of silence": ("--silence", "12"),
    "slow, by CONNECT alone": ("--connect",),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination. `client` and `websocket`: the kubernetes and websocket-client packages; `image`: what debuggers are made of."""

    name: str
    python: str = "3.13"
    core: str = "2.21"
    client: str = "37"
    websocket: str = "1.9"
    kubernetes_core: str = NEWEST
    kubernetes: str = NEWEST_KUBERNETES
    image: str = "busybox:1.37"
    line: str = "none"  # of LINES
    tests: str = SMOKE

    @property
    def requirements(self) -> tuple[str, ...]:
        """The names of tests/requirements/<name>.txt that make its environment."""
        names = (f"core-{self.core}", CLIENTS[self.client], WEBSOCKETS[self.websocket])
        return tuple(name for name in names if name)


NEW = Cell("newest")
CELLS = (
    NEW,
    replace(NEW, name="bulk", tests=BULK),
    replace(NEW, name="core-2.16", core="2.16", python="3.12"),
    replace(NEW, name="core-2.18", core="2.18"),
    # the newest ansible-core that runs on the lowest Python
    replace(NEW, name="core-2.19", core="2.19", python="3.11"),
    replace(NEW, name="core-2.20", core="2.20"),
    replace(NEW, name="python-3.12", python="3.12"),
    replace(NEW, name="python-3.14", python="3.14"),
    replace(NEW, name="client-28", client="28"),
    replace(NEW, name="websocket-1.2", websocket="1.2"),
    replace(NEW, name="kubernetes.core-6.2", kubernetes_core=LOWEST),
    replace(NEW, name="kubernetes-1.29", kubernetes="1.29"),
    replace(NEW, name="kubernetes-1.33", kubernetes="1.33"),
    replace(NEW, name="image-debian", image="incident.test/debug-dash:1"),
    replace(NEW, name="image-without-find", image="incident.test/debug-without-find:1"),
    Cell("lowest", "3.11", "2.18", "28", "1.2", LOWEST, "1.29"),
    replace(NEW, name="slow-line", line="slow"),
    replace(NEW, name="silent-line", line="slow, cut after 12 s of silence"),
    replace(NEW, name="connect-line", line="slow, by CONNECT alone"),
)

LINES_ALONE = tuple(cell.name for cell in CELLS if cell.line != NEW.line)
# beside the smoke tests of `make test`: what a client library, a release or an image changes
FURTHER = (
    "test_authentication.py::test_a_kubeconfig_as_a_dictionary_leaves_the_result_as_it_is",
    "test_authentication.py::test_a_proxy_with_a_password_carries_requests_and_streams",
    "test_authentication.py::test_impersonation_holds_for_the_exec_as_well",
    "test_ephemeral_debug.py::test_a_name_alone_gives_nobody_a_debugger_of_another_identity",
    "test_ephemeral_debug.py::test_absent_ends_the_debugger_and_not_the_app",
    "test_in_process.py::test_every_module_gives_the_same_both_ways",
    "test_matrix.py::test_the_least_debugger_that_can_read[not-dumpable-elevated]",
    "test_matrix.py::test_the_least_debugger_that_can_read[pod-runs-as-non-root]",
    "test_matrix.py::test_the_least_debugger_that_can_read[shared-processes]",
    "test_no_harm.py::test_nothing_is_left_of_dropped_connections_and_commands[16]",
    "test_no_harm.py::test_nothing_is_left_of_jobs_given_up_in_the_middle_of_their_output[6]",
    "test_proc_fs_fetch.py::test_a_directory_is_taken_whole_whatever_its_names",
    "test_role_crashloop_copy.py::test_what_runs_the_program_is_named_and_a_pod_that_runs_is_left_in_peace",
    "test_role_disk_triage.py::test_an_old_case_is_judged_again_without_the_pod_by_a_check_of_the_users_own",
    "test_role_evidence_bundle.py::test_the_least_role_is_enough_values_come_only_where_asked_and_the_signed_archive_is_delivered",
    "test_role_evidence_bundle_s3.py::test_who_may_do_what_the_documentation_says_delivers_and_it_is_read_back",
    "test_role_quarantine.py::test_two_plays_can_continue_one_case_at_the_same_moment",
)


@dataclass(frozen=True, slots=True)
class Known:
    """Failures that are understood: which tests fail in which cells (the beginnings of their names), and what is behind it."""

    cells: Sequence[str]
    tests: Sequence[str]
    because: str


KNOWN: tuple[Known, ...] = (
    Known(
        ("kubernetes-1.29", "lowest"),
        ("test_nothing_is_left_of_dropped_connections_and_commands",),
        "behind an API server before Kubernetes 1.30 containerd 2 kills the shell of a line that breaks, and what it ran stays; one that the "
        "collection closes leaves nothing (test_nothing_is_left_of_jobs_given_up_in_the_middle_of_their_output)",
    ),
    Known(
        ("image-debian", "image-without-find"),
        ("test_role_crashloop_copy", "test_a_held_copy_of_a_crashing_pod_shows_the_files_of_its_image"),
        "what holds a copy is the busybox of the debug image, which this one has not: it fails in words",
    ),
    Known(
        ("image-without-find",),
        (
            "test_proc_fs_fetch",
            "test_a_task_takes_text_for_any_type",
            "test_a_relative_dest_is_below_the_playbooks_directory",
            "test_nothing_is_left_of_dropped_connections_and_commands",
            "test_every_module_gives_the_same_both_ways",
            "test_role_disk_triage",
            "test_role_evidence_bundle",
            "test_role_network_triage",
            "test_pods_in_trouble_of_each_kind_are_one_case_with_one_look",
        ),
        "files are listed by find and xargs, which this image has not: a fetch fails with ImageLacksTool, and what a role would have seen by "
        "them is unknown (test_lacking_images)",
    ),
    Known(
        ("image-debian",),
        ("test_role_network_triage", "test_pods_in_trouble_of_each_kind_are_one_case_with_one_look"),
        "names are looked up and peers are tried by nslookup and nc, which this image has not: what they would show is unknown",
    ),
    Known(
        LINES_ALONE,
        ("test_role_network_triage",),
        "its peers listen at addresses of the node, which is not at this end of the line",
    ),
    Known(
        ("connect-line",),
        ("test_a_proxy_with_a_password_carries_requests_and_streams",),
        "its own proxy is at this end of the line, and would have to go through another one",
    ),
    Known(
        ("core-2.16",),
        ("test_every_module_gives_the_same_both_ways",),
        "ansible-core 2.16 has no key timedout in the result of a task that took too long, which this test compares",
    ),
)


def because(cell: str, test: str) -> str | None:
    """Return what is behind a failure, where that is known."""
    for known in KNOWN:
        if cell in known.cells and any(part in test for part in known.tests):
            return known.because
    return None
