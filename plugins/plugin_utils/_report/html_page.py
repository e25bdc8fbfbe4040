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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    FINDINGS,
    REPORT,
    SUMMARY,
    CaseFolder,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import rows_of, worst
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Rule
from ansible_collections.incident.distroless.plugins.plugin_utils._report.overview import bars, coverage, trends
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import (
    markdown,
    telling,
    without_secrets,
)
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

MAX_ROWS = 500
MAX_CELL = 400

Row = Mapping[str, Any]

# What makes a row the same one in two pods. Of a fact that is not here nothing can be said to differ.
IDENTITY: dict[str, tuple[str, ...]] = {
    "deleted_files": ("path",),
    "disk_usage": ("point", "fstype"),
    "limits": ("name", "soft", "hard"),
    "lookups": ("asked", "server", "outcome"),
    "mounts": ("point", "fstype", "read_only"),
    "peers": ("host", "port", "outcome"),
    "processes": ("name", "exe", "uid"),
    "sockets": ("protocol", "local_port", "state"),
    "volumes": ("name", "kind", "point"),
}
# The order in which an engineer asks; what is not here comes after, by name.
ORDER = (
    "processes",
    "peers",
    "lookups",
    "tls",
    "sockets",
    "disk_usage",
    "big_files",
    "big_folders",
    "deleted_files",
    "volumes",
    "events",
    "mounts",
    "limits",
)
# numbers of bytes, which people read in larger units
SIZES = ("allocated", "available", "rss", "size", "size_limit", "used")
# seconds since 1970, which people read as a date
TIMES = ("ctime", "mtime")
# of one pod only, and compared with the others side by side
COMPARED = {
    "verdict": "Verdict",
    "node": "Node",
    "target_image": "Image",
    "image_id": "Image id",
    "restart_count": "Restarts",
    "target_started_at": "Started",
    "identity": "Runs as",
    "isolation": "Debugger",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, and what it sorts by: a number as a number. depth: how far it is moved to the right, in a tree."""

    text: str
    sort: str
    is_number: bool
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table. presence says in how many pods it is, "" where it is in all or nothing can be said."""

    cells: tuple[Cell, ...]
    presence: str


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of fact in all targets. columns: each one's heading, and whether it is of numbers; left_out: how many rows are
    not shown."""

    name: str
    title: str
    columns: tuple[tuple[str, bool], ...]
    lines: tuple[Line, ...]
    left_out: int
    has_presence: bool


def tables(facts: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, Mapping[str, int]]) -> list[Table]:
    """Return the tables of a case. facts: label of a target -> its facts; those that are lists of rows become tables. left_out: label of
    a target -> name of a fact -> how many of its rows are not in facts."""
    names = dict.fromkeys(name for found in facts.values() for name in found)
    made = [
        _table(
            name,
            {label: _rows(found.get(name)) for label, found in facts.items()},
            sum(left.get(name, 0) for left in left_out.values()),
        )
        for name in names
    ]
    return sorted((table for table in made if table.lines and table.columns), key=_place)


def _place(table: Table) -> tuple[int, str]:
    return (ORDER.index(table.name) if table.name in ORDER else len(ORDER), table.name)


def _rows(value: Any) -> list[Row]:
    return [row for row in rows_of(value) if isinstance(row, Mapping)]


def _table(name: str, by_target: Mapping[str, Sequence[Row]], left_out: int) -> Table:
    # a column in which nothing stands would only be in the way
    entries = [entry for rows in by_target.values() for row in rows for entry in row.items()]
    filled = {key for key, value in entries if value not in (None, "")}
    keys = [key for key in dict.fromkeys(key for key, _value in entries) if key in filled]
    # a row that one of them seems to have alone can be among those that are not here
    is_compared = name in IDENTITY and len(by_target) > 1 and not left_out
    presence = _presence(IDENTITY.get(name, ()), by_target) if is_compared else {}
    many = len(by_target) > 1
    lines: list[Line] = []
    for label, rows in by_target.items():
        for row, depth in _as_tree(rows) if name == "processes" else ((row, 0) for row in rows):
            cells = [_cell(row.get(key), key, depth if key == "name" else 0) for key in keys]
            where = presence.get(_identity(row, IDENTITY[name]), len(by_target)) if is_compared else len(by_target)
            lines.append(Line(tuple([_cell(label), *cells] if many else cells), _said(where, len(by_target))))
    headings = [*(["pod"] if many else []), *(printable(str(key)).replace("_", " ") for key in keys)]
    shown = lines[:MAX_ROWS]
    return Table(
        name=name,
        title=name.replace("_", " ").capitalize(),
        columns=tuple((heading, _is_numeric(shown, place)) for place, heading in enumerate(headings)),
        lines=tuple(shown),
        left_out=len(lines) - len(shown) + left_out,
        has_presence=is_compared,
    )


def _is_numeric(lines: Sequence[Line], place: int) -> bool:
    return all(line.cells[place].is_number or not line.cells[place].text for line in lines)


def _identity(row: Row, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(row.get(key)) for key in keys)


def _presence(keys: Sequence[str], by_target: Mapping[str, Sequence[Row]]) -> dict[tuple[str, ...], int]:
    """Return in how many targets each row is."""
    found: dict[tuple[str, ...], int] = {}
    for rows in by_target.values():
        for identity in {_identity(row, keys) for row in rows}:
            found[identity] = found.get(identity, 0) + 1
    return found


def _said(where: int, of: int) -> str:
    if where == of:
        return ""
    return "only here" if where == 1 else f"in {where} of {of}"


def _as_tree(rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """Return processes below their parents, with their depth. One whose parent is not seen, or is itself, is a root."""
    pids = {row.get("pid") for row in rows}
    children: dict[Any, list[Row]] = {}
    for row in rows:
        parent = row.get("parent")
        children.setdefault(parent if parent in pids and parent != row.get("pid") else None, []).append(row)
    ordered: list[tuple[Row, int]] = []
    waiting = [(row, 0) for row in reversed(children.get(None, []))]
    while waiting:
        row, depth = waiting.pop()
        ordered.append((row, depth))
        # popped, so that a table that lies about parents ends all the same
        waiting += [(child, depth + 1) for child in reversed(children.pop(row.get("pid"), []))]
    return ordered + [(row, 0) for rows in (rows for key, rows in children.items() if key is not None) for row in rows]


def _cell(value: Any, key: object = "", depth: int = 0) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None:
        text = ""
    elif is_number and key in SIZES and value >= 0:
        text = show_size(int(value))
    elif is_number and key in TIMES:
        text = _date(value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, list | tuple):
        text = ", ".join(_cell(part).text for part in value)
    elif isinstance(value, Mapping):
        text = ", ".join(f"{printable(str(key))} {_cell(part).text}" for key, part in value.items())
    else:
        text = printable(str(value))
    shown = text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]} ..."
    return Cell(shown, str(value) if is_number else shown, is_number, depth)


def _date(seconds: float) -> str:
    """Return RFC 3339 in UTC; a file's time can be any number."""
    try:
        return rfc3339(seconds)
    except (ValueError, OverflowError, OSError):
        return str(seconds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One property of all pods, side by side: values in the targets' order, differing those that are not the most frequent."""

    title: str
    values: tuple[str, ...]
    differing: tuple[bool, ...]


def comparisons(targets: Sequence[Row], verdicts: Mapping[str, str], labels: Sequence[str]) -> list[Comparison]:
    """Return what is the same in all pods and what is not; what is known of none is left out.

    targets: rows of ephemeral_debug; verdicts: label of a target -> verdict.
    """
    rows = [{**target, "verdict": verdicts.get(label, "")} for target, label in zip(targets, labels, strict=True)]
    found = [_comparison(title, [_property(row, key) for row in rows]) for key, title in COMPARED.items()]
    return [row for row in found if any(row.values)]


def _property(row: Row, key: str) -> str:
    if key == "identity":
        identity = row.get("target_identity") or {}
        return f"{identity.get('uid')}:{identity.get('gid')}" if identity else ""
    if key == "isolation":
        return {"same_uid": "same uid: the target could influence it", "other_uid": "another uid"}.get(
            str(row.get(key)), ""
        )
    return _cell(row.get(key)).text


def _comparison(title: str, values: Sequence[str]) -> Comparison:
    usual = max(values, key=list(values).count) if values else ""
    # of two that differ from each other none is the odd one: both are marked
    is_even = len(set(values)) > 1 and list(values).count(usual) == 1
    return Comparison(title, tuple(values), tuple(is_even or value != usual for value in values))


# bytes of a raw file that the page shows, and its lines
EXCERPT = 4096
EXCERPT_LINES = 60
# of what a container said before it ended, lines that stand beside the finding
SAID = 8

VERDICT_SENTENCES = {
    "fail": "Something is wrong.",
    "unknown": "Not everything could be judged.",
    "warn": "Something deserves a look.",
    "pass": "Nothing wrong was found.",
}

_PARTS = Path(__file__).parents[3] / "roles" / "triage" / "files" / "report"


def write_case(folder: CaseFolder, case: Mapping[str, Any], rules: tuple[Rule, ...] = ()) -> dict[str, Any]:
    """Write the content of findings.json (case) into its file, and what people read of it beside that. Return what they read: the same
    without its secrets, which a user's rules tell too. Raises OSError."""
    redactor = telling(rules)
    told = without_secrets(case, redactor)
    folder.write_json(FINDINGS, case)
    folder.write(SUMMARY, markdown(told, str(folder.path)))
    paths = {piece["path"] for finding in case["findings"] for piece in finding["evidence"]}
    beginnings = {path: _readable(folder.beginning(path, EXCERPT + 1)) for path in paths}
    folder.write(REPORT, html(told, {path: redactor.text(data) for path, data in beginnings.items()}))
    return told


def _readable(data: bytes) -> bytes:
    """Return a beginning as a reader sees it: of UTF-16 every second byte is nothing."""
    return data.replace(b"\0", b"") if data.count(0) * 4 > len(data) else data


def html(case: Mapping[str, Any], excerpts: Mapping[str, bytes]) -> str:
    """Return the page. case: the content of findings.json; excerpts: path of a raw file in the case folder -> its first bytes."""
    style, script = _part("report.css"), _part("report.js")
    labels = [f"{row['namespace']}/{row['pod']}/{row['container']}" for row in case["targets"]]
    return _template().render(
        case=case,
        labels=labels,
        first=case["findings"][0] if case["findings"] else None,
        sentence=VERDICT_SENTENCES[case["verdict"]],
        excerpts={path: excerpt(data) for path, data in excerpts.items()},
        bars=bars(case["facts"]),
        trends=trends(case["facts"]),
        coverage=coverage(case, labels),
        said={label: "\n".join(map(printable, lines[-SAID:])) for label, lines in case.get("last_words", {}).items()},
        comparisons=comparisons(case["targets"], _verdicts(case), labels),
        # a case of an earlier version does not know it
        tables=tables(case["facts"], case.get("left_out", {})),
        # the two parts of the page that are ours, and that the policy names
        style=Markup(style),  # noqa: S704 - a file of this collection
        script=Markup(script),  # noqa: S704 - a file of this collection
        policy=_policy(style, script),
    )


def excerpt(data: bytes) -> str:
    """Return the beginning of a raw file as text in which nothing is invisible but spaces, tabs and ends of lines."""
    lines = data[:EXCERPT].decode("utf-8", "backslashreplace").split("\n")
    shown = "\n".join("\t".join(printable(part) for part in line.split("\t")) for line in lines[:EXCERPT_LINES])
    is_cut = len(data) > EXCERPT or len(lines) > EXCERPT_LINES
    return f"{shown}\n..." if is_cut else shown


def _verdicts(case: Mapping[str, Any]) -> dict[str, str]:
    """Return the worst verdict of each target."""
    by_target: dict[str, list[Row]] = {}
    for finding in case["findings"]:
        by_target.setdefault(finding["target"], []).append(finding)
    return {target: worst(found) for target, found in by_target.items()}


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
    """Return a policy that allows no request at all: a page from a mail attachment is opened in any network."""
    sources = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode("ascii") for part in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{sources[0]}'; script-src 'sha256-{sources[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
