# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a case belongs to: one look of one role, or one look each of several roles, which have a folder each then. A record in the case
says so, written under its lock before anything else is. Whoever writes into a case asks here first.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import RECORD, SEAL
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    COLLECTED,
    FINDINGS,
    LOCK,
    CaseFolder,
)

SCHEMA = 1
QUARANTINE_LOG = "quarantine.jsonl"
_QUARANTINE = "quarantine"
# it is the name of a folder too
_ROLE = re.compile("[a-z][a-z0-9_]*")
# what of a look says that no play works on it: its role's last file
_LAST = {_QUARANTINE: QUARANTINE_LOG, "evidence_bundle": SEAL}


@dataclass(frozen=True, slots=True)
class Look:
    """A role's look, and the name of its folder in the case; "" is the case's own."""

    role: str
    folder: str


@dataclass(frozen=True, slots=True)
class Looks:
    """Those of a case. others: names of what was in its folder before the first one, which stays where it is."""

    looks: tuple[Look, ...] = ()
    others: tuple[str, ...] = ()

    def of(self, role: str) -> Look | None:
        """Return the look of a role."""
        return next((look for look in self.looks if look.role == role), None)

    @property
    def roles(self) -> str:
        """The roles, in words."""
        return " and ".join(look.role for look in self.looks)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a role asks for. case_id: "" for its own name and the time; adds: into a case of other roles too; continues: its own look goes
    on, as the undo of a quarantine does."""

    role: str
    case_id: str = ""
    adds: bool = False
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A case that was opened: its name, its folder, and the folder in it that the role writes into, which may be the same."""

    case_id: str
    case: Path
    folder: Path


def folder_for(case: Path, known: Looks, opening: Opening) -> str:
    """Return the name of the folder that a role gets in a case. Raises Failure CaseConflict where the case is not for it."""
    role, own = opening.role, known.of(opening.role)
    if own and opening.continues:
        return own.folder
    if own:
        raise Failure(
            "CaseConflict",
            f"{case} holds a look of {role} already.",
            f"Choose another {role}_case_id. What is there is judged again by --tags judge,report, a bundle sealed by --tags judge,seal,report.",
        )
    if known.looks and not opening.adds:
        raise Failure(
            "CaseConflict",
            f"{case} is the case of {known.roles}.",
            f"Choose another {role}_case_id, or set {role}_add_to_case: true.",
        )
    return role if opening.adds else ""


def open_case(cases: Path, opening: Opening, now: dt.datetime, *, writes: bool) -> Opened:
    """Return the case below the folder cases that is the role's from now on, with its folders; two that ask at once get one after the other.

    writes: false says only what would come of it. Raises Failure CaseSealed, CaseConflict and InvalidRequest, and OSError.
    """
    if opening.case_id in (".", "..") or "/" in opening.case_id:
        raise Failure("InvalidRequest", f"case_id: expected the name of one folder, got {opening.case_id!r}.")
    if opening.case_id:
        return _enter(cases / opening.case_id, opening, writes=writes)
    wanted = f"{opening.role}-{now:%Y%m%dT%H%M%SZ}"
    for number in count(1):
        case = cases / (wanted if number == 1 else f"{wanted}-{number}")
        if writes:
            cases.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                case.mkdir(mode=0o700)
            except FileExistsError:
                continue
        elif case.exists():
            continue
        return _enter(case, opening, writes=writes)
    raise AssertionError


def _enter(case: Path, opening: Opening, *, writes: bool) -> Opened:
    refuse_sealed(case)
    if not writes:
        return Opened(case.name, case, case / folder_for(case, read_looks(case), opening))
    with CaseFolder(case).locked():
        refuse_sealed(case)
        known = read_looks(case)
        folder = case / folder_for(case, known, opening)
        refuse_sealed(folder)
        if known.looks and not known.of(opening.role):
            known = _apart(case, known)
        _note(case, opening.role, folder, known)
        folder.mkdir(mode=0o700, exist_ok=True)
    return Opened(case.name, case, folder)


def _note(case: Path, role: str, folder: Path, known: Looks) -> None:
    """Write that a role has a folder of a case, which is held. Raises OSError."""
    if known.of(role) and (case / RECORD).exists():
        return
    looks = known.looks if known.of(role) else (*known.looks, Look(role, "" if folder == case else folder.name))
    _write(case, Looks(looks, known.others if known.looks else tuple(_names(case))))


def _write(case: Path, known: Looks) -> None:
    looks = [{"role": look.role, "folder": look.folder} for look in known.looks]
    text = json.dumps({"schema": SCHEMA, "looks": looks, "others": list(known.others)}, indent=1)
    CaseFolder(case).write_bytes(RECORD, text.encode() + b"\n", is_durable=True)


def _names(case: Path) -> list[str]:
    return sorted(entry.name for entry in case.iterdir() if entry.name not in (LOCK, RECORD))


def _apart(case: Path, known: Looks) -> Looks:
    """Move the look that has the case's own folder into one of its own. A run that was killed meanwhile is gone on with.

    Raises Failure CaseConflict where a play may still work on it, and OSError.
    """
    first = next((look for look in known.looks if not look.folder), None)
    if first is None:
        return known
    last = _LAST.get(first.role, FINDINGS)
    if not _has_ended(case / first.role / last) and not _has_ended(case / last):
        raise Failure(
            "CaseConflict",
            f"{case} is where {first.role} still looks, or looked until it was cut off.",
            f"Wait until it has ended, or judge what is there by --tags judge,report; or set {first.role}_add_to_case: true from the beginning.",
        )
    place = case / first.role
    place.mkdir(mode=0o700, exist_ok=True)
    # the last file last: until then what is there is what has ended
    stay = {first.role, *known.others}
    for name in sorted((name for name in _names(case) if name not in stay), key=lambda name: name == last):
        (case / name).rename(place / name)
    apart = Looks(tuple(Look(look.role, look.folder or look.role) for look in known.looks), known.others)
    _write(case, apart)
    return apart


def _has_ended(file: Path) -> bool:
    if file.name != QUARANTINE_LOG:
        return file.is_file()
    lines = file.read_bytes().splitlines() if file.is_file() else []
    return bool(lines) and json.loads(lines[-1]).get("action") in ("judged", "end")


def look_again(case: Path, role: str) -> Path:
    """Return the folder of a role's look in a case, to be judged or sealed again; the case's own where nothing is known.

    Raises Failure CaseSealed, and CaseConflict where it is the case of others.
    """
    refuse_sealed(case)
    known = read_looks(case)
    if own := known.of(role):
        refuse_sealed(case / own.folder)
        return case / own.folder
    if known.looks:
        raise Failure(
            "CaseConflict", f"{case} is the case of {known.roles}, and holds no look of {role}.", "Name another case."
        )
    return case


def refuse_writer(folder: Path, role: str) -> None:
    """Raise Failure CaseSealed or CaseConflict where a folder, a case's or one in it, is not for a role to write into."""
    refuse_sealed(folder)
    known = read_looks(folder)
    if is_added(folder):
        refuse_sealed(folder.parent)
        known = Looks((Look(folder.name, folder.name),))
    elif any(look.folder for look in known.looks):
        raise Failure("CaseConflict", f"In {folder} each role has a folder of its own.", f"Name {folder / role}.")
    if known.looks and not known.of(role):
        raise Failure("CaseConflict", f"{folder} is the case of {known.roles}.", f"Name another one for {role}.")


@contextmanager
def held_by(folder: Path, role: str) -> Iterator[CaseFolder]:
    """Hold a folder that a role writes into, and note that the case is the role's where it is nobody's.

    Raises Failure as refuse_writer does, and OSError.
    """
    refuse_writer(folder, role)
    with CaseFolder(folder).locked():
        refuse_writer(folder, role)
        if not is_added(folder):
            _note(folder, role, folder, read_looks(folder))
        yield CaseFolder(folder)


def is_added(folder: Path) -> bool:
    """Return whether a folder is one look's, in a case in which each has one."""
    try:
        return folder.name in {look.folder for look in read_looks(folder.parent).looks}
    except Failure:
        # somebody else's file of that name, beside cases
        return False


def refuse_sealed(folder: Path) -> None:
    """Raise Failure CaseSealed for a folder that is sealed."""
    if (folder / SEAL).exists():
        raise Failure("CaseSealed", f"{folder} is sealed, and a sealed bundle is never changed.")


def read_looks(case: Path) -> Looks:
    """Return the looks of a case, of one that has no record by what else is in it. Raises Failure CaseConflict for a record of others."""
    try:
        record = json.loads((case / RECORD).read_bytes())
        return Looks(_looks(record["looks"]), tuple(map(str, record["others"])))
    except (FileNotFoundError, NotADirectoryError):
        return Looks(_of_files(case))
    except (ValueError, TypeError, LookupError, RecursionError):
        raise Failure(
            "CaseConflict", f"{case / RECORD} is not understood, so that it is not known whom the case belongs to."
        ) from None


def _looks(rows: Sequence[dict[str, Any]]) -> tuple[Look, ...]:
    looks = tuple(Look(str(row["role"]), str(row["folder"])) for row in rows)
    if any(look.folder not in ("", look.role) or not _ROLE.fullmatch(look.role) for look in looks):
        raise ValueError("a folder that no role has")
    return looks


def _of_files(case: Path) -> tuple[Look, ...]:
    if (case / QUARANTINE_LOG).is_file():
        return (Look(_QUARANTINE, ""),)
    for name in (COLLECTED, FINDINGS):
        try:
            return _looks([{"role": json.loads(CaseFolder(case).read(name))["role"], "folder": ""}])
        except (OSError, ValueError, TypeError, LookupError):
            continue
    return ()
