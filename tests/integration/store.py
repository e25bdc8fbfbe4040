# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that speaks S3 over TLS, a bucket in it, and somebody who may do there what the documentation says."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import ansible.release

from .conftest import CHECKOUT
from .patience import PATIENCE

BUCKET = "vault"
ROOT, ROOT_SECRET = "root", "root-secret-9f2c"
USER, SECRET = "oncall", "oncall-secret-51aa7d"
# what the README of the role asks for
ON_THE_BUCKET = ("s3:ListBucket",)
ON_OBJECTS = ("s3:PutObject", "s3:GetObject", "s3:GetObjectTagging")
SET_UP = """
import boto3, json, sys
bucket, user, prefix, on_the_bucket, on_objects = json.loads(sys.argv[1])
store = boto3.client("s3")
store.create_bucket(Bucket=bucket)
place = f"arn:aws:s3:::{bucket}"
rules = [
    {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": on_the_bucket, "Resource": [place]},
    {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": on_objects, "Resource": [f"{place}/{prefix}/*"]},
]
store.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": rules}))
"""


# of each of pytest's workers those that were not given away yet
_ports: dict[int, Iterator[int]] = {}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What delivers to S3 and what takes it, as tests/tools made it."""

    programs: Path
    """The folder with Ansible's programs, beside whose Python boto3 is."""
    collections: Path
    """A collections folder with amazon.aws."""
    server: Path

    def environment(self, **variables: str) -> dict[str, str]:
        """The variables of somebody with amazon.aws, and with no settings of AWS but the given ones."""
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}{os.pathsep}{self.collections}",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
            **variables,
        }


@dataclass(frozen=True, slots=True)
class Store:
    """A running store: where it listens, who signed its certificate, and the folder in which buckets are folders."""

    delivery: Delivery
    address: str
    authority: Path
    folder: Path

    def user(self, secret: str = SECRET, **variables: str) -> dict[str, str]:
        """The variables of the one who may deliver."""
        whole = {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": secret, "AWS_CA_BUNDLE": str(self.authority)}
        return self.delivery.environment(**whole | variables)

    def bucket(self, name: str, prefix: str) -> None:
        """Makes a bucket in which the user may do what is needed, below a prefix."""
        given = json.dumps([name, USER, prefix, ON_THE_BUCKET, ON_OBJECTS])
        variables = self.user(ROOT_SECRET, AWS_ACCESS_KEY_ID=ROOT, AWS_ENDPOINT_URL=self.address)
        python = [self.delivery.programs / "python", "-c", SET_UP, given]
        subprocess.run(python, env=os.environ | variables, timeout=PATIENCE, check=True)


def delivery() -> Delivery:
    """Made for the Python and the ansible-core of this run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    core = ".".join(ansible.release.__version__.split(".")[:2])
    script = CHECKOUT / "tests" / "tool.py"
    done = subprocess.run(
        [sys.executable, script, "object_store", version, core], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Delivery(**{key: Path(value) for key, value in json.loads(done.stdout.splitlines()[-1]).items()})


@contextmanager
def running(made: Delivery, folder: Path) -> Iterator[Store]:
    """A store that listens on a port of this machine, with its user."""
    certificate, key = folder / "store.crt", folder / "store.key"
    names = ("-subj", "/CN=store", "-addext", "subjectAltName=IP:127.0.0.1")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", "req", "-x509", "-new", *curve, *names, *files], capture_output=True, check=True)
    for name in ("buckets", "about", "users"):
        (folder / name).mkdir()
    secrets = {"ROOT_ACCESS_KEY": ROOT, "ROOT_SECRET_KEY": ROOT_SECRET}
    tls = ("--cert", certificate, "--key", key, "--iam-dir", folder / "users")
    # what it knows of objects goes into files: not every file system has extended attributes
    backend = ("posix", "--sidecar", folder / "about", folder / "buckets")
    port = free_port()
    command = [made.server, "--port", f"127.0.0.1:{port}", *tls, *backend]
    with (folder / "store.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | secrets, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_until_it_answers(process, port, certificate, folder / "store.log")
        store = Store(made, f"https://127.0.0.1:{port}", certificate, folder / "buckets")
        about = {
            "ADMIN_ACCESS_KEY_ID": ROOT,
            "ADMIN_SECRET_ACCESS_KEY": ROOT_SECRET,
            "ADMIN_ENDPOINT_URL": store.address,
        }
        new = ("create-user", "--access", USER, "--secret", SECRET, "--role", "user")
        # this one knows no authority but the machine's
        subprocess.run(
            [made.server, "admin", "--allow-insecure", *new], env=os.environ | about, timeout=PATIENCE, check=True
        )
        yield store
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port for a program that takes no other way to have one.

    Below those that the kernel gives to connections, and from a range of this worker's own: nobody takes it meanwhile.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in _ports.setdefault(worker, iter(range(20000 + 100 * worker, 20100 + 100 * worker))):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is left")


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, authority: Path, log: Path) -> None:
    trust = ssl.create_default_context(cafile=authority)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
                trust.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return
        except ConnectionError:
            time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))
