# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a server whose certificate is not verified, and what the process that forks has when the class is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.incident.distroless.plugins.action.role_options import ActionModule


def test_the_warning_names_the_server_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "False")
    monkeypatch.setenv("K8S_AUTH_HOST", "https://oncall:hunter2@api.shop:6443")
    (warning,) = ActionModule._unverified(object())
    assert "https://api.shop:6443 is NOT verified" in warning
    assert "hunter2" not in warning
    assert "oncall" not in warning


# as the strategies do before they fork the worker of a role's first task
LOADED_BY_ANSIBLE = """
import sys
from ansible.plugins.loader import action_loader, filter_loader, init_plugin_loader, test_loader
init_plugin_loader([path for path in sys.path if path])
assert action_loader.get("incident.distroless.role_options", class_only=True)
before = set(sys.modules)
for loader, name in ((filter_loader, "ansible.builtin.combine"), (test_loader, "ansible.builtin.changed"),
                     (filter_loader, "incident.distroless.api_requests")):
    assert loader.get(name)
print(sorted(name for name in set(sys.modules) - before if "distroless" in name or "ansible.plugins" in name))
"""


def test_workers_are_forked_from_a_process_that_has_the_filters_of_the_tasks_that_come() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [sys.executable, "-c", LOADED_BY_ANSIBLE], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "[]\n", ended.stderr
