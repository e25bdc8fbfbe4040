# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubernetes.core's ways of authentication reach both kinds of connection: the API's requests and the exec streams."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Kubectl, Play, Played
from .test_saying_no import RULES

# nothing of the test run's own settings may help
ALONE = {"K8S_AUTH_KUBECONFIG": "", "KUBECONFIG": "/dev/null"}


def part(section: dict[str, Any], key: str, folder: Path) -> str:
    """A file of a kubeconfig's section, which may hold its content instead."""
    if key in section:
        return str(section[key])
    path = folder / key
    path.write_bytes(base64.b64decode(section[f"{key}-data"]))
    return str(path)


def assert_works(played: Played) -> None:
    assert not played.result.get("failed"), played["msg"]
    assert played.target["commands"][0]["stdout"] == "inside\n"


COMMANDS = [{"cmd": "echo inside", "changed": False}]


def test_a_kubeconfig_by_its_path_and_a_context(
    call: Play, app: str, tmp_path: Path, kubeconfig: dict[str, Any]
) -> None:
    two = {
        **kubeconfig,
        "contexts": [*kubeconfig["contexts"], {**kubeconfig["contexts"][0], "name": "other"}],
        "current-context": "broken",
    }
    path = tmp_path / "two.yml"
    path.write_text(yaml.safe_dump(two), encoding="utf-8")
    assert_works(
        call("ephemeral_debug", pod=app, commands=COMMANDS, kubeconfig=str(path), context="other", environment=ALONE)
    )


def test_a_kubeconfig_as_a_dictionary_leaves_the_result_as_it_is(
    play: Play, app: str, kubeconfig: dict[str, Any]
) -> None:
    played = play("ephemeral_debug", pod=app, commands=COMMANDS, kubeconfig=kubeconfig, environment=ALONE, verbosity=3)
    assert_works(played)
    assert played.target["namespace"].startswith("test-")
    key = kubeconfig["users"][0]["user"].get("client-key-data")
    assert key is None or key not in played.printed


def test_a_client_certificate(call: Play, app: str, tmp_path: Path, kubeconfig: dict[str, Any]) -> None:
    user, cluster = kubeconfig["users"][0]["user"], kubeconfig["clusters"][0]["cluster"]
    options = {
        "host": cluster["server"],
        "ca_cert": part(cluster, "certificate-authority", tmp_path),
        "client_cert": part(user, "client-certificate", tmp_path),
        "client_key": part(user, "client-key", tmp_path),
    }
    assert_works(call("ephemeral_debug", pod=app, commands=COMMANDS, **options, environment=ALONE))


def test_impersonation_holds_for_the_exec_as_well(kubectl: Kubectl, call: Play, app: str) -> None:
    api = "rbac.authorization.k8s.io"
    kubectl.apply({"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": "alice"}, "rules": RULES})
    kubectl.run("create", "rolebinding", "alice", "--role=alice", "--user=alice")
    without_exec = [rule for rule in RULES if "pods/exec" not in rule["resources"]]
    kubectl.apply({"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": "bob"}, "rules": without_exec})
    kubectl.run("create", "rolebinding", "bob", "--role=bob", "--group=watchers")
    assert_works(call("ephemeral_debug", pod=app, commands=COMMANDS, impersonate_user="alice"))
    refused = call(
        "ephemeral_debug",
        pod=app,
        commands=COMMANDS,
        impersonate_user="bob",
        impersonate_groups=["readers", "watchers"],
    )
    assert refused["reason"] == "RbacDenied"
    assert "pods/exec" in refused.failure["hint"]


class ConnectProxy:
    """An HTTP proxy that tunnels, and asks for a password."""

    def __init__(self, authorization: str) -> None:
        self.tunnels: list[str] = []
        self._expected = f"proxy-authorization: basic {authorization}".lower()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        line, *headers = head.decode().split("\r\n")
        place = line.split()[1]
        if self._expected not in [header.lower() for header in headers]:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        self.tunnels.append(place)
        host, _colon, port = place.rpartition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Copies until the end of one side."""
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    running = ConnectProxy(base64.b64encode(b"oncall:secret-of-the-proxy").decode())
    yield running
    running.close()


def test_a_proxy_with_a_password_carries_requests_and_streams(play: Play, app: str, proxy: ConnectProxy) -> None:
    through = {
        "proxy": f"http://127.0.0.1:{proxy.port}",
        "proxy_headers": {"proxy_basic_auth": "oncall:secret-of-the-proxy"},
    }
    played = play("ephemeral_debug", pod=app, commands=COMMANDS, **through, verbosity=3)
    assert_works(played)
    # at least one tunnel for the requests, one for looking inside and one for the command
    assert len(proxy.tunnels) >= 3
    assert "secret-of-the-proxy" not in played.printed
    refused = play("ephemeral_debug", pod=app, proxy=f"http://oncall:wrong-password@127.0.0.1:{proxy.port}")
    assert refused["reason"] == "ApiUnreachable"
    assert "wrong-password" not in str(refused.result)


def test_a_host_that_needs_no_proxy_gets_none(
    call: Play, app: str, proxy: ConnectProxy, kubeconfig: dict[str, Any]
) -> None:
    host = kubeconfig["clusters"][0]["cluster"]["server"].split("//")[1].rpartition(":")[0]
    played = call("ephemeral_debug", pod=app, commands=COMMANDS, proxy=f"http://127.0.0.1:{proxy.port}", no_proxy=host)
    assert_works(played)
    assert proxy.tunnels == []
