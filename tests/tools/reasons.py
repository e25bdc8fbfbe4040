# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/reasons.rst from the closed list in plugins/module_utils/_core/errors.py: python3 tests/tool.py reasons"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

CHECKOUT = Path(__file__).parents[2]
SOURCE = CHECKOUT / "plugins" / "module_utils" / "_core" / "errors.py"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "reasons.rst"

INTEGRATION, UNIT = "tests/integration", "tests/unit/plugins/module_utils"
# the test that shows the reason best, on the real cluster where that can be; a reason that is not here is shown by none
SHOWN_BY = {
    "ImagePullFailed": f"{INTEGRATION}/test_saying_no.py::test_an_image_that_cannot_be_pulled_fails_with_the_runtimes_words",
    "ContainerCreateFailed": f"{INTEGRATION}/test_saying_no.py::test_a_debugger_that_its_runtime_refuses_to_create",
    "PodSecurityDenied": f"{INTEGRATION}/test_saying_no.py::test_pod_security_refuses_a_named_profile",
    "AdmissionDenied": f"{INTEGRATION}/test_admission.py::test_a_policy_of_the_api_server_refuses_with_its_own_words",
    "QuotaExceeded": f"{INTEGRATION}/test_admission.py::test_a_quota_that_a_webhook_enforces",
    "RbacDenied": f"{INTEGRATION}/test_saying_no.py::test_each_rule_is_needed_and_its_absence_is_named",
    "Unauthorized": f"{INTEGRATION}/test_saying_no.py::test_a_token_that_is_none",
    "ApiUnreachable": f"{INTEGRATION}/test_saying_no.py::test_an_api_server_that_is_not_there",
    "ApiUnsupported": f"{INTEGRATION}/test_saying_no.py::test_an_api_without_ephemeral_containers",
    "NoTarget": f"{INTEGRATION}/test_saying_no.py::test_a_pod_that_is_not_there",
    "TooManyPods": f"{INTEGRATION}/test_ephemeral_debug.py::test_more_pods_than_allowed_fail_before_anything_is_changed",
    "PodGone": f"{INTEGRATION}/test_out_of_reach.py::test_a_pod_that_is_replaced_between_selection_and_injection",
    "TargetNotRunning": f"{INTEGRATION}/test_saying_no.py::test_a_finished_pod",
    "TargetRestarted": f"{INTEGRATION}/test_hard_luck.py::test_a_target_that_ends_during_a_command_is_said",
    "TargetProcessAmbiguous": f"{INTEGRATION}/test_out_of_reach.py::test_a_target_whose_process_nothing_names_is_not_guessed",
    "ContainerNotFound": f"{INTEGRATION}/test_saying_no.py::test_an_unknown_container",
    "StaticPod": f"{INTEGRATION}/test_out_of_reach.py::test_a_static_pod",
    "WindowsNode": f"{INTEGRATION}/test_out_of_reach.py::test_a_pod_of_windows_containers",
    "NodeNotReady": f"{INTEGRATION}/test_hard_luck.py::test_a_node_that_does_not_report_is_said_before_anything_is_changed",
    "InvalidRequest": f"{INTEGRATION}/test_saying_no.py::test_an_unknown_field_is_refused_by_the_server",
    "PermissionDenied": f"{INTEGRATION}/test_saying_no.py::test_an_unreadable_target_is_not_a_success",
    "GroupNotMatched": f"{INTEGRATION}/test_matrix.py::test_a_group_that_only_the_image_gives_is_missing_and_said",
    "LsmDenied": f"{UNIT}/_debugger/test_probe.py::test_a_security_module_that_keeps_two_equals_apart_is_said_with_both_labels",
    "ImageHasNoShell": f"{INTEGRATION}/test_saying_no.py::test_an_image_without_a_shell",
    "WaitTimeout": f"{INTEGRATION}/test_saying_no.py::test_the_time_runs_out",
    "CommandFailed": f"{INTEGRATION}/test_ephemeral_debug.py::test_commands_have_streams_codes_and_limits",
    "CommandTimeout": f"{INTEGRATION}/test_ephemeral_debug.py::test_a_time_out_ends_the_remote_command_too",
    "ConnectionLost": f"{INTEGRATION}/test_commands.py::test_a_connection_lost_during_a_command_is_an_error_and_leaves_no_file",
    "Conflict": f"{INTEGRATION}/test_out_of_reach.py::test_a_name_that_someone_elses_container_took_after_the_selection",
    "DestConflict": f"{INTEGRATION}/test_proc_fs_fetch.py::test_a_dest_of_another_pod_is_not_written_over",
    "DestUnwritable": f"{INTEGRATION}/test_saying_no.py::test_a_destination_that_is_full",
    "LimitExceeded": f"{INTEGRATION}/test_proc_fs_fetch.py::test_limits_leave_out_and_say_so",
    "CertificateRefused": f"{INTEGRATION}/test_certificates.py::test_what_is_wrong_with_a_certificate_is_said",
    "ImageLacksTool": f"{UNIT}/_fetch/test_blind_looks.py::test_a_tool_that_is_missing_is_named",
    "LookBroken": f"{UNIT}/_fetch/test_blind_looks.py::test_a_tool_that_is_killed_makes_nothing_gone",
    "TaskKilled": f"{INTEGRATION}/test_interrupts.py::test_a_child_that_is_killed_is_a_failure_that_is_rescued",
    "InternalError": f"{UNIT}/_modules/test_one_defect.py::test_one_that_breaks_after_it_was_injected_and_one_command_ran",
}

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.reasons:

Why a target failed
===================

Each entry of ``failed_targets`` has a ``reason``, which is a word of this closed list, a ``message``, which says what happened to whom, and a ``hint``, which
says what to do next. A playbook can rely on the words: none is ever removed, renamed or given another meaning. The hints below are shown where the cause
has none of its own; a missing permission, for instance, names the verb and the resource and prints the Role that grants it.

How soon a reason is known depends on who knows it. A name that can be no image's is refused before anything is injected. An image that is not on the node
and may not be pulled (``image_pull_policy: Never``) takes 10 to 15 seconds: the kubelet finds out within 0.1 seconds and writes it into the pod's status at
its next look at the pod (11.3 and 13.3 seconds in two runs on Kubernetes 1.36). Only the pod's events say it sooner, and to read those is a permission that
nothing else here needs.

.. list-table::
   :header-rows: 1
   :widths: 18 28 32 22

   * - Reason
     - What it means
     - Hint
     - Shown by
"""


class Reason(Protocol):
    """A row of the closed list."""

    @property
    def meaning(self) -> str:
        """Return what the word means."""

    @property
    def hint(self) -> str:
        """Return what the user does next."""


def page(reasons: Mapping[str, Reason]) -> str:
    """The page's text: one row for each reason, in the list's order."""
    return HEAD + "".join(
        f"   * - ``{word}``\n     - {_rst(reason.meaning)}\n     - {_rst(reason.hint)}\n     - {_shown_by(word)}\n"
        for word, reason in reasons.items()
    )


def _shown_by(word: str) -> str:
    return f"``{SHOWN_BY[word]}``" if word in SHOWN_BY else "No test of its own yet"


def _rst(sentence: str) -> str:
    # what has an underscore is an option or a variable; a star or a backquote of its own would begin a role
    return re.sub(r"/proc/<pid>/\w+|[\w.]+_\w+(?:: true|: false)?", r"``\g<0>``", sentence.replace("*", r"\*"))


def load_reasons() -> Mapping[str, Reason]:
    """REASONS of _core/errors.py, read without the rest of the collection."""
    spec = importlib.util.spec_from_file_location("_errors", SOURCE)
    if spec is None or spec.loader is None:
        raise ImportError(f"{SOURCE} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # a dataclass looks its module up by name
    sys.modules["_errors"] = module
    spec.loader.exec_module(module)
    reasons: Mapping[str, Reason] = module.REASONS
    return reasons


if __name__ == "__main__":
    PAGE.write_text(page(load_reasons()), encoding="utf-8")
