# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is who in the cluster: one authority, a certificate for each party, and the kubeconfigs that hold them."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .places import Places, write
from .run import run

NODE = "node-1"
CLUSTER_IP = (
    "10.96.0.1"  # the first of the service range; nothing routes it (there is no kube-proxy), but clients may name it
)
DAYS = "3650"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


@dataclass(frozen=True, slots=True)
class Party:
    """`names`: what a server is called by, as openssl writes it; empty for one that only calls others."""

    name: str
    subject: str
    names: str = ""


def parties(node: str) -> tuple[Party, ...]:
    local = f"IP:127.0.0.1,IP:{node}"
    kubernetes = ",".join(
        f"DNS:kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")
    )
    return (
        Party("etcd", "/CN=etcd", f"DNS:localhost,{local}"),
        Party("api", "/CN=kube-apiserver", f"{kubernetes},DNS:localhost,{local},IP:{CLUSTER_IP}"),
        Party("api-to-etcd", "/CN=kube-apiserver-etcd-client"),
        Party("api-to-kubelet", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
        Party("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", f"DNS:{NODE},{local}"),
        Party("kubelet-to-api", f"/O=system:nodes/CN=system:node:{NODE}"),
        Party("controllers", "/CN=system:kube-controller-manager"),
        Party("scheduler", "/CN=system:kube-scheduler"),
        Party("admin", "/O=system:masters/CN=admin"),
    )


def make(places: Places, node: str, server: str) -> None:
    """Fill the pki folder: <party>.crt and .key of each, ca.crt and ca.key, and sa.key; and a kubeconfig of each that calls `server`."""
    pki = places.pki
    pki.mkdir(parents=True, mode=0o700)
    authority: list[str | Path] = [
        "-subj",
        "/CN=incident-distroless cluster",
        "-keyout",
        pki / "ca.key",
        "-out",
        pki / "ca.crt",
    ]
    usage = "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"
    run(["openssl", "req", "-x509", "-new", *_CURVE, "-days", DAYS, *authority, "-addext", usage])
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pki / "sa.key"])
    run(["openssl", "pkey", "-in", pki / "sa.key", "-pubout", "-out", pki / "sa.pub"])
    with ThreadPoolExecutor() as pool:
        for _done in pool.map(lambda party: _sign(pki, party), parties(node)):
            pass
    for name in ("kubelet-to-api", "controllers", "scheduler", "admin"):
        write(places.conf / f"{name}.kubeconfig", kubeconfig(pki, name, server))


def _sign(pki: Path, party: Party) -> None:
    usages = "clientAuth,serverAuth" if party.names else "clientAuth"
    extensions = ["basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usages}"]
    if party.names:
        extensions.append(f"subjectAltName={party.names}")
    named = [word for extension in extensions for word in ("-addext", extension)]
    files: list[str | Path] = ["-keyout", pki / f"{party.name}.key", "-out", pki / f"{party.name}.crt"]
    signer: list[str | Path] = ["-CA", pki / "ca.crt", "-CAkey", pki / "ca.key"]
    run(["openssl", "req", "-x509", "-new", *_CURVE, "-days", DAYS, *signer, "-subj", party.subject, *named, *files])


def kubeconfig(pki: Path, party: str, server: str) -> str:
    """A kubeconfig that stands alone; JSON, which is YAML too."""

    def inline(file: str) -> str:
        return base64.b64encode((pki / file).read_bytes()).decode()

    user = {"client-certificate-data": inline(f"{party}.crt"), "client-key-data": inline(f"{party}.key")}
    name = "incident-distroless"
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": inline("ca.crt")}}],
        "users": [{"name": party, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": party, "namespace": "default"}}],
        "current-context": name,
    }
    return json.dumps(whole, indent=2) + "\n"
