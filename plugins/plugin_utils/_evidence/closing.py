# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said when a bundle was sealed: its hashes, where it went, what did not arrive, and how to make up for it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# ansible-core before 2.19 makes text of a number in a variable
_TAKEN = ("200", "201", "204")

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """A way by which the archive was to be delivered: whether it came there, and the sentence for each case."""

    is_proven: bool
    brought: str
    lost: str


def closing(
    sealed: Result, redacted: Result, options: Mapping[str, Any], came: Mapping[str, Any]
) -> dict[str, list[str]]:
    """Return the lines of the summary (said), and of what makes the play fail: what did not arrive (lost), where it still is (still), and
    that there is no copy for sharing (unshared).

    sealed, redacted: results of evidence_seal and evidence_redact, {} where they did not run; options: the role's; came: receiver (a host's
    name), arrived and returned (the sha256 of what was found there, ""), status (of the PUT, or nothing), refused (the result of what the
    bucket refused, or {}).
    """
    packed = redacted if options["deliver"] == "redacted" else sealed
    unshared = _unshared(sealed, redacted, options)
    ways = list(_ways(packed, options, came)) if "archive" in packed else []
    lost = [way.lost for way in ways if not way.is_proven]
    still = [f"It is still at {packed['archive']}."] if lost else []
    if "archive" not in packed and _is_asked_for(options):
        lost = [
            (
                "Nothing was delivered: the redacted archive was asked for, and the original does not go in its place; it is still at "
                f"{sealed.get('archive')}."
            )
        ]
    said = [*_hashes(sealed, redacted), *(way.brought for way in ways if way.is_proven), *lost, *unshared]
    return {"said": said if "sums_sha256" in sealed else [], "lost": lost, "still": still, "unshared": unshared}


def _hashes(sealed: Result, redacted: Result) -> Iterator[str]:
    if "sums_sha256" not in sealed:
        return
    if not sealed["is_complete"]:
        yield "The acquisition did not end; what was taken until then is sealed."
    yield f"SHA256SUMS: {sealed['sums_sha256']} (write it down elsewhere; evidence_verify takes it)"
    if sealed["archive"]:
        yield f"Archive: {sealed['archive']}, sha256 {sealed['archive_sha256']}"
    if "path" in redacted:
        yield f"For sharing: {redacted['msg']}"


def _unshared(sealed: Result, redacted: Result, options: Mapping[str, Any]) -> list[str]:
    """Return why there is no copy for sharing, where one was asked for. The case is sealed by then, and the role leaves it as it is."""
    if not options["redact"] or "path" in redacted:
        return []
    later = {"path": sealed.get("path"), "archive": options["archive"]}
    later |= {"sign_key": options["sign_key"]} if options["sign"] else {}
    return [
        (
            f"There is no copy for sharing: {str(redacted.get('msg', '')).strip('.')}. The bundle is sealed as it is. To make the copy later: "
            f"ansible localhost -m incident.distroless.evidence_redact -a {shlex.quote(json.dumps(later))}"
        )
    ]


def _is_asked_for(options: Mapping[str, Any]) -> bool:
    return any(options[name] for name in ("deliver_folder", "deliver_url", "deliver_s3_bucket"))


def _ways(packed: Result, options: Mapping[str, Any], came: Mapping[str, Any]) -> Iterator[Way]:
    sha256 = packed["archive_sha256"]
    if options["deliver_folder"]:
        where = came["receiver"]
        yield Way(
            came["arrived"] == sha256,
            f"Delivered to {where}: {options['deliver_folder']}",
            f"The archive did not arrive on {where}.",
        )
    if options["deliver_url"]:
        status = str(came["status"] or "unknown")
        yield Way(status in _TAKEN, "Delivered by PUT", f"The address did not take the archive (status {status}).")
    if options["deliver_s3_bucket"]:
        key = (options["deliver_s3_prefix"].strip("/"), posixpath.basename(packed["archive"]))
        address = f"s3://{options['deliver_s3_bucket']}/{'/'.join(part for part in key if part)}"
        yield Way(
            came["returned"] == sha256,
            f"Delivered to {address}, and read back",
            f"The archive is not proven to be at {address} ({_why(came['refused'])}).",
        )


def _why(refused: Result) -> str:
    """Return why a bucket did not take it. Where one cannot be looked up amazon.aws ends in a traceback, of which ansible-core before 2.19
    makes no message."""
    if not isinstance(refused, Mapping) or not refused.get("failed"):
        return "what came back is something else"
    lines = str(refused.get("module_stderr") or "").strip().splitlines()
    return lines[-1] if lines else str(refused.get("msg", "no reason was given"))
