# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import gather, was_changed
from ansible_collections.incident.distroless.tests.unit.support.pods import target


@dataclass(frozen=True, slots=True)
class Work:
    """What was done with a target."""

    failure: Failure | None = None


def test_what_was_done_is_kept_and_every_failure_is_listed_with_its_target() -> None:
    early, late = Failure("ImagePullFailed", "no image"), Failure("CommandFailed", "rc 1")
    well, badly = Work(), Work(late)
    targets = [target(name=name) for name in ("a", "b", "c")]
    done, failed = gather(targets, [early, well, badly])
    assert done == [well, badly]
    assert [(entry.pod, entry.container, entry.failure) for entry in failed] == [
        ("a", "app", early),
        ("c", "app", late),
    ]


@pytest.mark.parametrize("is_changed", [True, False])
def test_a_failure_tells_whether_something_was_changed_before_it(*, is_changed: bool) -> None:
    failure = Failure("ImagePullFailed", "no image")
    with pytest.raises(Failure), after_change(is_changed=False), after_change(is_changed=is_changed):
        raise failure
    _done, failed = gather([target()], [failure])
    assert was_changed(failed) is is_changed
