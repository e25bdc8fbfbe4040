# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step's commands: run with their output kept in a file, shown only when one of them fails."""

from __future__ import annotations

import os
from pathlib import Path

from .processes import wait
from .say import Stop


class StepFailed(Stop):
    """A command of a step failed, or said what it must not say."""


class Log:
    """Runs commands one after the other and keeps what they print in the file `path`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        self.path = path

    def run(self, *command: Path | str, cwd: Path, **variables: str) -> str:
        """Run one command in `cwd` with `variables` added to the environment; returns what it printed, StepFailed at a non-zero end."""
        words = [str(word) for word in command]
        with self.path.open("ab") as file:
            file.write(f"$ {' '.join(words)}\n".encode())
            file.flush()
            begin = file.tell()
            status = wait(words, cwd=cwd, env=os.environ | variables, output=file)
        printed = self.path.read_bytes()[begin:].decode(errors="replace")
        if status:
            raise StepFailed(f"`{Path(words[0]).name} {' '.join(words[1:])}` ended with status {status}")
        return printed

    def failure(self, *command: Path | str, cwd: Path, **variables: str) -> str | None:
        """The same for one of several commands of which all shall run: returns how it failed, None when it passed."""
        try:
            self.run(*command, cwd=cwd, **variables)
        except StepFailed as failure:
            return str(failure)
        return None
