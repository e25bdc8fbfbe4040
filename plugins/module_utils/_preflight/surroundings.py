# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is there beside permissions and admission: versions, clocks, the server's certificate, the node's images.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import ssl
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._preflight.rows import (
    Row,
    attempt,
    unasked,
)

Version = tuple[int, int]

# The lowest that the documentation asks for, and the newest that its tests were run with; a test compares them with what it says.
CLAIMED: dict[str, tuple[Version, Version]] = {
    "API server": ((1, 25), (1, 36)),
    "Python": ((3, 11), (3, 13)),
    "kubernetes (client)": ((24, 2), (37, 0)),
    "ansible-core": ((2, 18), (2, 21)),
}
# after these nothing else can be asked
_NOTHING_MORE = ("ApiUnreachable", "CertificateRefused", "Unauthorized", "WaitTimeout")
# seconds by which clocks may differ before times in reports mislead
_SKEW = 5.0
_DAYS_BEFORE = 14
_DAY = 86400.0
# nodeStatusMaxImages of the kubelet's configuration, by default
_LISTED = 50


def of_version(what: str, found: str, needed_by: tuple[str, ...] = ()) -> Row:
    """Return whether a version is one that the documentation speaks of. needed_by: what an older one makes impossible."""
    check = f"version of {what}"
    numbers = re.match(r"v?(\d{1,6})(?:\.(\d{1,6}))?", found)
    if numbers is None:
        return Row(check, "unknown", f"{found!r} is not a version that is understood")
    these = (int(numbers[1]), int(numbers[2] or 0))
    lowest, newest = CLAIMED[what]
    words = f"{found}; documented are {_shown(lowest)} to {_shown(newest)}"
    if these < lowest:
        return Row(
            check, "missing", f"{words}: it is older", f"Use {what} {_shown(lowest)} or newer.", None, None, needed_by
        )
    if these > newest:
        return Row(check, "unknown", f"{words}: it is newer than what the tests were run with", "Try it by day.")
    return Row(check, "ok", words)


def _shown(version: Version) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True, slots=True)
class Clock:
    """What one request tells of the API server's clock, which is in whole seconds: it is ahead of ours by least to most seconds."""

    least: float
    most: float


def of_clock(clock: Clock | None) -> Row:
    """Return whether the clocks agree, as far as the answer's Date and the time that it took can tell; None: it had no Date."""
    check = "clocks"
    if clock is None:
        return Row(check, "unknown", "the API server's answers have no Date")
    middle, around = (clock.least + clock.most) / 2, (clock.most - clock.least) / 2
    words = f"the API server's is {abs(middle):.1f} s {'ahead of' if middle >= 0 else 'behind'} this host's, give or take {around:.1f} s"
    if clock.least > _SKEW or clock.most < -_SKEW:
        return Row(
            check, "missing", f"{words}: they do not agree", "Set the clock of this host right, or the server's."
        )
    if clock.least < -_SKEW or clock.most > _SKEW:
        return Row(check, "unknown", f"{words}, which is too little to tell")
    return Row(check, "ok", words)


def of_certificate(shown: Mapping[str, Any] | None, now: float) -> Row:
    """Return what is known of the server's certificate. shown: as ssl's getpeercert gives it, empty where nothing was verified, None where
    the connection has none."""
    check = "certificate"
    if shown is None:
        return Row(check, "unknown", "the connection is not encrypted: nothing proves who answers", "Connect by https.")
    if not shown.get("notAfter"):
        return Row(
            check,
            "unknown",
            "it was not verified, since validate_certs is false: anybody can answer, and get the token",
            "Set ca_cert to the cluster's authority and validate_certs to true.",
        )
    ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    left = (ends - now) / _DAY
    words = (
        f"its chain is verified; it expires {datetime.fromtimestamp(ends, UTC):%Y-%m-%dT%H:%M:%SZ}, in {left:.0f} days"
    )
    return Row(check, "ok", words, "Have it renewed before that day." if left < _DAYS_BEFORE else "")


def of_image(image: str, node: str, images: Iterable[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Return status, message and what to do: whether the debug image is among those that a node says it has."""
    rows = list(images)
    known = {_full(str(name)) for row in rows for name in row.get("names") or ()}
    wanted = _full(image)
    if wanted.endswith(":latest"):
        return (
            "unknown",
            f"{image} is asked of its registry each time, whatever node {node} has",
            "Name a tag or a digest, or set image_pull_policy.",
        )
    if wanted in known:
        return "ok", f"node {node} has {image}", ""
    cut = f", which is cut at {_LISTED} by default" if len(rows) >= _LISTED else ""
    return (
        "unknown",
        f"{image} is not among the {len(rows)} images that node {node} lists{cut}: it may have to be pulled",
        "Pull it there by day, or look whether the node can reach its registry.",
    )


def _full(image: str) -> str:
    """Return an image's name as the runtime has it: with its registry, and a digest or else a tag."""
    name, at, digest = image.partition("@")
    first, slash, _rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    folder, _slash, last = name.rpartition("/")
    bare, colon, tag = last.partition(":")
    return f"{folder}/{bare}@{digest}" if at else f"{folder}/{bare}:{tag if colon else 'latest'}"


def of_server(cluster: Cluster, injecting: tuple[str, ...]) -> Iterator[Row]:
    """Give what the first answer tells: version, clock, certificate. Raises Failure where there is none."""
    began, doing = time.monotonic(), "asking for the version"
    found = attempt(lambda: cluster.get("/version", doing))
    took = time.monotonic() - began
    if isinstance(found, Failure):
        if found.reason in _NOTHING_MORE:
            raise found
        yield Row("version of API server", *unasked(found))
    else:
        yield of_version("API server", str(found.get("gitVersion", "")), injecting)
    offset = cluster.clock_offset
    yield of_clock(Clock(offset, offset + 1 + took) if cluster.has_clock else None)
    shown = attempt(partial(_certificate, cluster))
    if isinstance(shown, Failure):
        yield Row("certificate", *unasked(shown))
    else:
        yield of_certificate(shown, cluster.now())


def _certificate(cluster: Cluster) -> Mapping[str, Any] | None:
    """Return the server's certificate as our own connection has verified it, {} where it has not, None where there is none."""
    connection = cluster.dial("looking at the certificate")
    try:
        peer = getattr(connection, "getpeercert", None)
        return None if peer is None else (peer() or {})
    finally:
        connection.close()


def of_host(ansible_core: str) -> Iterator[Row]:
    """Give the versions of what runs here."""
    yield of_version("Python", ".".join(map(str, sys.version_info[:3])))
    try:
        yield of_version("kubernetes (client)", version("kubernetes"))
    except PackageNotFoundError:
        yield Row("version of kubernetes (client)", "unknown", "its package has no metadata here")
    yield of_version("ansible-core", ansible_core)
