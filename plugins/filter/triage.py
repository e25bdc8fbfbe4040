# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that stand between the tasks of the role triage; each is documented in a file of its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.incident.distroless.plugins.plugin_utils._collect import api_answers as _api_answers
from ansible_collections.incident.distroless.plugins.plugin_utils._collect import collectors as _collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._collect import subjects as _subjects
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS

Rows = Sequence[Mapping[str, Any]]


def debug_commands(collectors: Rows, folder: str, settings: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return collectors as the commands of ephemeral_debug."""
    return _collectors.debug_commands(collectors, folder, settings or {})


def api_requests(collectors: Rows, targets: Rows) -> list[dict[str, Any]]:
    """Return collectors as requests for api_objects."""
    return _collectors.api_requests(collectors, targets)


def known_pods(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pods that a result of ephemeral_debug names."""
    return _subjects.known_pods(found)


def subjects(found: Mapping[str, Any], answers: Rows, container: str, now: str) -> dict[str, list[dict[str, Any]]]:
    """Return the targets of a case that is made of the API's answers."""
    return _subjects.subjects(found, answers, container, now)


def changed_pods(rows: Rows, asked: Rows, found: Mapping[str, Any], looked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return those of rows whose pod is another than when the API was asked."""
    return _subjects.changed_pods(rows, asked, found, looked)


def copies_to_make(targets: Rows, answers: Rows, now: str, salt: str) -> list[dict[str, Any]]:
    """Return the targets of which a copy tells more than the API."""
    return _subjects.copies_to_make(targets, answers, now, salt)


def with_copies(targets: Rows, copies: Rows) -> list[dict[str, Any]]:
    """Return the targets with what was seen in their copies."""
    return _subjects.with_copies(targets, copies)


def with_subjects(targets: Rows, subjects: Rows) -> list[dict[str, Any]]:
    """Return the targets that were looked into, and of the others what the API says of them."""
    return _subjects.with_subjects(targets, subjects)


def log_requests(collectors: Rows, targets: Rows) -> list[dict[str, Any]]:
    """Return collectors as the containers of pod_logs."""
    return _collectors.log_requests(collectors, targets)


def api_answers(results: Rows) -> list[dict[str, Any]]:
    """Return what such requests came to."""
    return _api_answers.api_answers(results)


def parse(output: str, parser: str) -> Any:
    """Return what a command printed, as values."""
    if parser not in PARSERS:
        raise AnsibleFilterError(f"parse: {parser!r} is none of {', '.join(sorted(PARSERS))}.")
    try:
        return PARSERS[parser](output.encode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise AnsibleFilterError(f"parse: {parser}: {error}") from error


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "api_answers": api_answers,
            "api_requests": api_requests,
            "changed_pods": changed_pods,
            "copies_to_make": copies_to_make,
            "debug_commands": debug_commands,
            "known_pods": known_pods,
            "log_requests": log_requests,
            "parse": parse,
            "subjects": subjects,
            "with_copies": with_copies,
            "with_subjects": with_subjects,
        }
