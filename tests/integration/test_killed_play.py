# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play that takes evidence and is killed: its log stands as far as it came, and what was taken is sealed later."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.support.schemas import differences, schema, undescribed

from .cases import Case, command_line, run_playbook
from .conftest import Kubectl, Play, pod_manifest
from .patience import PATIENCE

SEAL = ("--tags", "judge,seal,report")
# what is waited for comes within seconds, also on a busy machine within this


@pytest.fixture
def pod(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    name: str = request.param
    kubectl.apply(pod_manifest(name, "incident.test/app:nonroot"))
    kubectl.wait_until_running(name)
    return name


def end_at_once(mark: str) -> None:
    """Kills the play, its workers and its modules, as the loss of their host does: by what they have in their environment."""
    found = True
    while found:
        found = False
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
                    found = True


def killed(folder: Path, is_there: Callable[[], bool], **variables: Any) -> Case:
    """The case of a play that is killed as soon as something is there."""
    mark = uuid.uuid4().hex
    words, around = command_line("evidence_bundle", folder, variables)
    output = folder / "output"
    with (
        output.open("wb") as sink,
        subprocess.Popen(
            words, env={**around, "MARK": mark}, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        ) as play,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while not is_there():
                printed = output.read_text(encoding="utf-8", errors="replace")
                assert play.poll() is None, printed
                assert time.monotonic() < end, printed
                time.sleep(0.05)
        finally:
            end_at_once(mark)
    assert play.returncode == -signal.SIGKILL
    return Case(play.returncode, output.read_text(encoding="utf-8", errors="replace"), folder / "case")


def rows_of(case: Case) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (case.folder / "acquisition.jsonl").read_text(encoding="utf-8").splitlines()]


def verify(case: Case, **variables: Any) -> Case:
    return run_playbook("evidence_verify", case.folder.parent, {"path": str(case.folder), **variables})


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])


@pytest.mark.bulk
@pytest.mark.parametrize("pod", ["collected"], indirect=True)
def test_the_log_of_a_play_that_was_killed_stands_and_is_sealed_only_where_nothing_was_changed_since(
    kubectl: Kubectl, pod: str, tmp_path: Path
) -> None:
    checks = tmp_path / "checks"
    checks.mkdir()
    hang = {"name": "hang", "volatility": 99, "command": 'touch "$TARGET_ROOT/data/here"; sleep 3600', "timeout": 3600}
    (checks / "hang.yml").write_text(yaml.safe_dump({"collectors": [hang]}), encoding="utf-8")
    given = {"namespace": kubectl.namespace, "pod": pod, "examiner": "me", "reason": "drill", "env_values": True}

    def is_collecting() -> bool:
        words = [kubectl.program, "--namespace", kubectl.namespace, "exec", pod, "--", "/app", "sha256", "/data/here"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    case = killed(tmp_path, is_collecting, collectors=[str(checks)], **given)
    # what was known when the collector began is there, and holds together
    rows = rows_of(case)
    assert [row["action"] for row in rows] == ["open", "identify", *["ask"] * (len(rows) - 2)]
    assert (rows[0]["examiner"], rows[0]["reason"]) == ("me", "drill")
    kept = [row for row in rows[2:] if row["path"] is not None]
    assert {Path(row["path"]).name for row in kept} >= {"pod.json", "app.log"}
    for row in kept:
        assert hashlib.sha256((case.folder / row["path"]).read_bytes()).hexdigest() == row["sha256"]
    looked = verify(case)
    assert looked.status == 2
    assert (
        f"1 problems; first: SHA256SUMS: It is not there: this is no sealed bundle. Its log has {len(rows)} lines so far."
        in looked.printed
    )
    # a copy in which a file is another one since, and one in which a line of the log is
    for name, path, said in (
        ("file", f"api_before/{kubectl.namespace}/{pod}/pod.json", "pod.json: Its sha256 is"),
        ("line", "acquisition.jsonl", f"line {len(rows)} of the log says something else"),
    ):
        shutil.copytree(case.folder, tmp_path / name / "case")
        flip(tmp_path / name / "case" / path)
        refused = run_playbook("evidence_bundle", tmp_path / name, given, *SEAL)
        assert refused.status == 2, refused.printed
        assert "cannot be sealed" in refused.printed
        assert said in refused.printed
        assert not (tmp_path / name / "case" / "SHA256SUMS").exists()
    # and the case itself; its copy for sharing has no value of a variable, though its record names no target
    sealed = run_playbook("evidence_bundle", tmp_path, {**given, "redact": True}, *SEAL)
    assert sealed.status == 0, sealed.printed
    manifest = json.loads((case.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["is_complete"], manifest["ended"], manifest["targets"]) == (False, None, [])
    assert [row["what"] for row in manifest["changes"]] == ["unfinished"]
    assert rows_of(case) == rows
    assert verify(case).status == 0
    (kept_values,) = case.folder.rglob("environment_values.txt")
    values = [value for line in kept_values.read_bytes().splitlines() if (value := line.split(b"_")[1])]
    assert values
    copy = case.folder.with_name("case.redacted")
    assert (copy / "redaction.json").is_file()
    assert not [
        path for path in copy.rglob("*") if path.is_file() and any(value in path.read_bytes() for value in values)
    ]
    left_out = [
        row["path"] for row in json.loads((copy / "redaction.json").read_bytes())["files"] if row["what"] == "left_out"
    ]
    assert str(kept_values.relative_to(case.folder)) in left_out
    assert verify(Case(0, "", copy)).status == 0


@pytest.mark.bulk
@pytest.mark.parametrize("pod", ["asked"], indirect=True)
def test_a_play_that_is_killed_while_it_asks_the_api_leaves_a_case_that_can_be_sealed(
    kubectl: Kubectl, pod: str, tmp_path: Path
) -> None:
    given = {"namespace": kubectl.namespace, "pod": pod, "examiner": "me"}
    kept = tmp_path / "case" / "api_before" / kubectl.namespace / pod / "pod.json"
    case = killed(tmp_path, kept.is_file, **given)
    first = rows_of(case)[0]
    assert (first["action"], first["examiner"]) == ("open", "me")
    sealed = run_playbook("evidence_bundle", tmp_path, given, *SEAL)
    assert sealed.status == 0, sealed.printed
    assert json.loads((case.folder / "manifest.json").read_text(encoding="utf-8"))["is_complete"] is False
    assert f"api_before/{kubectl.namespace}/{pod}/pod.json" in (case.folder / "SHA256SUMS").read_text(encoding="utf-8")
    assert verify(case).status == 0


@pytest.mark.bulk
@pytest.mark.parametrize("pod", ["fetched"], indirect=True)
def test_a_case_that_was_cut_off_is_not_taken_again_and_is_finished_by_its_playbook(
    kubectl: Kubectl, call: Play, pod: str, tmp_path: Path
) -> None:
    # a file that is longer under way than the test takes to see that it is
    call("ephemeral_debug", pod=pod, commands=['truncate -s 4G "$TARGET_ROOT/data/large"'])
    given = {"namespace": kubectl.namespace, "pod": pod, "files": ["/data/large"]}
    log = tmp_path / "case" / "acquisition.jsonl"

    def is_fetching() -> bool:
        return (tmp_path / "case" / "fetched_files" / kubectl.namespace).exists()

    case = killed(tmp_path, is_fetching, **given)
    standing = log.read_bytes()
    rows = rows_of(case)
    assert {row["action"] for row in rows} == {"open", "identify", "ask", "reuse", "run"}
    assert {"clock", "processes", "maps"} <= {row.get("collector") for row in rows}
    begun = json.loads((case.folder / "fetched_files" / "fetch.json").read_text(encoding="utf-8"))
    assert [*differences(begun, schema("fetch")), *undescribed(begun, schema("fetch"))] == []
    assert begun["start"] is not None
    assert begun["end"] is None

    again = run_playbook("evidence_bundle", tmp_path, given)
    assert again.status == 2
    assert "--tags judge,seal,report" in again.printed
    assert log.read_bytes() == standing

    sealed = run_playbook("evidence_bundle", tmp_path, given, *SEAL)
    assert sealed.status == 0, sealed.printed
    assert "The acquisition did not end" in sealed.printed
    assert log.read_bytes().startswith(standing)
    manifest = json.loads((case.folder / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["is_complete"], manifest["ended"]) == (False, None)
    assert {"unfinished", "pod_spec", "processes"} <= {row["what"] for row in manifest["changes"]}
    # what the collectors printed is judged, and what was not done is no verdict
    assert sealed.verdict == "unknown"
    assert "cut off" in sealed.finding("ended")["message"]
    assert sealed.finding("deleted_executable")["verdict"] == "pass"
    assert "and cut off" in (case.folder / "report.html").read_text(encoding="utf-8")
    seal = hashlib.sha256((case.folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert verify(case, sums_sha256=seal).status == 0
    assert [path.name.partition(".tar")[0] for path in tmp_path.glob("case.tar.*")] == ["case"]
    # it is sealed now, whatever comes
    assert run_playbook("evidence_bundle", tmp_path, given, *SEAL).status == 2
