# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What names of 4 KiB, a hundred to each of fifty targets, make of a result: AWX drops an event over 700 kB."""

from __future__ import annotations

import json

from ansible_collections.incident.distroless.plugins.module_utils._core.paths import brief
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row, cut_diffs, split_rows
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Item
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import failure_of
from ansible_collections.incident.distroless.tests.unit.support.target_things import TARGET, entry

LONG = b"/" + b"/".join([b"\n" * 255] * 15)


def test_fifty_targets_with_very_long_names_make_a_result_that_is_kept() -> None:
    paths = [LONG + b"/%d" % number for number in range(100)]
    failed = [Row(path, path, None, entry(path), "failed", "PermissionDenied") for path in paths]
    skipped = [Row(path, path, None, entry(path), "skipped", "Secret") for path in paths]
    files, left_out = split_rows(row.in_result(TARGET) for row in (*failed, *skipped) * 50)
    failure = failure_of((Item(path, path, None, "plain"), "PermissionDenied") for path in paths)
    assert failure is not None
    text = "".join(f"{'0' * 64}  {brief(path.decode())}\n" for path in paths)
    diff = {"before": text, "after": text, "before_header": "/home/me/x", "after_header": "/home/me/x"}
    result = {
        "files": files,
        "skipped_files": left_out,
        "failed_targets": [failure.as_result()] * 50,
        "diff": cut_diffs([diff] * 50),
    }
    assert len(files) > 2
    assert len(json.dumps(result)) < 430_000


def test_a_diff_that_fits_is_whole_and_one_that_does_not_says_so() -> None:
    short = {"before": "a\nb\n", "after": "a\n", "before_header": "x", "after_header": "x"}
    long = {**short, "after": "line\n" * 100_000}
    assert cut_diffs([]) == []
    whole, cut = cut_diffs([short, long])
    assert whole == short
    assert cut["after"].splitlines()[-1].endswith("more lines, see the manifest")
    assert len(cut["after"]) < 20_000


def test_a_long_path_is_cut_in_the_middle() -> None:
    assert brief("/short") == "/short"
    assert brief("/" + "x" * 5000 + "/end.log").endswith("/end.log")
    assert len(brief("x" * 5000)) < 200
