# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in the pages for users: blocks of code by their language, and the commands in those of a console."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
IN_RST = r"^(?P<margin> *)\.\. code-block:: {language}\n\n(?P<text>(?:(?P=margin)    .*\n|\s*\n)+)"
IN_MARKDOWN = r"^(?P<margin> *)```{language}\n(?P<text>.*?)^ *```$"


def pages() -> list[Path]:
    """Return the pages of the documentation, the README and those of the roles."""
    rst = (CHECKOUT / "docs" / "docsite" / "rst").glob("*.rst")
    return sorted([*rst, CHECKOUT / "README.md", *(CHECKOUT / "roles").glob("*/README.md")])


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of one language, without their margin."""
    form = IN_RST if page.suffix == ".rst" else IN_MARKDOWN
    flags = re.MULTILINE if page.suffix == ".rst" else re.MULTILINE | re.DOTALL
    found = re.finditer(form.format(language=language), page.read_text(encoding="utf-8") + "\n", flags=flags)
    return [textwrap.dedent(match["text"]).strip("\n") + "\n" for match in found]


def commands(page: Path) -> list[str]:
    """Return what is typed in the blocks of a console, lines that are continued as one."""
    return [command for block in blocks(page, "console") for command, _printed in sessions(block)]


def sessions(block: str) -> list[tuple[str, list[str]]]:
    """Return each command of a console's block with the lines that it printed."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if found and not found[-1][1] and _goes_on(found[-1][0]):
            found[-1] = (f"{found[-1][0].removesuffix(chr(92))}{line.strip()}", [])
        elif line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def _goes_on(command: str) -> bool:
    """Return whether a shell would ask for another line."""
    try:
        shlex.split(command, comments=True)
    except ValueError:  # a quote that is not closed, or a backslash at the end
        return True
    return False
