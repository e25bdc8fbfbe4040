# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a row says is what was answered: versions, clocks, certificates, images, refusals, and what they come to for a use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.doc_fragments import cluster as fragment
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._preflight.rows import (
    LONGEST,
    Row,
    of_dry_run,
    table,
    verdicts,
)
from ansible_collections.incident.distroless.plugins.module_utils._preflight.surroundings import (
    CLAIMED,
    Clock,
    of_certificate,
    of_clock,
    of_image,
    of_version,
)

CHECKOUT = Path(__file__).parents[5]


def test_what_is_claimed_of_versions_is_what_the_documentation_says() -> None:
    text = (CHECKOUT / "tests" / "tools" / "pythons.py").read_text(encoding="utf-8")
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    words = " ".join(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["requirements"])
    readme = " ".join((CHECKOUT / "README.md").read_text(encoding="utf-8").split())
    newest = re.search(r"NEWEST_CORE = \{.*\"(3\.\d+)\": \"(2\.\d+)\"\}", text)
    assert newest

    def shown(what: str, end: int) -> str:
        return ".".join(map(str, CLAIMED[what][end]))

    assert runtime["requires_ansible"] == f">={shown('ansible-core', 0)}.0"
    assert f"python >= {shown('Python', 0)} " in f"{words} "
    assert f"kubernetes >= {shown('kubernetes (client)', 0)}.0 " in words
    assert f"ephemeral containers are there from {shown('API server', 0)} on" in readme
    releases = re.search(r"The tests were run with Kubernetes (1\.\d+(?:, 1\.\d+)*(?: and 1\.\d+)?)[;,]", readme)
    assert releases
    named = re.findall(r"1\.\d+", releases[1])
    outcomes = json.loads((CHECKOUT / "tests" / "matrix" / "outcomes.json").read_text(encoding="utf-8"))
    seen = {".".join(cell["versions"]["Kubernetes"].split(".")[:2]) for cell in outcomes.values()}
    assert (named[-1], set(named)) == (shown("API server", 1), seen)
    assert (shown("Python", 1), shown("ansible-core", 1)) == newest.groups()


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ("v1.24.17", "missing"),
        ("v1.25.0", "ok"),
        ("v1.29.3-eks-adc7111", "ok"),
        ("v1.36.3+k3s1", "ok"),
        ("v1.37.0-alpha.1", "unknown"),
        ("v2.0", "unknown"),
        ("", "unknown"),
        ("latest", "unknown"),
        ("v1", "missing"),
    ],
)
def test_a_version_is_inside_older_or_newer_than_what_is_documented(found: str, status: str) -> None:
    row = of_version("API server", found, ("look",))
    assert row.status == status
    # only one that is too old makes a use impossible
    assert row.needed_by == (("look",) if status == "missing" else ())


@pytest.mark.parametrize(
    ("clock", "status"),
    [
        (Clock(-0.9, 0.2), "ok"),
        (Clock(4.0, 4.9), "ok"),
        (Clock(4.5, 5.6), "unknown"),
        (Clock(5.1, 6.2), "missing"),
        (Clock(-3600.0, -3598.9), "missing"),
        # an answer that took a minute tells nothing
        (Clock(-0.5, 60.5), "unknown"),
        (None, "unknown"),
    ],
)
def test_clocks_agree_only_where_the_uncertainty_leaves_no_doubt(clock: Clock | None, status: str) -> None:
    assert of_clock(clock).status == status


def test_a_certificate_is_told_by_what_our_own_connection_verified() -> None:
    now = 1_795_000_000.0
    far, near = {"notAfter": "Nov 27 10:41:49 2036 GMT"}, {"notAfter": "Nov 24 11:06:40 2026 GMT"}
    assert (of_certificate(far, now).status, of_certificate(far, now).next) == ("ok", "")
    assert (of_certificate(near, now).status, bool(of_certificate(near, now).next)) == ("ok", True)
    assert "validate_certs" in of_certificate({}, now).message
    assert [of_certificate(shown, now).status for shown in ({}, None)] == ["unknown", "unknown"]


IMAGES = [
    {"names": ["docker.io/library/busybox@sha256:aa", "docker.io/library/busybox:1.37"]},
    {"names": ["registry.example:5000/tools/debug:2"]},
    {"names": None},
    {},
]


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("busybox:1.37", "ok"),
        ("library/busybox:1.37", "ok"),
        ("docker.io/library/busybox:1.37", "ok"),
        ("busybox@sha256:aa", "ok"),
        ("busybox:1.37@sha256:aa", "ok"),
        ("busybox:1.36", "unknown"),
        ("busybox@sha256:bb", "unknown"),
        ("registry.example:5000/tools/debug:2", "ok"),
        ("tools/debug:2", "unknown"),
        # pulled each time
        ("busybox", "unknown"),
        ("busybox:latest", "unknown"),
    ],
)
def test_an_image_that_is_not_in_the_list_is_not_known_to_be_missing(image: str, status: str) -> None:
    assert of_image(image, "node-1", IMAGES)[0] == status


def test_a_list_that_is_cut_says_so() -> None:
    assert "cut at 50" in of_image("none:1", "node-1", [{"names": [f"a:{n}"]} for n in range(50)])[1]
    assert "cut" not in of_image("none:1", "node-1", IMAGES)[1]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Failure("PodSecurityDenied", "violates"), "denied"),
        (Failure("AdmissionDenied", "no"), "denied"),
        (Failure("QuotaExceeded", "full"), "denied"),
        (Failure("StaticPod", "mirror"), "denied"),
        (Failure("InvalidRequest", 'asked: admission webhook "w.example" does not support dry run'), "unknown"),
        (Failure("RbacDenied", "cannot patch"), "unknown"),
        (Failure("TargetNotRunning", "waits"), "unknown"),
        (Failure("ApiUnreachable", "no answer"), "unknown"),
        (Failure("ApiUnsupported", "no such resource"), "missing"),
    ],
    ids=lambda value: value.reason if isinstance(value, Failure) else value,
)
def test_what_was_refused_is_told_from_what_could_not_be_asked(failure: Failure, status: str) -> None:
    found, message, hint = of_dry_run(failure)
    assert found == status
    assert failure.message in message
    assert hint


def test_a_use_is_as_possible_as_the_worst_of_what_it_needs_in_its_namespace() -> None:
    rows = [
        Row("permissions", "ok", "", namespace="shop", use="look", needed_by=("look",)),
        Row("permissions", "ok", "", namespace="billing", use="look", needed_by=("look",)),
        Row("profile auto", "denied", "", namespace="billing", needed_by=("look",)),
        Row("profile sysadmin", "denied", "", namespace="shop"),
        Row("profile auto", "unknown", "", namespace="shop", needed_by=("look", "fetch")),
        Row("version of API server", "ok", "", needed_by=("look", "fetch")),
    ]
    assert verdicts(rows, ["shop", "billing"], ["look", "fetch", "copy"]) == [
        {"namespace": "shop", "use": "look", "status": "unknown", "because": "profile auto"},
        {"namespace": "shop", "use": "fetch", "status": "unknown", "because": "profile auto"},
        # nothing was found out
        {"namespace": "shop", "use": "copy", "status": "unknown", "because": ""},
        {"namespace": "billing", "use": "look", "status": "denied", "because": "profile auto"},
        {"namespace": "billing", "use": "fetch", "status": "ok", "because": ""},
        {"namespace": "billing", "use": "copy", "status": "unknown", "because": ""},
    ]


def test_what_others_say_is_one_printable_line_of_bounded_length() -> None:
    hostile = "\x1b[2J\u202etxt\r\n" + "x" * 10_000
    row = Row("profile auto", "denied", hostile, hostile, "shop").as_result()
    (_first, second) = table([row], [])
    for text in (row["message"], row["next"], second):
        assert text.isprintable()
        assert len(text) < LONGEST + 50
