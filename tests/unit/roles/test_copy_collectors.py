# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that looks into a copy, run here in a target that is a process of its own, and how what it prints is judged."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.derived import DERIVATIONS, DERIVED
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import analyze, parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.disk import places
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS

CHECKS = Path(__file__).parents[3] / "roles" / "crashloop_triage" / "copy"
COLLECTORS = {entry.name: entry for entry in parse_collectors(read_checks([str(CHECKS / "collectors")]))}
ANALYZERS = parse_analyzers(read_checks([str(CHECKS / "analyzers")]))

Look = Callable[..., Any]


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Look]:
    """Runs a collector in a target whose root is the folder root: `root/bin` is in its PATH, it works in `/`."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    target = subprocess.Popen(["sleep", "60"], cwd="/", env={"PATH": "/usr/lib/none:/bin"})

    def run(name: str, **settings: str) -> Any:
        collector = COLLECTORS[name]
        given = {f"SETTING_{key.upper()}": value for key, value in settings.items()}
        around = {"PATH": os.environ["PATH"], "TARGET_PID": str(target.pid), "TARGET_ROOT": str(root), **given}
        assert collector.command
        done = subprocess.run(["sh", "-c", collector.command], env=around, capture_output=True, check=True)
        assert done.stderr == b""
        return PARSERS[collector.parser](done.stdout)

    yield run
    target.kill()
    target.wait()


def put(folder: Path, name: str, content: bytes, mode: int = 0o755) -> None:
    file = folder / "root" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


def link(folder: Path, name: str, to: str) -> None:
    (folder / "root" / name).symlink_to(to)


def program_for(machine: int, loader: bytes = b"") -> bytes:
    """The beginning of a program of 64 bits with the least significant byte first, with a loader or without."""
    number = 1 if loader else 0
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little")
    header += (1).to_bytes(4, "little") + bytes(8) + (64).to_bytes(8, "little") + bytes(14)
    header += (56).to_bytes(2, "little") + number.to_bytes(2, "little") + bytes(6)
    assert len(header) == 64
    entry = (3).to_bytes(4, "little") + bytes(4) + (120).to_bytes(8, "little") + bytes(16)
    entry += (len(loader) + 1).to_bytes(8, "little") + bytes(16)
    return header + (entry + loader + b"\0" if loader else b"")


def own_machine() -> int:
    header = Path("/proc/self/exe").read_bytes()[:20]
    return int.from_bytes(header[18:20], "little")


def judged(program: dict[str, Any], **copied: Any) -> dict[str, str]:
    """Analyzer -> message, of those that say something about a program."""
    target = {
        "container": "app",
        "target_identity": {"uid": 7, "gid": 7},
        "copied": {"failure": None, "left": None, "why": "", "pod": "c", "node": "n", "program": "x", **copied},
    }
    about = [analyzer for analyzer in ANALYZERS if analyzer.name.startswith("program")]
    found = analyze({"target": target, "program": program}, about, {})
    return {judgement.analyzer: judgement.message for judgement in found}


def test_a_program_that_is_linked_statically_can_be_run(look: Look, tmp_path: Path) -> None:
    put(tmp_path, "app", program_for(own_machine()))
    found = judged(look("program", program="/app"))
    assert found == {"program_fits": "/app is there, its user 7:7 may execute it. Seen whole: program."}


def test_a_name_is_looked_for_in_the_path_and_its_loader_is_looked_at(look: Look, tmp_path: Path) -> None:
    put(tmp_path, "bin/server", program_for(own_machine(), b"/lib/ld.so"))
    found = judged(look("program", program="server"))
    assert found == {"program_interpreter": "/bin/server needs /lib/ld.so, which is not there."}
    put(tmp_path, "lib/ld.so", b"loader")
    found = judged(look("program", program="server"))
    assert found == {
        "program_fits": (
            "/bin/server is there, its user 7:7 may execute it, and so is /lib/ld.so, which it needs. Seen whole: program."
        )
    }


def test_a_link_that_leads_from_the_root_stays_in_the_target(look: Look, tmp_path: Path) -> None:
    put(tmp_path, "opt/real", program_for(own_machine()))
    link(tmp_path, "app", "/opt/../opt/real")
    link(tmp_path, "outside", "/etc/passwd")
    link(tmp_path, "loop", "loop")
    assert look("program", program="/app")["path"] == "/opt/real"
    assert judged(look("program", program="/outside")).keys() == {"program_missing"}
    assert "a link that leads to itself" in judged(look("program", program="/loop"))["program_missing"]


@pytest.mark.parametrize(
    ("name", "content", "mode", "analyzer", "said"),
    [
        ("bin", None, 0, "program_missing", "app is to run /bin, which is no file."),
        ("data", b"", 0o644, "program_not_executable", "do not let its user 7:7 execute it"),
        ("note", b"hello\n", 0o755, "program_format", "/note is neither a program nor a script"),
        ("empty", b"#!\n", 0o755, "program_format", "/empty is neither a program nor a script"),
        ("lost", b"#! /bin/nope -x\n", 0o755, "program_interpreter", "/lost needs /bin/nope, which is not there."),
        ("dos", b"#!/bin/sh\r\n", 0o755, "program_interpreter", "ends with a carriage return"),
        (
            "py",
            b"#!/bin/env python3 -u\n",
            0o755,
            "program_interpreter",
            "needs python3, which is in no folder of its PATH.",
        ),
        ("arm", program_for(40 if own_machine() != 183 else 62), 0o755, "program_architecture", "/arm is built for "),
    ],
)
def test_what_keeps_a_program_from_being_run_is_named(
    look: Look, tmp_path: Path, name: str, content: bytes | None, mode: int, analyzer: str, said: str
) -> None:
    put(tmp_path, "bin/env", program_for(own_machine()))
    put(tmp_path, "bin/sh", program_for(own_machine()))
    if content is not None:
        put(tmp_path, name, content, mode)
    found = judged(look("program", program=f"/{name}"))
    assert found.keys() == {analyzer}
    assert said in found[analyzer]


def test_a_script_s_interpreter_is_followed_to_what_runs_that(look: Look, tmp_path: Path) -> None:
    put(tmp_path, "outer", b"#!/inner\n")
    put(tmp_path, "inner", b"#!/bin/nope\n")
    assert judged(look("program", program="/outer")) == {
        "program_interpreter": "/inner needs /bin/nope, which is not there."
    }


def test_what_is_not_known_before_it_runs_is_not_judged(look: Look) -> None:
    assert judged(look("program", program="")) == {}
    assert judged(look("program", program="$(HOME)/app")) == {}


def test_a_name_with_a_line_break_makes_no_fact_of_its_own(look: Look) -> None:
    found = look("program", program="/nope\nstate there")
    assert (found["state"], found["asked"]) == ("missing", "(a name with a line break)")


def test_places_are_those_of_the_spec_and_the_temporary_one(look: Look, tmp_path: Path) -> None:
    (tmp_path / "root" / "work").mkdir()
    put(tmp_path, "single.conf", b"")
    found = look("places", points="/work\n/single.conf\n/gone")
    assert [(row["role"], row["path"], row["state"]) for row in found] == [
        ("volume", "/work", "there"),
        ("volume", "/gone", "missing"),
        ("temporary directory", "/tmp", "missing"),
    ]


def row(**changes: Any) -> bytes:
    fields = {
        "type": "ext4",
        "ro": 0,
        "may": 1,
        "mode": 755,
        "uid": 0,
        "gid": 0,
        "size": 9,
        "left": 9,
        "n": 9,
        "free": 9,
    }
    return b"volume there _2f77 " + " ".join(str(value) for value in {**fields, **changes}.values()).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        (row(), ""),
        (row(ro=1), "read_only"),
        (row(may=0), "no_permission"),
        (row(left=0), "full"),
        (row(size=0, left=0), ""),
        (row(free=0), "no_inodes"),
        (row(n=0, free=0), ""),
        (b"volume missing _2f77\n", "not_there"),
        (b"work denied _2f77\n", "no_way"),
        (b"temporary unseen _2f77\n", "unseen"),
    ],
)
def test_what_keeps_an_app_from_writing(line: bytes, trouble: str) -> None:
    (place,) = places(line)
    assert (place["path"], place["trouble"]) == ("/w", trouble)


@pytest.mark.parametrize("line", [b"volume there _2f77\n", b"other missing _2f77\n", b"work gone _2f77\n", b"work\n"])
def test_a_line_that_is_no_place_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not understood"):
        places(line)


def writing(*troubles: str, said: tuple[str, ...] = (), **life: Any) -> dict[str, str]:
    """Analyzer -> verdict, of those about places; a place for each trouble, the first one is a volume, others are not."""
    rows = [
        {
            "role": "temporary directory" if number else "volume",
            "path": f"/{number}",
            "trouble": trouble,
            "fstype": "ext4",
        }
        | {"uid": 0, "gid": 0, "mode": "755"}
        for number, trouble in enumerate(troubles)
    ]
    container = {"name": "app", "trouble_age": 0, "exit_code": 3, "end_reason": "Error", "signal": "", **life}
    target = {"target_identity": {"uid": 7, "gid": 7}, "copied": {"failure": None, "left": None}}
    facts = {"places": rows, "container": container, "volumes": [], "last_run": list(said), "target": target}
    facts["may_lack_a_place"] = DERIVATIONS["may_lack_a_place"].of(facts)
    about = [
        entry for entry in ANALYZERS if entry.name in ("cannot_write", "may_not_write", "can_write", "place_unseen")
    ]
    return {found.analyzer: found.verdict for found in analyze(facts, about, {"within_seconds": 3600})}


@pytest.mark.parametrize("said", [(), ("open /0/state: Permission denied",)])
def test_a_closed_volume_of_an_app_that_ended_silently_or_says_so_is_a_failure(said: tuple[str, ...]) -> None:
    assert writing("no_permission", said=said) == {"cannot_write": "fail"}


@pytest.mark.parametrize(
    "life",
    [{"exit_code": 0}, {"signal": "SEGV"}, {"end_reason": "OOMKilled"}, {"trouble_age": None}, {"trouble_age": 9999}],
)
def test_a_closed_volume_is_only_a_warning_where_something_else_ended_the_app(life: dict[str, Any]) -> None:
    assert writing("no_permission", **life) == {"may_not_write": "warn"}
    assert writing("no_permission", said=("cannot parse the config",)) == {"may_not_write": "warn"}


def test_a_closed_temporary_directory_is_only_a_warning() -> None:
    assert writing("", "not_there") == {"may_not_write": "warn"}
    assert writing("", "") == {"can_write": "pass"}
    assert writing("unseen") == {"place_unseen": "unknown"}


def test_the_analyzers_need_only_what_is_collected() -> None:
    of_the_api = parse_collectors(read_checks([str(CHECKS.parent / "collectors")]))
    collected = {entry.name for entry in of_the_api} | COLLECTORS.keys() | DERIVED.keys()
    assert {name for analyzer in ANALYZERS for name in analyzer.needs} <= collected | {"target"}


def test_nothing_is_said_of_a_target_of_which_no_copy_was_made() -> None:
    assert analyze({"target": {"container": "app", "copied": None}, "missing": {}}, ANALYZERS, {}) == []


def test_a_copy_that_failed_is_unknown_and_one_that_stays_is_a_warning() -> None:
    why = {"reason": "QuotaExceeded", "message": "too much", "hint": "Ask."}
    copied = {"failure": why, "left": why, "namespace": "shop", "pod": "c", "expires_at": None}
    found = analyze({"target": {"container": "app", "copied": copied}, "missing": {}}, ANALYZERS, {})
    assert [(judgement.analyzer, judgement.verdict) for judgement in found] == [
        ("copy_failed", "unknown"),
        ("copy_left", "warn"),
    ]
    assert "QuotaExceeded: too much" in found[0].message
