# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings, summary and report of a copy for sharing. In text that is escaped for Markdown or HTML nothing secret is recognised,
so both are made anew, of findings in which it was replaced before.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import REPORT, SUMMARY
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import shown
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import EXCERPT, html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import markdown
from jinja2 import TemplateError

PAGES = (SUMMARY, REPORT)
# what a document that somebody else made can lack
_NOT_OURS = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


def shared_case(
    text: bytes, redactor: Redactor, name_of: Callable[[bytes], bytes], secrets: Collection[str]
) -> dict[str, Any] | None:
    """The content of findings.json (text) with what it holds replaced; None for what is no such content.

    name_of: path of a file in the case -> its path in the copy; secrets: names of collectors whose facts do not come along.
    """
    try:
        case = json.loads(text)
        facts = {
            label: {name: fact for name, fact in found.items() if name not in secrets}
            for label, found in case["facts"].items()
        }
        shared: dict[str, Any] = redactor.value({**case, "facts": facts})
        for finding, original in zip(shared["findings"], case["findings"], strict=True):
            for piece, was in zip(finding["evidence"], original["evidence"], strict=True):
                piece["path"] = shown(name_of(was["path"].encode("utf-8", "surrogatepass")))
    except _NOT_OURS:
        return None
    return shared


def pages(case: dict[str, Any], beginning: Callable[[str, int], bytes | None]) -> dict[str, str]:
    """The summary and the report of a shared case, by name; {} where it has not what a case has.

    beginning: path as the case has it, number -> so many bytes of that file in the copy, None where nothing of it is to be shown.
    """
    try:
        paths = {piece["path"] for finding in case["findings"] for piece in finding["evidence"]}
        found = {path: beginning(path, EXCERPT + 1) for path in paths}
        excerpts = {path: data for path, data in found.items() if data is not None}
        return {SUMMARY: markdown(case), REPORT: html(case, excerpts)}
    except (*_NOT_OURS, TemplateError):
        return {}
