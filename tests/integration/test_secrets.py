# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that are nobody's business: not printed, not logged, not kept by the API server; and short ones mar no result."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import Credentials, Kubectl, Play, facts, pod_manifest
from .test_saying_no import RULES

# one word for each way in, so that a failure names the leak
IN_DEBUGGER, IN_COMMAND, IN_STDIN = "correct-horse-7", "battery-staple-7", "hidden-stdin-7"
# values that stand in every result: in hashes, pids, paths, times and truths
SHORT = {"ONE": "1", "LETTER": "a", "TRUTH": "true", "EMPTY": "", "DATA": "data", "ZERO": "0"}


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


# a /dev of its own whose log is the one given; all else is as it was
OWN_LOG = """
kept=$1/dev log=$2; shift 2
mkdir "$kept" && mount --rbind /dev "$kept" && mount -t tmpfs -o mode=755 tmpfs /dev || exit 99
for entry in "$kept"/*; do
  name=/dev/${entry##*/}
  if [ -L "$entry" ]; then cp -P "$entry" "$name"
  elif [ -d "$entry" ]; then mkdir "$name" && mount --rbind "$entry" "$name"
  elif [ "$name" != /dev/log ]; then : >"$name" && mount --bind "$entry" "$name"; fi
done
rm -f /dev/log && ln -s "$log" /dev/log && exec "$@"
"""


class Syslog:
    """A /dev/log that keeps what it gets, and the beginning of a command that writes to it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._lines: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.within = ["unshare", "--mount", "--", "sh", "-c", OWN_LOG, "sh", str(folder), str(path)]

    def _listen(self) -> None:
        with suppress(OSError):
            while line := self._socket.recv(1 << 20):
                self._lines.append(line)

    def text(self) -> str:
        return b"\n".join(self._lines).decode("utf-8", "replace")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def syslog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Syslog]:
    # a socket's path may have 107 bytes
    made = Syslog(tmp_path_factory.mktemp("log"))
    yield made
    made.close()


@pytest.fixture
def secrets(credentials: Credentials, kubeconfig: dict[str, Any]) -> dict[str, Any]:
    """The options of a user with a kubeconfig in memory, whose token is one of the secrets."""
    oncall = credentials(RULES)
    kubeconfig["users"][0]["user"] = {"token": oncall["api_key"]}
    environment = {"KUBECONFIG": "/dev/null", "K8S_AUTH_KUBECONFIG": ""}
    return {"kubeconfig": kubeconfig, "environment": environment}


def token_of(secrets: dict[str, Any]) -> str:
    token: str = secrets["kubeconfig"]["users"][0]["user"]["token"]
    return token


def audited(since: int) -> str:
    with Path(facts()["AUDIT_LOG"]).open(encoding="utf-8") as log:
        log.seek(since)
        return log.read()


def test_a_debugging_task_tells_nobody(play: Play, app: str, syslog: Syslog, secrets: dict[str, Any]) -> None:
    since = Path(facts()["AUDIT_LOG"]).stat().st_size
    commands = [{"argv": ["cat"], "stdin": IN_STDIN, "env": {"TOKEN": IN_COMMAND}}]
    played = play(
        "ephemeral_debug",
        pod=app,
        env={"PASSWORD": IN_DEBUGGER},
        commands=commands,
        verbosity=4,
        diff=True,
        within=syslog.within,
        **secrets,
    )
    assert played.target["commands"][0]["rc"] == 0, played.printed
    assert "ephemeral_debug: Invoked with" in syslog.text(), "the listener hears what is logged"
    hidden = [IN_DEBUGGER, IN_COMMAND, token_of(secrets)]
    # what the user's own command prints is the user's: cat prints its stdin
    spoken = json.dumps({**played.result, "targets": [{**played.target, "commands": []}]})
    for place, text in (("the log", syslog.text()), ("the result", spoken)):
        assert [word for word in [*hidden, IN_STDIN] if word in text] == [], place
    assert [word for word in hidden if word in played.printed] == []
    # the debugger's own variables stand in its pod, for all who may read it (see test_audit.py)
    assert [word for word in (IN_COMMAND, IN_STDIN, token_of(secrets)) if word in audited(since)] == []


def test_a_fetching_task_tells_nobody(
    play: Play, app: str, syslog: Syslog, secrets: dict[str, Any], tmp_path: Path
) -> None:
    played = play(
        "proc_fs_fetch",
        pod=app,
        src=["/data/app.log"],
        dest=str(tmp_path / "home"),
        debug={"name": "quiet", "env": {"PASSWORD": IN_DEBUGGER}},
        verbosity=4,
        diff=True,
        within=syslog.within,
        **secrets,
    )
    assert played["stats"]["files"] == 1, played.printed
    assert "proc_fs_fetch: Invoked with" in syslog.text()
    manifest = Path(played["manifests"][0]).read_text(encoding="utf-8")
    places = {"log": syslog.text(), "screen": played.printed, "result": json.dumps(played.result), "manifest": manifest}
    for place, text in places.items():
        assert [word for word in (IN_DEBUGGER, token_of(secrets)) if word in text] == [], place


def test_short_values_touch_no_hash_no_path_no_pid_and_no_name(
    kubectl: Kubectl, play: Play, app: str, tmp_path: Path
) -> None:
    truth = kubectl.hashes(app, "/data/app.log", "/data/blob.bin")
    options = {"pod": app, "src": list(truth), "dest": str(tmp_path / "home"), "debug": {"name": "short", "env": SHORT}}
    fetched = play("proc_fs_fetch", **options)
    assert {row["src"]: row["sha256"] for row in fetched["files"]} == truth
    for row in fetched["files"]:
        assert row["dest"] == str(tmp_path / "home" / kubectl.namespace / app / "app" / row["src"].lstrip("/"))
        assert Path(row["dest"]).is_file()
    commands = [{"cmd": "echo $ONE$LETTER$TRUTH 10 data", "env": SHORT, "stdin": "1"}]
    looked = play("ephemeral_debug", pod=app, name="short", env=SHORT, commands=commands, diff=True)
    assert looked.target["reused"] is True
    assert looked.target["commands"][0]["stdout"] == "1atrue 10 data\n"
    pod = kubectl.pod(app)
    found = {
        key: looked.target[key] for key in ("pid", "root", "root_readable", "pod_uid", "namespace", "pod", "image")
    }
    assert found == {
        "pid": 1,
        "root": "/proc/1/root",
        "root_readable": True,
        "pod_uid": pod["metadata"]["uid"],
        "namespace": kubectl.namespace,
        "pod": app,
        "image": "busybox:1.37",
    }
    assert looked.target["container_id"] == pod["status"]["containerStatuses"][0]["containerID"]
    for played in (fetched, looked):
        assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" not in json.dumps(played.result) + played.printed
        assert "****" not in json.dumps(played["targets"])
