# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle for sharing: a copy in which what is secret or names somebody is replaced. The original is only read.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import IO, Any

from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import TEMPORARY
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    FINDINGS,
    REPORT,
    SUMMARY,
    CaseFolder,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import chain, rows_of
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import DEFAULT_SUFFIX
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import (
    AFTER,
    BEFORE,
    FETCHED,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import (
    LOG,
    MANIFEST,
    SIGNATURE,
    opened,
    read_folder,
    walk,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS, sums
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import link_rows
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import shown
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Rule, own_rules
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import EXCERPT, html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import markdown
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.file_copy import (
    MAX_DOCUMENT,
    NOT_UNDERSTOOD,
    copied,
)
from jinja2 import TemplateError

_NAME = b"[^/]+"
# of a target; no namespace has a name with an underscore, and files of the pod lie below one that has
_FOLDER = rb"(?!(?:%s)/)%s/%s/%s/" % (f"{BEFORE}|{AFTER}|{FETCHED}".encode(), _NAME, _NAME, _NAME)


def secret_names(collectors: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of those collectors (rows of collected.json) that are secret."""
    return frozenset(row["name"] for row in collectors if row.get("secret"))


def secret_paths(collectors: Iterable[Mapping[str, Any]]) -> re.Pattern[bytes]:
    """Return what matches as a whole the paths in the case folder where secret collectors (rows of collected.json) put what they print,
    whatever the target: raw, parsed, and while it is being written."""
    patterns = [pattern for row in collectors if row.get("secret") for pattern in _patterns(row)]
    # without one, what nothing matches
    return re.compile(b"|".join(dict.fromkeys(patterns)) or b"(?!)")


def _patterns(row: Mapping[str, Any]) -> Iterator[bytes]:
    name = re.escape(row["name"].encode())
    suffix = re.escape(str(row.get("suffix", DEFAULT_SUFFIX)).encode())
    yield _FOLDER + name + rb"\.(?:" + suffix + rb"|json)"
    # as CaseFolder and Partial name them
    yield _FOLDER + rb"\." + name + rb"\.json\.partial"
    yield _FOLDER + TEMPORARY.pattern
    if row.get("file"):
        folder, slash, own = row["file"].encode().rpartition(b"/")
        yield _template(folder + slash) + _template(own)
        yield _template(folder + slash) + TEMPORARY.pattern


def _template(path: bytes) -> bytes:
    """Return the pattern of a path with {namespace}, {pod} and {container} in it."""
    return b"".join(_NAME if part.startswith(b"{") else re.escape(part) for part in re.split(rb"(\{[^{}]*\})", path))


# bytes (limits.h: NAME_MAX, PATH_MAX with the NUL at its end)
_MAX_NAME = 255
_MAX_PATH = 4095
# no program has such folders; what makes, packs and removes them would need a descriptor or a stack frame for each
_MAX_DEPTH = 100


class SharedNames:
    """Each path of a bundle has one path in its copy, and no two have the same.

    above: bytes of the path of the copy itself; reserved: names that stay as they are and that no other file gets.
    """

    def __init__(self, redactor: Redactor, above: int, reserved: Iterable[bytes]) -> None:
        self._redactor = redactor.anew()
        self._room = _MAX_PATH - above - 1
        self._ours = {name: name for name in reserved}
        self._taken = set(self._ours)

    def of(self, name: bytes) -> bytes:
        """Return the path in the copy of a path in the bundle."""
        parts = name.split(b"/")
        if len(parts) > _MAX_DEPTH:
            return self._whole(name)
        before = ours = b""
        for part in parts:
            before, folder = join(before, part), ours
            ours = self._ours.get(before) or self._take(before, folder, self._redactor.text(part), part)
        return ours if len(ours) <= self._room else self._whole(name)

    def link(self, name: bytes, text: bytes) -> bytes:
        """Return the text of a link in the copy, so that it leads to what it led to; name: its path in the bundle."""
        target = normpath(join(dirname(name), text))
        replaced = self._redactor.text(text)
        if not target.startswith((b"/", b"../")) and target != b"..":
            ours = self.of(name)
            place = target if target == b"." else self.of(target)
            if (ours, place, replaced) != (name, target, text):
                replaced = relpath(join(b"/", place), join(b"/", dirname(ours)))
        return replaced if len(replaced) <= _MAX_PATH else self._redactor.mark("name", text)

    def _whole(self, name: bytes) -> bytes:
        # a folder can have a place of its own, and yet be too deep or too long with what is in it
        key = join(b"/", name)
        return self._ours.get(key) or self._take(key, b"", b"", name)

    def _take(self, key: bytes, folder: bytes, wanted: bytes, original: bytes) -> bytes:
        """Takes a place in a folder of the copy: under the name that is wanted, where it is one and free, else under a marker."""
        place = join(folder, wanted)
        if not wanted or len(wanted) > _MAX_NAME or place in self._taken:
            mark = join(folder, self._redactor.mark("name", original))
            numbered = (b"%s-%d" % (mark, number) for number in itertools.count(2))
            place = next(free for free in itertools.chain([mark], numbered) if free not in self._taken)
        self._ours[key] = place
        self._taken.add(place)
        return place


PAGES = (SUMMARY, REPORT)
# what a document that somebody else made can lack
_NOT_OURS = (LookupError, TypeError, ValueError, AttributeError, RecursionError)


def shared_case(
    text: bytes, redactor: Redactor, name_of: Callable[[bytes], bytes], secrets: Collection[str]
) -> dict[str, Any] | None:
    """Return the content of findings.json (text) with what it holds replaced; None for what is no such content.

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
    """Return the summary and the report of a shared case, by name; {} where it has not what a case has.

    beginning: path as the case has it, number -> so many bytes of that file in the copy, None where nothing of it is to be shown.
    """
    try:
        paths = {piece["path"] for finding in case["findings"] for piece in finding["evidence"]}
        found = {path: beginning(path, EXCERPT + 1) for path in paths}
        excerpts = {path: data for path, data in found.items() if data is not None}
        return {SUMMARY: markdown(case), REPORT: html(case, excerpts)}
    except (*_NOT_OURS, TemplateError):
        return {}


REDACTION = "redaction.json"
# they are made anew
_OWN = {name.encode() for name in (LOG, MANIFEST, REDACTION, SIGNATURE, SUMS)}
# they are made of the findings
_PAGES = {name.encode() for name in PAGES}
_FINDINGS = FINDINGS.encode()


@dataclass(slots=True)
class Derived:
    """What was done: a row for each file, and how much was replaced by kind."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    sums_sha256: str = ""

    def add(self, ours: bytes, what: str, replaced: Counter[str]) -> None:
        """Notes a file by its path in the copy."""
        self.rows.append({"path": shown(ours), "replaced": dict(sorted(replaced.items())), "what": what})
        self.counts += replaced


def derive(
    original: Path, copy: Path, salt: bytes, collectors: Sequence[Mapping[str, Any]], rules: tuple[Rule, ...] = ()
) -> Derived:
    """Makes copy, which must not be there, from a sealed bundle, and seals it. collectors: rows of collected.json; what those of
    them printed that are secret does not come along. rules: a user's, beside the collection's own.

    Raises OSError and ValueError.
    """
    redactor = Redactor(salt, (*own_rules(), *rules))
    making = _Making(copy, redactor, SharedNames(redactor, len(os.fsencode(copy)), {*_OWN, *_PAGES, _FINDINGS}))
    secret = secret_paths(collectors)
    findings: bytes | None = None
    pages: list[bytes] = []
    copy.mkdir(mode=0o700)
    for name, entry in walk(original):
        if secret.fullmatch(name):
            making.derived.add(making.names.of(name), "left_out", Counter())
        elif entry.is_symlink():
            making.link(name, os.readlink(entry.path))  # noqa: PTH115 - names are bytes
        elif name in _PAGES:
            pages.append(name)
        elif name == _FINDINGS:
            findings = entry.path
        elif name not in _OWN:
            making.file(name, entry.path)
    case = making.findings(findings, secret_names(collectors)) if findings else None
    making.pages(pages, case)
    _seal(original, copy, making.derived, redactor)
    return making.derived


@dataclass(slots=True)
class _Making:
    """A copy while it is made. texts: path as it is shown -> path in the copy, of files that were understood."""

    copy: Path
    redactor: Redactor
    names: SharedNames
    derived: Derived = field(default_factory=Derived)
    texts: dict[str, bytes] = field(default_factory=dict)

    def link(self, name: bytes, text: bytes) -> None:
        ours = self.names.of(name)
        _place(self.copy, ours).symlink_to(os.fsdecode(self.names.link(name, text)))
        self.derived.add(ours, "link", Counter())

    def file(self, name: bytes, path: bytes) -> None:
        ours, redactor = self.names.of(name), self.redactor.anew()
        with opened(path) as file, _created(_place(self.copy, ours)) as target:
            what = copied(file, target, redactor, is_document=name.endswith((b".json", b".jsonl")))
        if what not in NOT_UNDERSTOOD:
            self.texts[shown(ours)] = ours
        self.derived.add(ours, what, redactor.counts)

    def findings(self, path: bytes, secrets: frozenset[str]) -> dict[str, Any] | None:
        """Adds findings.json; its content, None where it is not understood and was copied as any file."""
        redactor = self.redactor.anew()
        with opened(path) as file:
            is_small = os.fstat(file.fileno()).st_size <= MAX_DOCUMENT
            case = shared_case(file.read(), redactor, self.names.of, secrets) if is_small else None
        if case is None:
            self.file(_FINDINGS, path)
        else:
            CaseFolder(self.copy).write_json(FINDINGS, case)
            self.derived.add(_FINDINGS, "replaced" if redactor.counts else "unchanged", redactor.counts)
        return case

    def pages(self, names: Sequence[bytes], case: dict[str, Any] | None) -> None:
        """Adds those pages that the original has, where a case tells what they say; else they are left out."""
        told = pages(case, self._beginning) if names and case else {}
        for name in names:
            text = told.get(name.decode())
            if text is not None:
                CaseFolder(self.copy).write(name.decode(), text)
            self.derived.add(name, "left_out" if text is None else "made_anew", Counter())

    def _beginning(self, path: str, size: int) -> bytes | None:
        if path not in self.texts:
            return None
        with opened(os.fsencode(self.copy) + b"/" + self.texts[path]) as file:
            return file.read(size)


def _seal(original: Path, copy: Path, derived: Derived, redactor: Redactor) -> None:
    case = CaseFolder(copy)
    log = chain(redactor.value(row) for row in rows_of((original / LOG).read_bytes()))
    case.write_bytes(LOG, log.text)
    about = {"schema": 1, "replaced": dict(sorted(derived.counts.items())), "files": derived.rows}
    case.write_json(REDACTION, about)
    found = read_folder(copy)
    manifest = {
        **redactor.value(json.loads((original / MANIFEST).read_bytes())),
        "derived_from": _sha256(original / SUMS),
        "log": {"lines": log.lines, "last": log.last},
        "links": link_rows(found),
        "sealed": {"files": len(found.files) + 1, "bytes": found.size},
    }
    found.files[MANIFEST.encode()] = case.write_json(MANIFEST, manifest)
    derived.sums_sha256 = case.write_bytes(SUMS, sums(found.files))


def _sha256(path: Path) -> str:
    with opened(os.fsencode(path)) as file:
        return hashlib.sha256(file.read()).hexdigest()


def _place(copy: Path, name: bytes) -> Path:
    place = copy / os.fsdecode(name)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def _created(place: Path) -> IO[bytes]:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb")
