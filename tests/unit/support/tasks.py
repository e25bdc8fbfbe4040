# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's task as Ansible runs it: options in, what it prints at its end out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from ansible.module_utils import basic

from .fake_cluster import FakeCluster


@dataclass(frozen=True, slots=True)
class Ended:
    """A task's end."""

    result: Mapping[str, Any]
    has_failed: bool

    def __getitem__(self, key: str) -> Any:
        return self.result[key]


def run_task(
    run: Callable[[], None], cluster: FakeCluster, *, is_check: bool = False, has_diff: bool = False, **options: Any
) -> Ended:
    """Run a module on a cluster to its end."""
    given = {**cluster.options(), **options, "_ansible_check_mode": is_check, "_ansible_diff": has_diff}
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode()
    printed, status = io.StringIO(), None
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", arguments),
        # cores before 2.19 have none
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        # else warnings go to a terminal as soon as another test of this process has loaded a controller's part
        mock.patch("ansible.module_utils._internal.is_controller", False, create=True),
        redirect_stdout(printed),
    ):
        try:
            run()
        except SystemExit as end:
            status = end.code
    assert status in (0, 1), printed.getvalue()
    return Ended(json.loads(printed.getvalue()), has_failed=status == 1)
