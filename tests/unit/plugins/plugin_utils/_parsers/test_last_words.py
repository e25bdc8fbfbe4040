# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call that is wrong is told above the usage, which programs print below it, as these do."""

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.last_words import clean, last_words

GO = """\
flag provided but not defined: -lisen-addr
Usage of /app:
  -config string
    \tpath of the configuration (default "app.yaml")
  -listen-addr string
    \taddress to listen at (default ":8080")
  -timeout duration
    \thow long a request may take (default 10s)
"""
COBRA = """\
Error: unknown flag: --lisen-addr
Usage:
  shop serve [flags]

Flags:
  -h, --help                 help for serve
      --listen-addr string   address to listen at
      --max-retries int      before it gives up

Global Flags:
      --config string   path of the configuration
"""
BUSYBOX = """\
nc: unrecognized option: z
BusyBox v1.37.0 (2025-01-17 18:12:01 UTC) multi-call binary.

Usage: nc [OPTIONS] HOST PORT  - connect

\t-e PROG\tRun PROG after connect (must be last)
\t-l\tListen mode, for inbound connects
\t-p PORT\tLocal port
\t-w SEC\tTimeout for connects and final net reads
"""
ARGPARSE = """\
usage: app.py [-h] [--listen LISTEN]
              [--max-retries N] [--config CONFIG]
              [--timeout SECONDS] [--verbose]
              [--log-format FORMAT]
app.py: error: unrecognized arguments: --lisen=:8080
"""
COUNTED = """\
started
usage: 12 % of the cache
request 1 done
request 2 done
request 3 done
cannot write the checkpoint
"""


@pytest.mark.parametrize(
    ("log", "told"),
    [
        (GO, "flag provided but not defined: -lisen-addr"),
        (COBRA, "Error: unknown flag: --lisen-addr"),
        (BUSYBOX, "nc: unrecognized option: z"),
        (ARGPARSE, "unrecognized arguments: --lisen=:8080"),
        (COUNTED, "cannot write the checkpoint"),
    ],
)
def test_what_is_wrong_with_a_call_is_told_and_not_how_to_call(log: str, told: str) -> None:
    lines = last_words([clean(line) for line in log.splitlines()]).lines
    assert told in " / ".join(lines)
    assert not [line for line in lines if line.startswith(("--max-retries", "-p PORT", "how long"))]


def test_what_it_said_long_before_its_usage_is_not_told() -> None:
    lines = last_words([f"INFO step {number}" for number in range(50)] + GO.splitlines()).lines
    assert lines == ("INFO step 49", "flag provided but not defined: -lisen-addr")


def test_who_calls_it_again_and_again_is_told_as_well() -> None:
    """An init container that waits for a service, by a call that its image does not know."""
    waits = [*BUSYBOX.splitlines(), "waiting for ledger:5432"] * 9
    lines = last_words([clean(line) for line in waits]).lines
    assert lines[0] == "nc: unrecognized option: z"
    assert lines[-1] == "waiting for ledger:5432"
