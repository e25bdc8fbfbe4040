# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The moment after which no job of a session is waited for, whatever it prints."""

from __future__ import annotations

import time

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session, reader


@pytest.mark.parametrize("shell", SHELLS)
def test_the_end_of_a_sessions_time_ends_every_job_of_it(shell: str) -> None:
    with open_session(shell) as session:
        session.until = time.monotonic() + 0.2
        answer = reader(session.run(b"while :; do echo y; sleep 0.01; done", timeout=60))
        with pytest.raises(Failure) as caught:
            list(iter(answer.line, None))
        assert caught.value.reason == "WaitTimeout"
