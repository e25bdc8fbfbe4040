# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/docsite/rst/reasons.rst from the closed list in plugins/module_utils/_errors.py: python3 tests/tools/reasons.py"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

CHECKOUT = Path(__file__).parents[2]
SOURCE = CHECKOUT / "plugins" / "module_utils" / "_errors.py"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "reasons.rst"

INTEGRATION, UNIT = "tests/integration", "tests/unit/plugins/module_utils"
# the test that shows the reason best, on the real cluster where that can be; a reason that is not here is shown by none
SHOWN_BY = {
    "ImagePullFailed": f"{INTEGRATION}/test_saying_no.py::test_an_image_that_cannot_be_pulled_fails_with_the_runtimes_words",
    "ContainerCreateFailed": f"{UNIT}/test_inject.py::test_states_that_do_not_get_better_fail_at_once",
    "PodSecurityDenied": f"{INTEGRATION}/test_saying_no.py::test_pod_security_refuses_a_named_profile",
    "AdmissionDenied": f"{UNIT}/test_refusals.py::test_every_refusal_has_its_reason",
    "QuotaExceeded": f"{UNIT}/test_refusals.py::test_every_refusal_has_its_reason",
    "RbacDenied": f"{INTEGRATION}/test_saying_no.py::test_each_rule_is_needed_and_its_absence_is_named",
    "Unauthorized": f"{INTEGRATION}/test_saying_no.py::test_a_token_that_is_none",
    "ApiUnreachable": f"{INTEGRATION}/test_saying_no.py::test_an_api_server_that_is_not_there",
    "ApiUnsupported": f"{UNIT}/test_refusals.py::test_every_refusal_has_its_reason",
    "NoTarget": f"{INTEGRATION}/test_saying_no.py::test_a_pod_that_is_not_there",
    "TooManyPods": f"{INTEGRATION}/test_ephemeral_debug.py::test_more_pods_than_allowed_fail_before_anything_is_changed",
    "PodGone": f"{UNIT}/test_targets.py::test_another_pod_of_the_same_name_is_not_the_earlier_target",
    "TargetNotRunning": f"{INTEGRATION}/test_saying_no.py::test_a_finished_pod",
    "TargetRestarted": f"{INTEGRATION}/test_hard_luck.py::test_a_target_that_restarts_between_injection_and_exec_is_said",
    "TargetProcessAmbiguous": f"{UNIT}/test_probe.py::test_pid_1_is_the_targets_only_by_proof",
    "ContainerNotFound": f"{INTEGRATION}/test_saying_no.py::test_an_unknown_container",
    "StaticPod": f"{UNIT}/test_targets.py::test_what_cannot_be_looked_into_says_why",
    "WindowsNode": f"{UNIT}/test_targets.py::test_what_cannot_be_looked_into_says_why",
    "NodeNotReady": f"{INTEGRATION}/test_hard_luck.py::test_a_node_that_does_not_report_is_said_before_anything_is_changed",
    "InvalidRequest": f"{INTEGRATION}/test_saying_no.py::test_an_unknown_field_is_refused_by_the_server",
    "PermissionDenied": f"{INTEGRATION}/test_saying_no.py::test_an_unreadable_target_is_not_a_success",
    "ImageHasNoShell": f"{INTEGRATION}/test_saying_no.py::test_an_image_without_a_shell",
    "WaitTimeout": f"{INTEGRATION}/test_saying_no.py::test_the_time_runs_out",
    "CommandFailed": f"{INTEGRATION}/test_ephemeral_debug.py::test_commands_have_streams_codes_and_limits",
    "CommandTimeout": f"{INTEGRATION}/test_ephemeral_debug.py::test_a_time_out_ends_the_remote_command_too",
    "ConnectionLost": f"{INTEGRATION}/test_commands.py::test_a_connection_lost_during_a_command_is_an_error_and_leaves_no_file",
    "Conflict": f"{UNIT}/test_refusals.py::test_every_refusal_has_its_reason",
    "DestConflict": f"{INTEGRATION}/test_proc_fs_fetch.py::test_a_dest_of_another_pod_is_not_written_over",
    "DestUnwritable": f"{UNIT}/test_dest.py::test_a_full_disk_is_final",
    "LimitExceeded": f"{INTEGRATION}/test_proc_fs_fetch.py::test_limits_leave_out_and_say_so",
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
    def meaning(self) -> str: ...

    @property
    def hint(self) -> str: ...


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
    """REASONS of _errors.py, read without the rest of the collection."""
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
