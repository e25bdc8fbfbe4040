# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real API server behind certificates as other clusters have them: modules and roles, requests and streams."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.unit.support.authorities import KINDS, Authority, authority
from tests.unit.support.relay import relay

from .cases import run_playbook
from .conftest import Credentials, Kubectl, Play, facts
from .patience import PATIENCE
from .test_authentication import COMMANDS, assert_works
from .test_saying_no import RULES, assert_says


class Front:
    """A TLS server in front of the API server, as a load balancer is, with a certificate of its own."""

    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self.carried = 0
        self._server = urlsplit(server)
        self._context = context
        self._inside = ssl.create_default_context(cafile=facts()["CA_CERT"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, connection: socket.socket) -> None:
        with suppress(OSError):
            client = self._context.wrap_socket(connection, server_side=True)
            host, port = str(self._server.hostname), self._server.port or 443
            server = self._inside.wrap_socket(socket.create_connection((host, port)), server_hostname=host)
            self.carried += 1
            relay(client, server)


Through = Callable[..., tuple[Front, dict[str, Any]]]


@pytest.fixture
def through(credentials: Credentials, tmp_path: Path) -> Iterator[Through]:
    """Puts a front before the API server; gives it and the options of a task that goes through it."""
    running: list[Front] = []
    direct = credentials(RULES)

    def start(signer: Authority, context: ssl.SSLContext) -> tuple[Front, dict[str, Any]]:
        front = Front(direct["host"], context)
        running.append(front)
        path = tmp_path / "ca.pem"
        path.write_bytes(signer.root.pem)
        return front, {**direct, "host": front.url, "ca_cert": str(path)}

    yield start
    for front in running:
        front.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_is_looked_into_behind_every_kind_of_authority(kind: str, call: Play, app: str, through: Through) -> None:
    signer = authority(kind)
    front, options = through(signer, signer.server())
    played = call("ephemeral_debug", pod=app, commands=COMMANDS, **options)
    assert_works(played)
    # requests, and at least one stream
    assert front.carried >= 2


def test_a_role_looks_into_a_pod_behind_an_authority_that_python_refuses(
    kubectl: Kubectl, app: str, through: Through, tmp_path: Path
) -> None:
    """All that it asks of the API goes by our own connection, which verifies as kubectl does."""
    signer = authority("eks")
    front, options = through(signer, signer.server())
    around = {"K8S_AUTH_HOST": options["host"], "K8S_AUTH_API_KEY": options["api_key"]}
    around = {**options["environment"], **around, "K8S_AUTH_SSL_CA_CERT": options["ca_cert"]}
    given = {"namespace": kubectl.namespace, "pod": app}
    case = run_playbook("process_triage", tmp_path, given, environment=around)
    assert case.status == 0, case.printed
    assert case.verdict == "pass", case.said()
    assert front.carried > 2


def test_kubernetes_core_goes_on_refusing_what_python_refuses(app: str, kubectl: Kubectl, through: Through) -> None:
    signer = authority("eks")
    _front, options = through(signer, signer.server())
    asked = {key: value for key, value in options.items() if key != "environment"}
    asked |= {"kind": "Pod", "name": app, "namespace": kubectl.namespace}
    command = ["ansible", "localhost", "-m", "kubernetes.core.k8s_info", "-a", json.dumps(asked)]
    done = subprocess.run(
        command,
        env={**os.environ, **options["environment"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ("CERTIFICATE_VERIFY_FAILED" in done.stdout) == (sys.version_info >= (3, 13)), done.stdout


@pytest.mark.parametrize(
    ("names", "dates", "words"),
    [
        (["127.0.0.1"], {"days_left": -1}, "has expired"),
        (["127.0.0.1"], {"days_ago": -1}, "is not yet valid"),
        (["kubernetes", "10.96.0.1"], {}, "another name"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    names: list[str], dates: dict[str, float], words: str, call: Play, app: str, through: Through
) -> None:
    signer = authority("eks")
    front, options = through(signer, signer.server(names, **dates))
    assert_says(call("ephemeral_debug", pod=app, **options), "CertificateRefused", words, front.url)
    assert front.carried == 0


def test_another_authority_is_refused(call: Play, app: str, through: Through) -> None:
    front, options = through(authority("eks"), authority("eks").server())
    assert_says(call("ephemeral_debug", pod=app, **options), "CertificateRefused", "authority", "ca_cert", front.url)
    assert front.carried == 0


def test_without_verification_each_result_warns_of_it(call: Play, app: str, through: Through) -> None:
    front, options = through(authority("eks"), authority("eks").server(["elsewhere"]))
    del options["ca_cert"]
    played = call("ephemeral_debug", pod=app, commands=["echo inside"], validate_certs=False, **options)
    assert not played.result.get("failed"), played["msg"]
    assert any(front.url in warning and "not verified" in warning for warning in played["warnings"])
