# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case as one HTML page that needs nothing else: no network, no other file, and no script to be understood.

What comes from a pod is hostile. It reaches the page through Jinja's automatic escaping only, with control characters and
marks of writing direction made visible before; a content security policy lets through this page's own style and script, by
their hashes, and nothing else.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from ansible_collections.incident.distroless.plugins.plugin_utils._report.tables import comparisons, tables
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

# bytes of a raw file that the page shows, and its lines
EXCERPT = 4096
EXCERPT_LINES = 60

VERDICT_SENTENCES = {
    "fail": "Something is wrong.",
    "unknown": "Not everything could be judged.",
    "warn": "Something deserves a look.",
    "pass": "Nothing wrong was found.",
}

_PARTS = Path(__file__).parents[3] / "roles" / "triage" / "files" / "report"


def html(case: Mapping[str, Any], excerpts: Mapping[str, bytes]) -> str:
    """The page. case: the content of findings.json; excerpts: path of a raw file in the case folder -> its first bytes."""
    style, script = _part("report.css"), _part("report.js")
    labels = [f"{row['namespace']}/{row['pod']}/{row['container']}" for row in case["targets"]]
    return _template().render(
        case=case,
        labels=labels,
        first=case["findings"][0] if case["findings"] else None,
        sentence=VERDICT_SENTENCES[case["verdict"]],
        excerpts={path: excerpt(data) for path, data in excerpts.items()},
        comparisons=comparisons(case["targets"], _verdicts(case), labels),
        # a case of an earlier version does not know it
        tables=tables(case["facts"], case.get("left_out", {})),
        # the two parts of the page that are ours, and that the policy names
        style=Markup(style),  # noqa: S704 - a file of this collection
        script=Markup(script),  # noqa: S704 - a file of this collection
        policy=_policy(style, script),
    )


def excerpt(data: bytes) -> str:
    """The beginning of a raw file as text in which nothing is invisible but spaces, tabs and ends of lines."""
    lines = data[:EXCERPT].decode("utf-8", "backslashreplace").split("\n")
    shown = "\n".join("\t".join(printable(part) for part in line.split("\t")) for line in lines[:EXCERPT_LINES])
    is_cut = len(data) > EXCERPT or len(lines) > EXCERPT_LINES
    return f"{shown}\n..." if is_cut else shown


def _verdicts(case: Mapping[str, Any]) -> dict[str, str]:
    """The worst verdict of each target: the findings are sorted, the worst first."""
    found: dict[str, str] = {}
    for finding in case["findings"]:
        found.setdefault(finding["target"], finding["verdict"])
    return found


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_PARTS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = lambda value: printable(str(value))
    environment.filters["anchor"] = lambda value: re.sub(r"[^a-z0-9]+", "-", str(value).lower())
    return environment.get_template("report.html.j2")


@cache
def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """A policy that allows no request at all: a page from a mail attachment is opened in any network."""
    sources = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode("ascii") for part in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{sources[0]}'; script-src 'sha256-{sources[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
