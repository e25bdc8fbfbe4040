# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role's own words for a debugger, in a real shell with a network and a clock that the test sets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.isolation import reached
from jinja2 import Environment

ROLE = Path(__file__).parents[5] / "roles" / "quarantine"
REACH = next(row.command for row in parse_collectors(read_checks([str(ROLE / "collectors")])) if row.name == "reach")
PROBES = "10.0.0.1:443 10.0.0.2:53 db.shop:5432"
# whoever is asked for the time finds that four seconds have gone by
CLOCK = 'now=$(($(cat "$CLOCK") + 4)); echo "$now" > "$CLOCK"; echo "$now"'

# waiting a second for another round is skipped; what watches for a time-out does wait
SLEEP = f'[ "$1" = 1 ] || exec {shutil.which("sleep")} "$1"'


def tried(
    folder: Path, seconds: int, network: str, probes: str = PROBES, defaults: str = ""
) -> tuple[list[str], list[str]]:
    """Whom it tried to connect to, in order, and whom it reaches in the end; `network`: what nc does for host $1 and port $2."""
    log, clock = folder / "log", folder / "clock"
    log.touch()
    clock.write_text("1000\n")
    # nc -w 2 HOST PORT -e true
    connect = f'shift 2; echo "$1:$2" >> "$LOG"; {network}'
    for name, words in (("nc", connect), ("date", CLOCK), ("sleep", SLEEP)):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), "CLOCK": str(clock)}
    api = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    given = {**api, "PROBES": probes, "DEFAULTS": defaults, "SECONDS_LEFT": str(seconds)}
    done = subprocess.run(["sh", "-c", str(REACH)], env=own | given, capture_output=True, text=True, check=True)
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


def test_it_tries_the_api_server_and_the_nameservers_beside_those_that_are_given_where_it_is_to(tmp_path: Path) -> None:
    whom, reaches = tried(tmp_path, 0, "[ $1 = 10.96.0.1 ]", "10.0.0.1:443", "yes")
    assert whom[:2] == ["10.0.0.1:443", "10.96.0.1:443"]
    assert {peer.rpartition(":")[2] for peer in whom[2:]} <= {"53"}
    assert reaches == ["10.96.0.1:443"]


def test_it_tries_all_that_are_given(tmp_path: Path) -> None:
    ten = [f"10.0.0.{number}:443" for number in range(10)]
    assert tried(tmp_path, 0, "false", " ".join(ten)) == (ten, [])


PRESENT = yaml.safe_load((ROLE / "tasks" / "present.yml").read_text(encoding="utf-8"))
LOOK = next(task for task in PRESENT if task["name"] == "See from inside whom it reaches")
ENVIRONMENT = LOOK["incident.distroless.ephemeral_debug"]["commands"][1]["env"]


@pytest.mark.parametrize(
    ("when", "before", "probes", "given", "has_defaults"),
    [
        ("before", [], [], [], True),
        ("before", [], ["db:5432"], ["db:5432"], False),
        ("after", ["10.96.0.1:443"], [], ["10.96.0.1:443"], False),
        # a second run, and what it names besides
        ("after", ["10.96.0.1:443"], ["db:5432", "10.96.0.1:443"], ["10.96.0.1:443", "db:5432"], False),
        # the one that was given was down, or the first look failed
        ("after", [], ["db:5432"], ["db:5432"], True),
        ("after", [], [], [], True),
    ],
)
def test_whom_the_role_tries(
    when: str, before: list[str], probes: list[str], given: list[str], *, has_defaults: bool
) -> None:
    given_options = {"options": {"probes": probes}}
    named = {"quarantine_when": when, "quarantine_whom": before, "quarantine_given": given_options}
    said = {
        name: Environment(autoescape=True).from_string(text).render(named)
        for name, text in ENVIRONMENT.items()
        if name != "SECONDS_LEFT"
    }
    assert (said["PROBES"].split(), bool(said["DEFAULTS"])) == (given, has_defaults)
