# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of the API server are taken, and in which words the others are refused: real TLS, real authorities."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect, open_client
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import with_port
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_exec
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject

from tests.unit.support.authorities import KINDS, Authority, authority
from tests.unit.support.relay import relay

EXEC_API = "client.authentication.k8s.io/v1"
VERSION = json.dumps({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}).encode()
# what the stand-in says to an exec: that it was asked is all that is needed
FORBIDDEN = json.dumps({"kind": "Status", "message": "pods exec is forbidden: not here", "code": 403}).encode()


class Server:
    """A TLS server that answers each request with a JSON object, that of `answers` for its path; what it was asked is in `asked`."""

    def __init__(self, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        self.asked: list[str] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.names: list[str | None] = []
        self.clients: list[Any] = []
        self._context = context
        context.sni_callback = lambda _sock, name, _context: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"https://{host}:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as client:
            self.clients.append(client.getpeercert())
            while head := read_head(client):
                path = head.split()[1].decode()
                self.asked.append(path)
                body = json.dumps(self.answers[path]).encode() if path in self.answers else VERSION
                status, body = (b"403 Forbidden", FORBIDDEN) if "/exec?" in path else (b"200 OK", body)
                head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
                    status,
                    len(body),
                )
                client.sendall(head + body)


def read_head(connection: socket.socket) -> bytes:
    """The lines of a request before its body; empty at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        head += piece
    return head


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, which end with the test."""
    running: list[Server] = []

    def start(context: ssl.SSLContext, host: str = "127.0.0.1") -> Server:
        running.append(Server(context, host))
        return running[-1]

    yield start
    for server in running:
        server.close()


class Module:
    """The options of a task, and its warnings."""

    def __init__(self, **options: Any) -> None:
        self.params = {**dict.fromkeys(AUTH_ARG_SPEC), **options}
        self.warnings: list[str] = []
        self.server_side_dry_run = False

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def requires(self, *_words: str) -> None:
        """The libraries are there."""


@pytest.fixture
def trust(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Options that name a server, and a file with these authorities."""

    def options(server: Server, *authorities: Authority) -> dict[str, Any]:
        path = tmp_path / f"ca-{server.port}.pem"
        path.write_bytes(b"".join(entry.pem for entry in authorities))
        return {"host": server.url, "api_key": "a-token", "ca_cert": str(path)}

    return options


def ask(cluster: Cluster) -> dict[str, Any]:
    return cluster.get("/version", "asking")


def execute(cluster: Cluster) -> None:
    open_exec(cluster, "shop", "api-0", "app", ["sh"])


WAYS: Mapping[str, Callable[[Cluster], Any]] = {"a request": ask, "a stream": execute}


def refused(options: Mapping[str, Any], way: str) -> Failure:
    with pytest.raises(Failure) as caught:
        WAYS[way](connect(Module(**options), Deadline(20)))
    return caught.value


def assert_taken(options: Mapping[str, Any], server: Server) -> None:
    """Requests and streams both reach the server through TLS."""
    cluster = connect(Module(**options), Deadline(20))
    assert ask(cluster)["gitVersion"] == "v1.36.3"
    with pytest.raises(Failure, match="not here"):
        execute(cluster)
    # with websocket-client before 1.5 a refused stream is asked for again, as a request
    assert {path.partition("?")[0] for path in server.asked} == {
        "/version",
        "/api/v1/namespaces/shop/pods/api-0/exec",
    }


Serve = Callable[..., Server]
Trust = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_authorities_of_every_kind_of_cluster_are_taken(kind: str, serve: Serve, trust: Trust) -> None:
    signer = authority(kind)
    server = serve(signer.server())
    assert_taken(trust(server, signer.root), server)


def test_a_file_with_several_authorities_is_taken(serve: Serve, trust: Trust) -> None:
    signer = authority("openshift")
    server = serve(signer.server())
    assert_taken(trust(server, authority("openshift"), authority("private").root, signer), server)


def test_an_intermediate_that_is_trusted_is_enough(serve: Serve, trust: Trust) -> None:
    signer = authority("private")
    server = serve(signer.server())
    assert_taken(trust(server, signer), server)


def test_nothing_of_it_holds_for_others(serve: Serve, trust: Trust) -> None:
    before = ssl.create_default_context().verify_flags
    signer = authority("eks")
    server = serve(signer.server())
    options = trust(server, signer)
    assert_taken(options, server)
    assert ssl.create_default_context().verify_flags == before
    untouched = Configuration(host=server.url)
    untouched.ssl_ca_cert = options["ca_cert"]
    pool = RESTClientObject(untouched).pool_manager
    if sys.version_info < (3, 13) or version("urllib3").startswith("1."):
        assert pool.request("GET", f"{server.url}/version").status == 200
        return
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        pool.request("GET", f"{server.url}/version", retries=False)
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        get_api_client(Module(**options))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_another_authority_is_refused(way: str, kind: str, serve: Serve, trust: Trust) -> None:
    server = serve(authority(kind).server())
    failure = refused(trust(server, authority(kind).root), way)
    assert failure.reason == "CertificateRefused"
    assert f"the certificate of {server.url}" in failure.message
    assert "authority" in failure.message
    assert "ca_cert" in failure.hint
    assert server.asked == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dates", "words"),
    [
        ({"days_ago": 400, "days_left": -1}, "has expired"),
        ({"days_ago": -1, "days_left": 400}, "is not yet valid"),
    ],
)
def test_a_certificate_out_of_its_time_is_refused(
    way: str, dates: dict[str, float], words: str, serve: Serve, trust: Trust
) -> None:
    signer = authority("eks")
    server = serve(signer.server(**dates))
    failure = refused(trust(server, signer), way)
    assert failure.reason == "CertificateRefused"
    assert words in failure.message
    assert "clock" in failure.hint
    assert server.asked == []


@pytest.mark.parametrize("way", WAYS)
def test_an_authority_that_has_expired_is_refused(way: str, serve: Serve, trust: Trust) -> None:
    signer = authority("eks", days_left=-1)
    server = serve(signer.server())
    failure = refused(trust(server, signer), way)
    assert (failure.reason, "or of an authority" in failure.message) == ("CertificateRefused", True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("host", "name"), [("127.0.0.1", "10.0.0.1"), ("localhost", "api.example")])
def test_another_name_is_refused(way: str, host: str, name: str, serve: Serve, trust: Trust) -> None:
    signer = authority("eks")
    server = serve(signer.server([name]), host)
    failure = refused(trust(server, signer), way)
    assert failure.reason == "CertificateRefused"
    assert "another name" in failure.message
    assert host in failure.message
    assert "tls-server-name" in failure.hint
    assert server.asked == []


@pytest.mark.parametrize("way", WAYS)
def test_a_certificate_for_clients_is_refused(way: str, serve: Serve, trust: Trust) -> None:
    signer = authority("kubeadm")
    server = serve(signer.server(for_server=False))
    failure = refused(trust(server, signer), way)
    assert failure.reason == "CertificateRefused"
    assert "not made for a server" in failure.message


def test_validate_certs_false_verifies_nothing_and_says_whose(serve: Serve) -> None:
    server = serve(authority("eks").server(["elsewhere.example"], days_left=-1))
    module = Module(host=server.url, api_key="a-token", validate_certs=False)
    assert ask(connect(module, Deadline(20)))["major"] == "1"
    (warning,) = module.warnings
    assert server.url in warning
    assert "not verified" in warning


def test_a_verified_server_is_no_reason_to_warn(serve: Serve, trust: Trust) -> None:
    signer = authority("k3s")
    module = Module(**trust(serve(signer.server()), signer))
    open_client(module, Deadline(20))
    assert module.warnings == []


def kubeconfig(server: Server, signer: Authority, *, user: Mapping[str, Any], **cluster: Any) -> dict[str, Any]:
    data = base64.b64encode(signer.pem).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server.url, "certificate-authority-data": data, **cluster}}],
        "users": [{"name": "x", "user": dict(user)}],
    }


@pytest.mark.parametrize("way", WAYS)
def test_tls_server_name_is_what_is_asked_for_and_verified(way: str, serve: Serve) -> None:
    signer = authority("eks")
    server = serve(signer.server(["kubernetes.default"]))
    named = kubeconfig(server, signer, user={"token": "t"}, **{"tls-server-name": "kubernetes.default"})
    cluster = connect(Module(kubeconfig=named), Deadline(20))
    with suppress(Failure):
        WAYS[way](cluster)
    assert server.names == ["kubernetes.default"]
    assert len(server.asked) == 1
    other = kubeconfig(server, signer, user={"token": "t"}, **{"tls-server-name": "kubernetes.other"})
    assert refused({"kubeconfig": other}, way).reason == "CertificateRefused"
    assert len(server.asked) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_client_certificate_is_shown(way: str, serve: Serve, trust: Trust, tmp_path: Path) -> None:
    signer = authority("eks")
    context = signer.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=signer.pem.decode())
    server = serve(context)
    (tmp_path / "client.pem").write_bytes(signer.client("oncall"))
    options = {
        **trust(server, signer),
        "client_cert": str(tmp_path / "client.pem"),
        "client_key": str(tmp_path / "client.pem"),
    }
    with suppress(Failure):
        WAYS[way](connect(Module(**options), Deadline(20)))
    (shown,) = server.clients
    assert shown["subject"] == ((("commonName", "oncall"),),)


def plugin_of(folder: Path, script: str) -> dict[str, Any]:
    """The user of a kubeconfig whose credentials come from a shell script."""
    plugin = folder / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    plugin.chmod(0o755)
    return {"exec": {"apiVersion": EXEC_API, "command": str(plugin), "interactiveMode": "Never"}}


def credential(token: str, until: str) -> str:
    status = {"token": token, "expirationTimestamp": until}
    return json.dumps({"apiVersion": EXEC_API, "kind": "ExecCredential", "status": status})


def test_a_credential_plugin_is_asked_and_the_server_verified_all_the_same(serve: Serve, tmp_path: Path) -> None:
    user = plugin_of(tmp_path, f"echo '{credential('of-the-plugin', '2099-01-01T00:00:00Z')}'")
    signer = authority("eks")
    server = serve(signer.server())
    cluster = connect(Module(kubeconfig=kubeconfig(server, signer, user=user)), Deadline(20))
    assert ask(cluster)["major"] == "1"
    assert dict(cluster.headers("asking"))["authorization"] == "Bearer of-the-plugin"
    other = kubeconfig(server, authority("eks"), user=user)
    assert refused({"kubeconfig": other}, "a request").reason == "CertificateRefused"


def id_token(until: int) -> str:
    """A JSON web token of OpenID Connect, of which nobody here looks at the signature."""
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, {"sub": "oncall", "exp": until}))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def openid_user(issuer: Server, signer: Authority) -> dict[str, Any]:
    """The user of a kubeconfig whose token of OpenID Connect has expired, and whose issuer gives a new one."""
    discovery = {"issuer": issuer.url, "token_endpoint": f"{issuer.url}/token"}
    issuer.answers["/.well-known/openid-configuration"] = discovery
    fresh = {"id_token": id_token(4_000_000_000), "refresh_token": "r2", "access_token": "a", "token_type": "Bearer"}
    issuer.answers["/token"] = fresh
    config = {
        "client-id": "kubernetes",
        "client-secret": "s",
        "id-token": id_token(1_000_000_000),
        "idp-certificate-authority-data": base64.b64encode(signer.pem).decode(),
        "idp-issuer-url": issuer.url,
        "refresh-token": "r1",
    }
    return {"auth-provider": {"name": "oidc", "config": config}}


def test_a_token_of_openid_is_renewed_and_the_server_verified_all_the_same(serve: Serve) -> None:
    """By the kubernetes client, which makes a connection of its own to the issuer meanwhile, with another authority."""
    signer, theirs = authority("eks"), authority("kubeadm")
    server, issuer = serve(signer.server()), serve(theirs.server())
    user = openid_user(issuer, theirs)
    cluster = connect(Module(kubeconfig=kubeconfig(server, signer, user=user)), Deadline(20))
    assert ask(cluster)["major"] == "1"
    assert issuer.asked == ["/.well-known/openid-configuration", "/token"]
    assert dict(cluster.headers("asking"))["authorization"] == f"Bearer {id_token(4_000_000_000)}"
    before = list(server.asked)
    # the issuer's authority is none of the cluster's
    for other in (theirs, authority("eks")):
        asked = {"kubeconfig": kubeconfig(server, other, user=openid_user(issuer, theirs))}
        assert refused(asked, "a request").reason == "CertificateRefused"
    assert server.asked == before


def test_an_issuer_of_another_authority_gets_no_token(serve: Serve) -> None:
    signer = authority("eks")
    server, issuer = serve(signer.server()), serve(authority("kubeadm").server())
    user = openid_user(issuer, authority("kubeadm"))
    refused({"kubeconfig": kubeconfig(server, signer, user=user)}, "a request")
    assert issuer.asked == []


def test_many_threads_with_an_expired_token_run_the_plugin_once(serve: Serve, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    old, new = credential("old", "2020-01-01T00:00:00Z"), credential("new", "2099-01-01T00:00:00Z")
    user = plugin_of(tmp_path, f"if [ -e {calls} ]; then echo '{new}'; else echo '{old}'; fi; echo call >> {calls}")
    signer = authority("k3s")
    server = serve(signer.server())
    cluster = connect(Module(kubeconfig=kubeconfig(server, signer, user=user)), Deadline(60))
    asked = run_concurrently(lambda _number: cluster.headers("asking"), range(20), 20)
    assert {dict(headers)["authorization"] for headers in asked if not isinstance(headers, Failure)} == {"Bearer new"}
    assert len(asked) == 20
    assert calls.read_text(encoding="utf-8").count("call") == 2


def test_a_plugin_that_hangs_costs_the_deadline_and_not_more(serve: Serve, tmp_path: Path) -> None:
    old = credential("old", "2020-01-01T00:00:00Z")
    # it is ended with the request: tests/unit/plugins/module_utils/_k8s/test_connect.py
    user = plugin_of(tmp_path, f"[ -e {tmp_path}/once ] && exec sleep 600; : > {tmp_path}/once; echo '{old}'")
    signer = authority("k3s")
    server = serve(signer.server())
    cluster = connect(Module(kubeconfig=kubeconfig(server, signer, user=user)), Deadline(60))
    with pytest.raises(Failure) as caught:
        cluster.until(Deadline(1)).get("/version", "asking")
    assert caught.value.reason == "ApiUnreachable"
    assert server.url in caught.value.message
    assert "plugin" in caught.value.hint
    assert server.asked == []


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("ca_cert", "the CA certificate cannot be used"),
        ("client_cert", "the client certificate or its key cannot be used"),
    ],
)
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_that_holds_no_certificate_is_named(
    option: str, words: str, content: str | None, serve: Serve, trust: Trust, tmp_path: Path
) -> None:
    signer = authority("k3s")
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    failure = refused({**trust(serve(signer.server()), signer), option: str(path)}, "a request")
    assert failure.reason == "InvalidRequest"
    assert words in failure.message
    assert option in failure.hint


def test_one_connection_inherits_nothing_from_another(serve: Serve, trust: Trust) -> None:
    signer, other = authority("k3s"), authority("eks")
    first, second = serve(signer.server()), serve(other.server())
    before = Configuration.get_default_copy().host
    named = kubeconfig(first, signer, user={"token": "of-the-first"}, **{"tls-server-name": "127.0.0.1"})
    ask(connect(Module(kubeconfig=named), Deadline(20)))
    cluster = connect(Module(**trust(second, other)), Deadline(20))
    assert ask(cluster)["major"] == "1"
    assert ("authorization", "Bearer a-token") in cluster.headers("asking")
    assert (len(first.asked), len(second.asked)) == (1, 1)
    assert Configuration.get_default_copy().host == before


def test_a_host_that_is_given_wins_over_the_kubeconfig(serve: Serve) -> None:
    signer = authority("k3s")
    first, second = serve(signer.server()), serve(signer.server())
    named = kubeconfig(first, signer, user={"token": "t"})
    cluster = connect(Module(kubeconfig=named, host=second.url), Deadline(20))
    ask(cluster)
    ask(cluster)
    assert (len(first.asked), len(second.asked)) == (0, 2)


class Tunnel:
    """A proxy that tunnels, spoken to in TLS where it has a context; `tunnels` are the places that it was asked for."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.tunnels: list[str] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._tunnel, args=(connection,), daemon=True).start()

    def _tunnel(self, connection: socket.socket) -> None:
        with suppress(OSError):
            client = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            place = read_head(client).split()[1].decode()
            self.tunnels.append(place)
            host, _colon, port = place.rpartition(":")
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(client, server)


@contextmanager
def tunnelling(context: ssl.SSLContext | None) -> Iterator[Tunnel]:
    proxy = Tunnel(context)
    try:
        yield proxy
    finally:
        proxy.close()


@pytest.mark.parametrize("is_https", [False, True])
def test_a_proxy_carries_requests_and_streams_alike(is_https: bool, serve: Serve, trust: Trust) -> None:
    signer = authority("eks")
    server = serve(signer.server())
    with tunnelling(signer.server() if is_https else None) as proxy:
        assert_taken({**trust(server, signer), "proxy": proxy.url}, server)
        assert proxy.tunnels == [f"127.0.0.1:{server.port}"] * 2


@pytest.mark.parametrize("way", WAYS)
def test_an_https_proxy_is_verified_itself(way: str, serve: Serve, trust: Trust) -> None:
    signer = authority("eks")
    server = serve(signer.server())
    with tunnelling(authority("eks").server()) as proxy:
        failure = refused({**trust(server, signer), "proxy": proxy.url}, way)
        assert failure.reason == "CertificateRefused"
        assert f"the certificate of the proxy on the way to {server.url}" in failure.message
        assert proxy.tunnels == []


@pytest.mark.parametrize("way", WAYS)
def test_a_server_behind_a_proxy_is_verified_as_well(way: str, serve: Serve, trust: Trust) -> None:
    signer, other = authority("eks"), authority("kubeadm")
    server = serve(other.server())
    with tunnelling(signer.server()) as proxy:
        failure = refused({**trust(server, signer), "proxy": proxy.url}, way)
    assert failure.reason == "CertificateRefused"
    assert f"the certificate of {server.url}" in failure.message


@pytest.mark.parametrize(
    "no_proxy", ["127.0.0.1", "LOCALHOST", ".localhost", "localhost:{port}", "*", "10.0.0.0/8", "other"]
)
def test_streams_go_by_the_proxy_where_requests_do(no_proxy: str, serve: Serve, trust: Trust) -> None:
    signer = authority("kubeadm")
    server = serve(signer.server(["localhost"]), "localhost")
    with tunnelling(None) as proxy:
        options = {**trust(server, signer), "proxy": proxy.url, "no_proxy": no_proxy.format(port=server.port)}
        cluster = connect(Module(**options), Deadline(20))
        ask(cluster)
        by_request = list(proxy.tunnels)
        with suppress(Failure):
            execute(cluster)
        assert proxy.tunnels == by_request * 2
    assert len(server.asked) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_proxy_of_the_environment_alone_is_not_asked(
    way: str, serve: Serve, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = authority("kubeadm")
    server = serve(signer.server())
    with tunnelling(None) as proxy:
        options = {**trust(server, signer), "proxy": proxy.url, "no_proxy": "127.0.0.1"}
        monkeypatch.setenv("https_proxy", proxy.url)
        with suppress(Failure):
            WAYS[way](connect(Module(**options), Deadline(20)))
        assert proxy.tunnels == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_reached_is_named_with_its_port(way: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"https://user:secret@127.0.0.1:{unused.getsockname()[1]}"
        failure = refused({"host": host, "api_key": "t", "validate_certs": False}, way)
    assert failure.reason == "ApiUnreachable"
    assert host.replace("user:secret@", "") in failure.message
    assert "secret" not in failure.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example", "https://api.example:443"),
        ("http://api.example/k8s/c-1", "http://api.example:80/k8s/c-1"),
        ("https://[::1]", "https://[::1]:443"),
        ("https://api.example:6443", "https://api.example:6443"),
        ("https://api.example:port", "https://api.example:port"),
    ],
)
def test_a_server_is_shown_with_its_port(url: str, shown: str) -> None:
    assert with_port(url) == shown
