# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tutorial's own files and commands, word for word, and what they print beside what it says."""

from __future__ import annotations

import re
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.unit.support.examples import blocks, sessions

from .conftest import CHECKOUT, as_user
from .patience import PATIENCE

PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "tutorial.rst"
# the tests' cluster pulls from no registry; this image has no shell either
STANDS_FOR = {"registry.k8s.io/pause:3.10": "incident.test/app:nonroot"}
INSTALLING = "ansible-galaxy collection install"


def matching(said: list[str]) -> re.Pattern[str]:
    """What was printed as a pattern: a line of three dots stands for any lines, and three dots in one for anything in it."""
    lines = [
        r"(?:.*\n)*?" if line.strip() == "..." else f"{'.*'.join(map(re.escape, line.split('...')))}\n" for line in said
    ]
    return re.compile("".join(lines))


def typed(command: str, folder: Path) -> str:
    """What a shell prints for a command, both streams."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=as_user() | {"ANSIBLE_NOCOLOR": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    # one command shows that there is no shell, by failing
    assert done.returncode == 0 or command.startswith("kubectl exec"), f"{command}\n{done.stdout}"
    return done.stdout


@pytest.mark.bulk
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    namespace = f"test-{uuid.uuid4().hex[:8]}"

    def here(text: str) -> str:
        for image, other in STANDS_FOR.items():
            text = text.replace(image, other)
        return re.sub(r"\bshop\b", namespace, text)

    for text in blocks(PAGE, "yaml"):
        name = text.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(here(text), encoding="utf-8")
    consoles = [text for text in blocks(PAGE, "console") if INSTALLING not in text]
    assert len(consoles) > 4
    other: list[str] = []
    try:
        for command, said in [session for text in consoles for session in sessions(here(text))]:
            printed = typed(command, tmp_path)
            printed += "" if printed.endswith("\n") or not printed else "\n"
            if not matching(said).fullmatch(printed):
                other.append(f"$ {command}\n{printed}")
    finally:
        typed(f"kubectl delete namespace {namespace} --ignore-not-found --wait=false", tmp_path)
    assert other == [], "\n".join(other)
