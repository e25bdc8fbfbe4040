# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a server whose certificate is not verified."""

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.action.role_options import ActionModule


def test_the_warning_names_the_server_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "False")
    monkeypatch.setenv("K8S_AUTH_HOST", "https://oncall:hunter2@api.shop:6443")
    (warning,) = ActionModule._unverified(object())
    assert "https://api.shop:6443 is NOT verified" in warning
    assert "hunter2" not in warning
    assert "oncall" not in warning
