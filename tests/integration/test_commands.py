# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands on the real cluster: what goes in, what comes home, and what a lost connection leaves."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import Kubectl, Play, facts, pod_manifest

# of this run alone: the audit log keeps what others have put into a pod's spec
SECRET = f"hunter2-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def test_stdin_reaches_the_command_and_nobody_else(play: Play, app: str) -> None:
    played = play(
        "ephemeral_debug",
        pod=app,
        commands=[
            {"argv": ["sha256sum"], "stdin": f"{SECRET}\n'%s'\\0101\tünï"},
            {"argv": ["sh"], "stdin": "tr '\\0' ' ' </proc/$$/cmdline"},
            "cat; echo empty",
        ],
        verbosity=4,
        diff=True,
    )
    hashed, script, without = played.target["commands"]
    assert hashed["stdout"].split()[0] == hashlib.sha256(f"{SECRET}\n'%s'\\0101\tünï".encode()).hexdigest()
    assert script["stdout"].strip() == "sh"
    assert without["stdout"] == "empty\n"
    assert SECRET not in played.printed
    assert SECRET not in str(played.result)
    assert SECRET.encode() not in Path(facts()["AUDIT_LOG"]).read_bytes()


def test_the_largest_stdin_passes_and_a_larger_one_is_refused(call: Play, app: str) -> None:
    data = ("a line of text\n" * (1 << 17))[: 1 << 20]
    played = call(
        "ephemeral_debug", pod=app, commands=[{"argv": ["sha256sum"], "stdin": data}, {"cmd": "true", "stdin": data}]
    )
    assert [command["rc"] for command in played.target["commands"]] == [0, 0]
    assert played.target["commands"][0]["stdout"].split()[0] == hashlib.sha256(data.encode()).hexdigest()
    refused = call("ephemeral_debug", pod=app, commands=[{"cmd": "true", "stdin": data + "x"}])
    assert refused["reason"] == "InvalidRequest"
    assert "commands[0].stdin" in refused["msg"]


def test_a_file_holds_every_byte_and_a_second_run_changes_nothing(call: Play, app: str, tmp_path: Path) -> None:
    commands = [
        {
            "cmd": r"printf 'a\000b\377\303'; head -c 3000000 /proc/1/root/app",
            "dest": str(tmp_path / "home" / "x"),
            "max_output": 8,
            "changed": False,
        }
    ]
    played, again = (
        call("ephemeral_debug", pod=app, commands=commands),
        call("ephemeral_debug", pod=app, commands=commands),
    )
    (command,) = played.target["commands"]
    file = (tmp_path / "home" / "x").read_bytes()
    assert file.startswith(b"a\0b\xff\xc3\x7fELF")
    assert command["stdout"].startswith("a\0b\ufffd\ufffd")
    assert command["stdout_truncated"]
    assert (command["dest_size"], command["dest_sha256"]) == (len(file), hashlib.sha256(file).hexdigest())
    assert len(file) > 1_000_000
    assert (played["changed"], again["changed"]) == (True, False)


def test_a_failed_command_leaves_its_file(call: Play, app: str, tmp_path: Path) -> None:
    played = call("ephemeral_debug", pod=app, commands=[{"cmd": "echo begun; exit 3", "dest": str(tmp_path / "x")}])
    assert played["reason"] == "CommandFailed"
    assert (tmp_path / "x").read_text() == "begun\n"


def test_check_mode_writes_no_file(call: Play, app: str, tmp_path: Path) -> None:
    played = call(
        "ephemeral_debug", pod=app, commands=[{"cmd": "true", "dest": str(tmp_path / "home" / "x")}], check=True
    )
    assert played["changed"]
    assert not (tmp_path / "home").exists()


def test_each_pod_writes_a_file_of_its_own(kubectl: Kubectl, call: Play, tmp_path: Path) -> None:
    for name in ("twin-a", "twin-b"):
        pod = pod_manifest(name, "incident.test/app:nonroot")
        pod["metadata"]["labels"] = {"app": "twin"}
        kubectl.apply(pod)
    for name in ("twin-a", "twin-b"):
        kubectl.wait_until_running(name)
    dest = tmp_path / "home" / "name.txt"
    played = call("ephemeral_debug", label_selectors=["app=twin"], commands=[{"cmd": "hostname", "dest": str(dest)}])
    assert played.status == 0, played.printed
    for target in played["targets"]:
        file = dest.parent / kubectl.namespace / target["pod"] / "app" / "name.txt"
        assert target["commands"][0]["dest"] == str(file)
        assert file.read_text().strip() == target["pod"]
    assert not dest.exists()


class Cutter:
    """A way to the API server that loses every connection when enough has come down it."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self.address = (str(parts.hostname), parts.port or 443)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.limit = 1 << 60
        self.is_abrupt = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                here, _address = self.listener.accept()
            except OSError:
                return
            there = socket.create_connection(self.address)
            threading.Thread(target=self._carry, args=(here, there, None), daemon=True).start()
            threading.Thread(target=self._carry, args=(there, here, self.limit), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(65536):
                carried += len(data)
                if limit is not None and carried > limit:
                    break
                sink.sendall(data)
        for end in (source, sink):
            # the thread of the other direction may have been first
            with suppress(OSError):
                if self.is_abrupt:
                    # no goodbye: the last close sends a reset
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # wakes that thread, without which close would wait for it
                end.shutdown(socket.SHUT_RD if self.is_abrupt else socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def cutter(kubectl: Kubectl, tmp_path: Path) -> Iterator[tuple[Cutter, Path]]:
    """The cutter, and a kubeconfig that leads through it."""
    config = kubectl.json("config", "view", "--minify", "--raw")
    cluster = config["clusters"][0]["cluster"]
    cut = Cutter(cluster["server"])
    cluster["tls-server-name"] = urlsplit(cluster["server"]).hostname
    cluster["server"] = f"https://127.0.0.1:{cut.port}"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    yield cut, path
    cut.listener.close()


@pytest.mark.parametrize("is_abrupt", [False, True], ids=["closed", "reset"])
def test_a_connection_lost_during_a_command_is_an_error_and_leaves_no_file(
    call: Play, app: str, cutter: tuple[Cutter, Path], tmp_path: Path, is_abrupt: bool
) -> None:
    cut, kubeconfig = cutter
    cut.limit, cut.is_abrupt = 2 << 20, is_abrupt
    dest = tmp_path / "home" / "x"
    played = call(
        "ephemeral_debug",
        pod=app,
        kubeconfig=str(kubeconfig),
        commands=[{"cmd": "echo kept"}, {"cmd": "head -c 8000000 /dev/zero", "dest": str(dest)}, "echo never"],
    )
    assert played["failed"]
    assert played["reason"] == "ConnectionLost", played["msg"]
    assert [command["stdout"] for command in played.target["commands"]] == ["kept\n"]
    assert list(dest.parent.iterdir()) == []
