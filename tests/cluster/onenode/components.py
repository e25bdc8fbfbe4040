# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The daemons of the cluster: the files that configure them, and their command lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .build import Programs
from .certificates import CLUSTER_IP, NODE
from .images import PAUSE
from .network import Network
from .places import Places, write
from .sandbox import STATE

SERVICES = f"{CLUSTER_IP}/24"


@dataclass(frozen=True, slots=True)
class World:
    """What the command lines are made from."""

    places: Places
    programs: Programs
    network: Network
    cgroup_v1: bool

    @property
    def server(self) -> str:
        return f"https://{self.network.node}:{self.network.ports['api']}"

    def key_pair(self, party: str) -> tuple[Path, Path]:
        return self.places.pki / f"{party}.crt", self.places.pki / f"{party}.key"

    @property
    def ca(self) -> Path:
        return self.places.pki / "ca.crt"


def etcd(world: World) -> list[str | Path]:
    crt, key = world.key_pair("etcd")
    client, peer = (f"https://127.0.0.1:{world.network.ports[name]}" for name in ("etcd", "etcd_peer"))
    return [
        world.programs["etcd"],
        "--name=etcd",
        f"--data-dir={world.places.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=etcd={peer}",
        f"--cert-file={crt}",
        f"--key-file={key}",
        f"--trusted-ca-file={world.ca}",
        "--client-cert-auth",
        f"--peer-cert-file={crt}",
        f"--peer-key-file={key}",
        f"--peer-trusted-ca-file={world.ca}",
        "--peer-client-cert-auth",
        "--unsafe-no-fsync",  # the data need not outlive the machine
        "--log-level=warn",
    ]


def containerd(world: World) -> list[str | Path]:
    config = world.places.conf / "containerd.toml"
    _cni(world)
    write(config, _containerd_config(world))
    return [world.programs["containerd"], "--config", config]


def _containerd_config(world: World) -> str:

    def quoted(value: str | Path) -> str:
        return json.dumps(str(value))  # a JSON string is a TOML basic string

    return f"""version = 3
root = {quoted(STATE / "containerd" / "root")}
state = {quoted(STATE / "run" / "containerd")}

[grpc]
address = {quoted(world.places.containerd_socket)}

[plugins."io.containerd.internal.v1.opt"]
path = {quoted(STATE / "containerd" / "opt")}

[plugins."io.containerd.nri.v1.nri"]
disable = true

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = {quoted(PAUSE)}

[plugins."io.containerd.cri.v1.runtime"]
# without CAP_SYS_RESOURCE the kernel refuses to lower a process' score, and no sandbox would start
restrict_oom_score_adj = true
enable_selinux = false

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = {quoted(world.programs["runc"])}
Root = {quoted(STATE / "run" / "runc")}
SystemdCgroup = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = [{quoted(world.programs["bridge"].parent)}]
conf_dir = {quoted(world.places.conf / "cni")}
"""


def _cni(world: World) -> None:
    """Pods get an address on the bridge and no route elsewhere: no masquerading, no forwarding, so no rule or setting of the machine."""
    ipam = {
        "type": "host-local",
        "dataDir": str(world.places.state / "cni"),
        "ranges": [[{"subnet": world.network.subnet, "gateway": world.network.node}]],
    }
    bridge = {"type": "bridge", "bridge": world.network.bridge, "isGateway": False, "ipMasq": False, "ipam": ipam}
    plugins = {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}
    write(world.places.conf / "cni" / "10-pods.conflist", json.dumps(plugins))


def apiserver(world: World) -> list[str | Path]:
    crt, key = world.key_pair("api")
    etcd_crt, etcd_key = world.key_pair("api-to-etcd")
    kubelet_crt, kubelet_key = world.key_pair("api-to-kubelet")
    policy = write(world.places.conf / "audit-policy.json", json.dumps(_audit_policy()))
    pki = world.places.pki
    return [
        world.programs["kube-apiserver"],
        f"--bind-address={world.network.node}",
        f"--advertise-address={world.network.node}",
        f"--secure-port={world.network.ports['api']}",
        f"--tls-cert-file={crt}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={world.ca}",
        f"--etcd-servers=https://127.0.0.1:{world.network.ports['etcd']}",
        f"--etcd-cafile={world.ca}",
        f"--etcd-certfile={etcd_crt}",
        f"--etcd-keyfile={etcd_key}",
        f"--kubelet-certificate-authority={world.ca}",
        f"--kubelet-client-certificate={kubelet_crt}",
        f"--kubelet-client-key={kubelet_key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--authorization-mode=Node,RBAC",
        # Pod Security and ServiceAccount are among the defaults
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={world.places.audit_log}",
        "--audit-log-maxsize=200",
        "--audit-log-maxbackup=1",
        "--profiling=false",
    ]


def _audit_policy() -> dict[str, object]:
    """Every request by its metadata; what is asked of ephemeral containers, and the answer, in full."""
    whole = {"level": "RequestResponse", "resources": [{"group": "", "resources": ["pods/ephemeralcontainers"]}]}
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [whole, {"level": "Metadata"}],
    }


def controller_manager(world: World) -> list[str | Path]:
    kubeconfig = world.places.conf / "controllers.kubeconfig"
    return [
        world.programs["kube-controller-manager"],
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={world.places.pki / 'sa.key'}",
        f"--root-ca-file={world.ca}",
        f"--cluster-signing-cert-file={world.ca}",
        f"--cluster-signing-key-file={world.places.pki / 'ca.key'}",
        # each controller makes a service account of its own at the start; the default rate stretches that to five seconds
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--node-monitor-period=1s",  # a new node keeps its not-ready taint for up to that long
        f"--flex-volume-plugin-dir={STATE / 'kubelet-plugins'}",
    ]


def scheduler(world: World) -> list[str | Path]:
    kubeconfig = world.places.conf / "scheduler.kubeconfig"
    return [
        world.programs["kube-scheduler"],
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
    ]


def kubelet(world: World) -> list[str | Path]:
    config = write(world.places.conf / "kubelet.json", json.dumps(_kubelet_config(world), indent=2))
    return [
        world.programs["kubelet"],
        f"--config={config}",
        f"--kubeconfig={world.places.conf / 'kubelet-to-api.kubeconfig'}",
        f"--root-dir={STATE / 'kubelet'}",
        f"--cert-dir={world.places.pki}",
        f"--hostname-override={NODE}",
        f"--node-ip={world.network.node}",
    ]


def _kubelet_config(world: World) -> dict[str, object]:
    crt, key = world.key_pair("kubelet")
    # a developer's disk is often nearly full: evict late, and never collect the images, which cannot be pulled again
    eviction = {
        "memory.available": "50Mi",
        "nodefs.available": "1%",
        "nodefs.inodesFree": "1%",
        "imagefs.available": "1%",
    }
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": world.network.node,
        "port": world.network.ports["kubelet"],
        "healthzPort": 0,
        "tlsCertFile": str(crt),
        "tlsPrivateKeyFile": str(key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(world.ca)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{world.places.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{world.places.cgroup}",
        # the tests run side by side, fifty pods in one of them; the subnet has 253 addresses
        "maxPods": 200,
        "failCgroupV1": not world.cgroup_v1,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "failSwapOn": False,
        "evictionHard": eviction,
        "imageGCHighThresholdPercent": 100,
        "imageMaximumGCAge": "0s",
        "serializeImagePulls": False,  # an image that cannot be pulled must not hold up the next pod
        "registryPullQPS": 0,
        "makeIPTablesUtilChains": False,
        # nobody answers there, but without an address each pod gets a warning event
        "clusterDNS": [world.network.node],
        "clusterDomain": "cluster.local",
        "resolvConf": str(write(world.places.conf / "resolv.conf", "# the cluster has no DNS\n", 0o644)),
        "podLogsDir": str(STATE / "pod-logs"),
        "volumePluginDir": str(STATE / "kubelet-plugins"),
        "staticPodPath": str(world.places.static_pods),
    }
