# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._targets import recheck
from ansible_collections.incident.distroless.plugins.module_utils._targets.recheck import end_of, what_became
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target


def later(state: dict[str, Any], count: int = 0, container_id: str = f"containerd://0{'c' * 63}", **kwargs: Any) -> Any:
    """The world's pod when something has happened to its container."""
    after = pod(**kwargs)
    after["status"]["containerStatuses"][0] |= {"state": state, "restartCount": count, "containerID": container_id}
    return after


ENDED = {"terminated": {"exitCode": 0}}
RUNS = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}


def test_a_container_that_runs_has_not_ended() -> None:
    assert end_of(target(), later(RUNS)) is None


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (later(RUNS, 1, "containerd://other"), "TargetRestarted"),
        (later(ENDED), "TargetRestarted"),
        (later({"waiting": {"reason": "CrashLoopBackOff"}}, 1), "TargetRestarted"),
        (later({"terminated": {"exitCode": 1}}, restartPolicy="OnFailure"), "TargetRestarted"),
        (later(ENDED, restartPolicy="OnFailure"), "TargetNotRunning"),
        (later(ENDED, restartPolicy="Never"), "TargetNotRunning"),
        (later(ENDED, phase="Failed"), "TargetNotRunning"),
        (later(RUNS, metadata={"deletionTimestamp": "2026-11-23T04:00:00Z"}), "PodGone"),
    ],
    ids=["restarted", "ends", "crashes", "failed", "succeeded", "never", "evicted", "deleted"],
)
def test_an_end_is_told_by_what_follows_it(after: dict[str, Any], reason: str) -> None:
    end = end_of(target(), after)
    assert end is not None
    assert end.reason == reason


@pytest.mark.parametrize("changed", [True, False])
def test_what_a_failure_became_keeps_whether_something_was_changed(
    monkeypatch: pytest.MonkeyPatch, *, changed: bool
) -> None:
    monkeypatch.setattr(recheck, "refresh", lambda *_words: later(ENDED))
    failure = Failure("ConnectionLost", "the stream broke")
    failure.changed = changed
    became = what_became(None, target(), failure)  # type: ignore[arg-type]
    assert (became.reason, became.changed) == ("TargetRestarted", changed)
