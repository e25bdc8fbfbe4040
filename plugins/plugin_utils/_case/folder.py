# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The case folder: its files are read with a bound, and written for their owner only, whole or not at all; and a folder that is
made whole or not at all, in another one beside its place.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COLLECTED = "collected.json"
FINDINGS = "findings.json"
LOCK = ".lock"
REPORT = "report.html"
SUMMARY = "summary.md"
# a collector's output that is larger is kept, and not parsed
MAX_PARSED = 8 * 1024 * 1024
# of YAML: the one in C takes a tenth of the time
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_collected(content: bytes | str) -> dict[str, Any]:
    """Return what collected.json holds. Raises ValueError for what is no JSON.

    What a user gave as text is text: ansible-core before 2.19 makes a value of one that looks like a boolean or a list.
    """
    collected: dict[str, Any] = json.loads(content)
    given = {key: collected.get(key) for key in ("case_id", "examiner", "reason")}
    return {**collected, **{key: str(value) for key, value in given.items() if value is not None}}


class TooLarge(ValueError):
    """A file of a case that is there, and too large to be parsed."""


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """One case's folder. Paths in it are relative, with names that the API server lets through as names only."""

    path: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Waits until nobody else holds this case, makes its folder where it is not there, and holds it. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self, name: str) -> bytes:
        """Return a file of the case. Raises OSError, and TooLarge for one that is too large to be parsed."""
        file = self.path / name
        if file.stat().st_size > MAX_PARSED:
            raise TooLarge(f"it was taken, and is not read here: {name} is larger than {MAX_PARSED} bytes")
        return file.read_bytes()

    def beginning(self, name: str, size: int) -> bytes:
        """Return the first bytes of a file of the case, b"" where it cannot be read."""
        try:
            with (self.path / name).open("rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def write(self, name: str, content: str) -> str:
        """Writes a file and returns its sha256. Raises OSError."""
        return self.write_bytes(name, content.encode("utf-8", "backslashreplace"))

    def write_bytes(self, name: str, data: bytes, *, is_durable: bool = False) -> str:
        """Writes a file and returns its sha256. is_durable: it outlives a loss of power from then on. Raises OSError."""
        target = self.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if is_durable:
                file.flush()
                os.fsync(descriptor)
        partial.replace(target)
        if is_durable:
            _sync_folder(target.parent)
        return hashlib.sha256(data).hexdigest()

    def write_json(self, name: str, value: Any) -> str:
        """Writes a value as JSON and returns the file's sha256. Raises OSError."""
        return self.write(name, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_checks(folders: list[str]) -> dict[str, Any]:
    """Return what the YAML files in folders hold, by path; the folders in their order, the files of each by name.

    Raises OSError for a folder that is not there, and ValueError for a file that is no YAML.
    """
    found: dict[str, Any] = {}
    for folder in folders:
        for path in sorted(entry for entry in Path(folder).iterdir() if entry.suffix in (".yml", ".yaml")):
            try:
                found[str(path)] = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}: {error}") from error
    return found


# what a folder holds that this made, before anything else is in it and until all else is gone; and its lock
_MARK = ".incident-distroless.made-here"


@contextmanager
def made_beside(path: Path) -> Iterator[Path]:
    """Return where to make the folder that is to be path, under path's own name. It is moved there at the end, after what was made beside
    it, such as its archive. Of what fails nothing stays, and what a killed run left is removed by the next one.

    Raises OSError, and ValueError where somebody else's folder, or a run at this moment, is in the way.
    """
    workplace = path.with_name(f".{path.name}.partial")
    descriptor = _entered(workplace)
    try:
        _clear(workplace)
        place = workplace / path.name
        yield place
        # the folder last: once it is there, nothing is missing
        for made in sorted(workplace.iterdir(), key=lambda made: made == place):
            if made.name != _MARK:
                made.rename(path.with_name(made.name))
    finally:
        _clear(workplace)
        (workplace / _MARK).unlink()
        workplace.rmdir()
        os.close(descriptor)


def _entered(workplace: Path) -> int:
    """Makes the workplace, or takes over one that a killed run left; its lock, a descriptor."""
    try:
        workplace.mkdir(mode=0o700)
    except FileExistsError:
        is_ours = workplace.is_dir() and not workplace.is_symlink() and _is_left(workplace)
        if not is_ours:
            raise ValueError(f"{workplace} is in the way, and was not made here: move it away") from None
    descriptor = os.open(workplace / _MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ValueError(f"{workplace} is being filled at this moment by another run") from None
    return descriptor


def _is_left(workplace: Path) -> bool:
    """Return whether a folder has the mark. One that is empty has not got that far."""
    names = {entry.name for entry in workplace.iterdir()}
    return not names or _MARK in names


def _clear(workplace: Path) -> None:
    for entry in workplace.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _MARK:
            entry.unlink()
