# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's own words for a debugger, in a real shell with a network and a clock that the test sets."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._isolation import reached

ROLE = Path(__file__).parents[4] / "roles" / "quarantine"
REACH = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))["quarantine_reach"]
PROBES = "10.0.0.1:443 10.0.0.2:53 db.shop:5432"
# whoever is asked for the time finds that four seconds have gone by
CLOCK = 'now=$(($(cat "$CLOCK") + 4)); echo "$now" > "$CLOCK"; echo "$now"'


def tried(folder: Path, seconds: int, network: str) -> tuple[list[str], list[str]]:
    """Whom it tried to connect to, in order, and whom it reaches in the end; `network`: what nc does for host $1 and port $2."""
    log, clock = folder / "log", folder / "clock"
    log.touch()
    clock.write_text("1000\n")
    # nc -w 2 HOST PORT -e true
    connect = f'shift 2; echo "$1:$2" >> "$LOG"; {network}'
    for name, words in (("nc", connect), ("date", CLOCK), ("sleep", ":")):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "CLOCK": str(clock)}
    given = {"PROBES": PROBES, "SECONDS_LEFT": str(seconds)}
    done = subprocess.run(["sh", "-c", REACH], env=own | given, capture_output=True, text=True, check=True)
    rows = [{"name": "reach", "rc": 0, "stdout": done.stdout}]
    return log.read_text(encoding="utf-8").split(), reached([{"commands": rows}]) or []


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 1), (3, 1), (10, 3)])
def test_it_tries_again_by_the_clock_as_long_as_someone_is_reached(tmp_path: Path, seconds: int, rounds: int) -> None:
    whom, reaches = tried(tmp_path, seconds, "[ $1 = 10.0.0.1 ]")
    assert whom == PROBES.split() * rounds
    assert reaches == ["10.0.0.1:443"]


def test_it_stops_as_soon_as_nobody_is_reached(tmp_path: Path) -> None:
    # the policy takes effect after the first round
    whom, reaches = tried(tmp_path, 10, '[ "$(grep -c . "$LOG")" -le 3 ]')
    assert whom == PROBES.split() * 2
    assert reaches == []
