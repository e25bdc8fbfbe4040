# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said at the end of an evidence play is so: what did not arrive is named, and nothing is lost without a word."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.closing import closing
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog

SHA = "ab" * 32
SEALED = {
    "path": "/cases/it's one",
    "is_complete": True,
    "sums_sha256": "cd" * 32,
    "archive": "/cases/one.tar.zst",
    "archive_sha256": SHA,
}
REDACTED = {
    "path": "/cases/one.redacted",
    "archive": "/cases/one.redacted.tar.zst",
    "archive_sha256": "ef" * 32,
    "msg": "made",
}
NOTHING: dict[str, Any] = {"receiver": "vault", "arrived": "", "status": "", "returned": "", "refused": {}}


def options(**given: Any) -> dict[str, Any]:
    return {
        **{option.name: option.default for option in catalog()["evidence_bundle"].options},
        "redact": False,
        **given,
    }


def came(**what: Any) -> dict[str, Any]:
    return {**NOTHING, **what}


def test_what_was_sealed_is_said_with_its_hashes() -> None:
    told = closing({**SEALED, "is_complete": False}, REDACTED, options(redact=True), came())
    assert told["said"] == [
        "The acquisition did not end; what was taken until then is sealed.",
        f"SHA256SUMS: {'cd' * 32} (write it down elsewhere; evidence_verify takes it)",
        f"Archive: /cases/one.tar.zst, sha256 {SHA}",
        "For sharing: made",
    ]
    assert (told["lost"], told["still"], told["unshared"]) == ([], [], [])


def test_where_nothing_was_sealed_nothing_is_said() -> None:
    assert closing({}, {}, options(), came())["said"] == []


@pytest.mark.parametrize("status", [201, "201"])
def test_what_arrived_is_said_with_where(status: object) -> None:
    asked = options(
        deliver_folder="/evidence", deliver_url="https://x", deliver_s3_bucket="b", deliver_s3_prefix="/2026/"
    )
    told = closing(SEALED, {}, asked, came(arrived=SHA, status=status, returned=SHA))
    assert told["said"][2:] == [
        "Delivered to vault: /evidence",
        "Delivered by PUT",
        "Delivered to s3://b/2026/one.tar.zst, and read back",
    ]
    assert told["lost"] == []


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({}, "what came back is something else"),
        ({"failed": True, "msg": "no such bucket"}, "no such bucket"),
        (
            {"failed": True, "module_stderr": "Traceback\nEndpointConnectionError: x\n", "msg": "y"},
            "EndpointConnectionError: x",
        ),
        ("{'failed': ...", "what came back is something else"),
    ],
)
def test_what_did_not_arrive_is_named_and_where_it_still_is(refused: Any, why: str) -> None:
    asked = options(deliver_folder="/evidence", deliver_url="https://x", deliver_s3_bucket="b")
    told = closing(SEALED, {}, asked, came(arrived="00" * 32, status=403, refused=refused))
    assert told["lost"] == [
        "The archive did not arrive on vault.",
        "The address did not take the archive (status 403).",
        f"The archive is not proven to be at s3://b/one.tar.zst ({why}).",
    ]
    assert told["still"] == ["It is still at /cases/one.tar.zst."]
    assert told["said"][-3:] == told["lost"]


def test_the_original_does_not_go_in_place_of_the_copy() -> None:
    asked = options(redact=True, deliver="redacted", deliver_url="https://x", sign=True)
    told = closing(SEALED, {"failed": True, "msg": "the disk is full."}, asked, came(status=201))
    (lost,) = told["lost"]
    assert "the original does not go in its place; it is still at /cases/one.tar.zst." in lost
    (unshared,) = told["unshared"]
    assert "There is no copy for sharing: the disk is full. " in unshared
    *_words, arguments = shlex.split(unshared.partition("To make the copy later: ")[2])
    assert json.loads(arguments) == {"path": "/cases/it's one", "archive": "auto", "sign_key": "~/.ssh/id_ed25519"}
