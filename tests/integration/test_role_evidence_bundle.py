# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence of a pod: all of it is there, it is sealed, other people's tools agree, and whatever is changed later is found."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.support.schemas import differences, schema, undescribed

from .cases import Case, run_playbook
from .conftest import Credentials, Kubectl, Play, bulk, facts, pod_manifest
from .oncall import FILES, rules_of, variables_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
SECRET = "very-secret-value"


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Kubectl:
    """A deployment of one pod whose variables hold a secret, in its own words and with a newline in it."""
    env = [{"name": "TOKEN", "value": SECRET}, {"name": "CERTIFICATE", "value": f"first line\n{SECRET}=1"}]
    pod = pod_manifest("api", APP, container={"env": env})
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec})
    kubectl.run("rollout", "status", "deployment/api", f"--timeout={PATIENCE}s")
    return kubectl


def name_of(kubectl: Kubectl) -> str:
    (only,) = kubectl.json("get", "pods", "-l", "app=api")["items"]
    name: str = only["metadata"]["name"]
    return name


def take(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, **variables}
    return run_playbook("evidence_bundle", folder, given, *words, environment=environment)


def verify(path: Path, folder: Path, **variables: Any) -> Case:
    return run_playbook("evidence_verify", folder, {"path": str(path), **variables})


def log_of(case: Case) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (case.folder / "acquisition.jsonl").read_text(encoding="utf-8").splitlines()]


def everything(case: Case) -> str:
    files = [path for path in case.folder.rglob("*") if path.is_file()]
    return case.printed + "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def least_role(credentials: Credentials) -> dict[str, str]:
    """The environment of one who has the roles of the documentation and nothing else in the cluster."""
    return {**variables_of(credentials, rules_of("role.yml", "triage-role.yml")), "USER": "mallory-the-examiner"}


class Store(ThreadingHTTPServer):
    """Takes what is put to it, or refuses it, as an object store does with a presigned address."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.status, self.taken = status, {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/bucket/case?X-Amz-Signature={SECRET}"


class Taker(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.server.taken[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.end_headers()


@pytest.fixture
def store() -> Iterator[Callable[[int], Store]]:
    with ExitStack() as stack:

        def start(status: int) -> Store:
            server = stack.enter_context(Store(status))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.fixture
def examiner(pods: Kubectl, credentials: Credentials) -> Iterator[dict[str, str]]:
    """One who may look at nodes too, and may know which cluster it is."""
    role = yaml.safe_load((FILES / "evidence-cluster-role.yml").read_text(encoding="utf-8"))
    name = f"evidence-{pods.namespace}"
    pods.apply({**role, "metadata": {"name": name}})
    group = f"system:serviceaccounts:{pods.namespace}"
    pods.run("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--group={group}")
    yield least_role(credentials)
    pods.run("delete", "clusterrolebinding", name)
    pods.run("delete", "clusterrole", name)


def test_a_bundle_is_taken_sealed_proven_by_other_tools_and_every_change_is_found(
    pods: Kubectl, call: Play, tmp_path: Path, examiner: dict[str, str]
) -> None:
    pod = name_of(pods)
    # an intruder: a program whose file is gone
    helper = ["exec", pod, "-c", "app", "--", "/data/helper", "wait"]
    call("ephemeral_debug", pod=pod, commands=['cp "$TARGET_ROOT/app" "$TARGET_ROOT/data/helper"'])
    with subprocess.Popen([pods.program, "--namespace", pods.namespace, *helper], stdin=subprocess.DEVNULL) as process:
        try:
            gone = "until ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /data/helper; do sleep 0.1; done"
            call(
                "ephemeral_debug",
                pod=pod,
                commands=[{"cmd": f'{gone}; rm "$TARGET_ROOT/data/helper"', "timeout": PATIENCE}],
            )
            wanted = {"files": ["/data/app.log", "/etc/app"], "reason": "drill", "examiner": "me", "redact": True}
            case = take(pods, tmp_path, pod=pod, environment=examiner, **wanted)
        finally:
            process.kill()
    assert case.status == 0, case.printed
    label = f"{pods.namespace}/{pod}/app"

    # what was taken
    manifest = json.loads((case.folder / "manifest.json").read_text(encoding="utf-8"))
    assert [*differences(manifest, schema("bundle")), *undescribed(manifest, schema("bundle"))] == []
    for name in ("api_before/record", "api_after/record", "fetched_files/fetch"):
        kept = json.loads((case.folder / f"{name}.json").read_text(encoding="utf-8"))
        wanted = schema(name.rpartition("/")[2])
        assert kept["schema"] == 1
        assert [*differences(kept, wanted), *undescribed(kept, wanted)] == []
    assert manifest["cluster"]["uid"] == pods.json("get", "namespace", "kube-system")["metadata"]["uid"]
    assert (manifest["examiner"], manifest["reason"], manifest["case_id"]) == ("me", "drill", "case")
    assert manifest["is_complete"] is True
    assert manifest["ended"] >= manifest["started"]
    assert manifest["who"]["username"].startswith("system:serviceaccount:")
    assert abs(manifest["clocks"]["api"]["offset"]) < 3
    assert abs(manifest["clocks"]["nodes"]["node-1"]["offset"]) < 3
    assert {"pod_spec", "processes", "atimes"} <= {row["what"] for row in manifest["changes"]}
    assert manifest["targets"][0]["isolation"] == "same_uid"
    before = json.loads((case.folder / "api_before" / pods.namespace / pod / "pod.json").read_text(encoding="utf-8"))
    assert before["metadata"]["managedFields"]
    owners = [case.folder / "api_before" / pods.namespace / pod / f"owner_{number}.json" for number in (1, 2)]
    assert [json.loads(path.read_text(encoding="utf-8"))["kind"] for path in owners] == ["ReplicaSet", "Deployment"]
    node = json.loads((case.folder / "api_before" / pods.namespace / pod / "node.json").read_text(encoding="utf-8"))
    assert any(row["type"] == "Ready" for row in node["status"]["conditions"])
    found = case.document["facts"][label]
    assert found["missing"] == {}
    (variables,) = {tuple(row["names"]) for row in found["environment_names"]}
    assert {"TOKEN", "CERTIFICATE"} <= set(variables)
    assert found["cgroup"]["memory.current"] > 0
    opened = {row["fd"]: row["file"] for row in found["open_files"] if row["pid"] == manifest["targets"][0]["pid"]}
    assert opened[0] == "/dev/null"
    assert opened[1].startswith("pipe:")
    (executable,) = found["deleted_executables"]
    (row,) = [row for row in found["processes"] if row["exe_deleted"]]
    assert executable["name"] == f"{row['pid']}/exe"
    assert executable["sha256"] == found["binaries"][str(row["pid"])]
    case.assert_evidence(case.finding("deleted_executable"))
    assert case.finding("replaced_container")["verdict"] == "pass"
    assert SECRET not in everything(case)

    # the log
    rows = log_of(case)
    for row in rows:
        assert [*differences(row, schema("acquisition")), *undescribed(row, schema("acquisition"))] == []
    inject = next(number for number, row in enumerate(rows) if row["action"] in ("inject", "reuse"))
    assert {row["action"] for row in rows[:inject]} == {"open", "identify", "ask"}
    audit = Path(facts()["AUDIT_LOG"]).read_text(encoding="utf-8")
    asked = [row for row in rows if row["action"] == "ask"]
    assert all(row["audit_id"] in audit for row in asked)
    for row in rows:
        if row.get("path") and row["sha256"]:
            assert hashlib.sha256((case.folder / row["path"]).read_bytes()).hexdigest() == row["sha256"]

    fetched = {row["src"]: row for row in rows if row["action"] == "fetch"}
    assert fetched["/data/app.log"]["path"] == f"fetched_files/{label}/data/app.log"

    # other people's tools
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=case.folder, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    seal = hashlib.sha256((case.folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert f"SHA256SUMS: {seal}" in case.printed
    (_before, stats) = case.printed.split("CUSTOM STATS:")
    assert f'"sums_sha256": "{seal}"' in stats
    (archive,) = tmp_path.glob("case.tar.*")
    listed = subprocess.run(["tar", "--list", "--file", str(archive)], capture_output=True, check=True).stdout
    assert b"case/SHA256SUMS\n" in listed

    # a copy for sharing: the addresses of the pod and of its node are gone from it, and it is sealed too
    copy = case.folder.with_name("case.redacted")
    status = pods.pod(pod)["status"]
    assert verify(copy, tmp_path).status == 0
    for address in (status["podIP"], status["hostIP"]):
        assert address in everything(case)
        assert not [path for path in copy.rglob("*.*") if path.is_file() and address.encode() in path.read_bytes()]
    assert json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["derived_from"] == seal
    redaction = json.loads((copy / "redaction.json").read_text(encoding="utf-8"))
    assert [*differences(redaction, schema("redaction")), *undescribed(redaction, schema("redaction"))] == []
    assert (copy / label / "deleted_executables.tar").read_bytes() == (
        case.folder / label / "deleted_executables.tar"
    ).read_bytes()

    # verified, as a folder and as an archive, and found out when something is changed
    # a relative path is the user's, and not the installed playbook's
    for path in (case.folder, Path(os.path.relpath(archive, os.environ.get("PWD", Path.cwd())))):
        assert verify(path, tmp_path, sums_sha256=seal).status == 0
    log = case.folder / "acquisition.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    tampered = verify(case.folder, tmp_path)
    assert tampered.status == 2
    assert "acquisition.jsonl: Its sha256 is" in tampered.printed

    # and what is sealed stays as it is
    again = take(pods, tmp_path, pod=pod)
    assert again.status == 2
    assert "CaseSealed" in again.printed
    # for every role, whether it adds or not
    debuggers = pods.debuggers(pod)
    other = {"namespace": pods.namespace, "pod": pod, "case_id": "case", "add_to_case": True, "debug": {"ttl": 77}}
    added = run_playbook("process_triage", tmp_path, other)
    assert added.status == 2
    assert "CaseSealed" in added.printed
    assert pods.debuggers(pod) == debuggers


def test_the_least_role_is_enough_values_come_only_where_asked_and_the_signed_archive_is_delivered(
    pods: Kubectl, tmp_path: Path, credentials: Credentials, store: Callable[[int], Store]
) -> None:
    environment = least_role(credentials)
    taker = store(200)
    inventory = tmp_path / "inventory"
    vault_is_here = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
    inventory.write_text(f"vault {vault_is_here}\n", encoding="utf-8")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", str(key)], check=True)
    vault = tmp_path / "vault" / "evidence"
    case = take(
        pods,
        tmp_path,
        *("--inventory", str(inventory)),
        pod=name_of(pods),
        environment=environment,
        env_values=True,
        archive="gz",
        redact=True,
        sign=True,
        sign_key=str(key),
        deliver_host="vault",
        deliver_folder=str(vault),
        deliver_url=taker.address,
    )
    assert case.status == 0, case.printed
    # what was delivered, to both, is the archive; and it is signed
    archive = (tmp_path / "case.tar.gz").read_bytes()
    assert (vault / "case.tar.gz").read_bytes() == archive
    assert [data == archive for data in taker.taken.values()] == [True]
    assert "Delivered to vault" in case.printed
    public, other = (tmp_path / "key.pub").read_text(encoding="utf-8"), "ssh-ed25519 " + "A" * 68
    assert verify(vault / "case.tar.gz", tmp_path, public_key=public).status == 0
    stranger = verify(case.folder, tmp_path, public_key=other)
    assert stranger.status == 2
    assert "SHA256SUMS.sig: It is not the key's" in stranger.printed
    found = case.document["facts"][f"{pods.namespace}/{name_of(pods)}/app"]
    assert found["missing"] == {}
    assert found["environment_values"][0]["variables"] >= 2
    kept = case.folder / pods.namespace / name_of(pods) / "app" / "environment_values.txt"
    copy = case.folder.with_name("case.redacted")
    assert verify(copy, tmp_path).status == 0
    assert not (copy / kept.relative_to(case.folder)).exists()
    holding = [
        path
        for path in case.folder.rglob("*")
        if path.is_file() and SECRET.encode().hex().encode() in path.read_bytes()
    ]
    assert holding == [kept]
    assert SECRET not in everything(case)
    # nodes and the name of the cluster are not in a namespace: the log says that they were refused, and to whom
    rows = log_of(case)
    refused = {row["command"]: row["reason"] for row in rows if row["action"] == "ask" and row["reason"]}
    assert refused == {
        "GET /api/v1/namespaces/kube-system": "RbacDenied",
        "GET /api/v1/nodes/node-1": "RbacDenied",
    }
    assert rows[0]["examiner"] == "mallory-the-examiner"
    assert rows[1]["who"]["username"].startswith("system:serviceaccount:")
    assert environment["K8S_AUTH_API_KEY"] not in everything(case)


def test_names_of_the_pods_files_are_no_obstacle_to_a_copy_for_sharing_and_escaping_hides_nothing_from_it(
    pods: Kubectl, call: Play, tmp_path: Path
) -> None:
    pod = "named"
    pods.apply(pod_manifest(pod, APP))
    pods.wait_until_running(pod)
    # two names that become one, a name that becomes too long, and a process with an address and a password, whose file is gone
    long = "-".join(f"10.9.8.{number}" for number in range(1, 25))
    names = ["ann@shop.example", "Ann@shop.example", long]
    made = f'mkdir "$TARGET_ROOT/data/named"; cd "$TARGET_ROOT/data/named"; for n in {" ".join(names)}; do echo "$n" > "$n"; done'
    call("ephemeral_debug", pod=pod, commands=[made, 'cp "$TARGET_ROOT/app" "$TARGET_ROOT/data/caller"'])
    words = [
        "/data/caller",
        "wait",
        "--mail=ann@shop.example",
        "--db=postgres://ann:hunter2@db.shop",
        '{"password":"hunter3"}',
    ]
    command = [pods.program, "--namespace", pods.namespace, "exec", pod, "-c", "app", "--", *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            gone = "until ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /data/caller; do sleep 0.1; done"
            call(
                "ephemeral_debug",
                pod=pod,
                commands=[{"cmd": f'{gone}; rm "$TARGET_ROOT/data/caller"', "timeout": PATIENCE}],
            )
            case = take(pods, tmp_path, pod=pod, redact=True, files=["/data/named"])
        finally:
            process.kill()
    assert case.status == 0, case.printed
    assert "hunter2" in case.finding("deleted_executable")["message"]
    copy = case.folder.with_name("case.redacted")
    assert verify(copy, tmp_path).status == 0
    for name in ("summary.md", "report.html"):
        text = html.unescape((copy / name).read_text(encoding="utf-8")).replace("\u200b", "")
        assert "/data/caller" in text
        assert not [secret for secret in ("hunter2", "hunter3", "ann@shop") if secret in text]
    folder = Path("fetched_files") / pods.namespace / pod / "app" / "data" / "named"
    assert sorted(path.name for path in (case.folder / folder).iterdir()) == sorted(names)
    shared = [path.name for path in (copy / folder).iterdir()]
    assert len(shared) == len(names)
    assert all(re.fullmatch(r"\[(email|name)-[0-9a-f]{12}\]", name) for name in shared)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".case")] == []


@pytest.mark.parametrize("delivered", [bulk("original"), bulk("redacted")])
def test_where_there_is_no_copy_for_sharing_the_original_is_delivered_or_nothing_and_the_play_says_why(
    pods: Kubectl, tmp_path: Path, delivered: str
) -> None:
    pod = f"unshared-{delivered}"
    pods.apply(pod_manifest(pod, APP))
    pods.wait_until_running(pod)
    # somebody's own folder has the copy's name
    (tmp_path / "case.redacted").mkdir()
    vault = tmp_path / "vault"
    given = {"archive": "gz", "redact": True, "deliver": delivered, "deliver_folder": str(vault)}
    case = take(pods, tmp_path, pod=pod, **given)
    assert case.status == 2
    assert "There is no copy for sharing" in case.printed
    assert "case.redacted is there already" in case.printed
    assert (case.folder / "report.html").is_file()
    assert "SHA256SUMS: " in case.printed
    assert verify(case.folder, tmp_path).status == 0
    assert list((tmp_path / "case.redacted").iterdir()) == []
    if delivered == "original":
        assert (vault / "case.tar.gz").read_bytes() == (tmp_path / "case.tar.gz").read_bytes()
        assert "Nothing was delivered" not in case.printed
    else:
        assert not vault.exists()
        assert "Nothing was delivered: the redacted archive was asked for" in case.printed
    # by hand, as the message says
    (tmp_path / "case.redacted").rmdir()
    by_hand = ["ansible", "localhost", "-m", "incident.distroless.evidence_redact", "-a"]
    subprocess.run(
        [*by_hand, json.dumps({"path": str(case.folder), "archive": "gz"})], check=True, stdin=subprocess.DEVNULL
    )
    assert verify(tmp_path / "case.redacted.tar.gz", tmp_path).status == 0


def test_check_mode_takes_nothing(pods: Kubectl, tmp_path: Path) -> None:
    pods.apply(pod_manifest("untouched", APP))
    pods.wait_until_running("untouched")
    case = take(pods, tmp_path, "--check", pod="untouched")
    assert case.status == 0, case.printed
    assert "Names of environment variables" in case.printed
    assert pods.debuggers("untouched") == []
    assert list(tmp_path.iterdir()) == []


def test_of_a_pod_that_takes_no_debugger_there_is_what_the_api_says_and_a_store_that_refuses_is_named(
    pods: Kubectl, tmp_path: Path, store: Callable[[int], Store]
) -> None:
    manifest = pod_manifest("done", APP, container={"args": ["--exit-after", "1s"]}, restartPolicy="Never")
    pods.apply(manifest)
    pods.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    case = take(pods, tmp_path, pod="done", deliver_url=store(403).address)
    assert case.status == 2
    assert "TargetNotRunning" in case.printed
    assert "The address did not take the archive (status 403)." in case.printed
    assert SECRET not in everything(case)
    assert case.verdict == "unknown"
    assert (case.folder / "api_before" / pods.namespace / "done" / "app.log").is_file()
    assert [row["reason"] for row in log_of(case) if row["action"] == "refused"] == ["TargetNotRunning"]
    assert verify(case.folder, tmp_path).status == 0


@pytest.mark.bulk
def test_what_restarts_while_it_is_looked_into_is_a_finding(pods: Kubectl, tmp_path: Path) -> None:
    manifest = pod_manifest("pair", APP, volumes=[{"name": "shared", "emptyDir": {}}])
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    waits = "until [ -e /shared/stop ]; do sleep 0.2; done; exit 3"
    (app,) = manifest["spec"]["containers"]
    proxy = {"name": "proxy", "image": "busybox:1.37", "command": ["sh", "-c", waits], "volumeMounts": mounts}
    manifest["spec"]["containers"] = [{**app, "volumeMounts": mounts}, {**app, **proxy}]
    pods.apply(manifest)
    pods.wait_until_running("pair")
    # a collector of one's own, which is out to do harm: its file makes the other container end
    checks = tmp_path / "checks"
    checks.mkdir()
    harm = {"name": "harm", "volatility": 99, "command": 'touch "$TARGET_ROOT/shared/stop"; sleep 4'}
    (checks / "harm.yml").write_text(yaml.safe_dump({"collectors": [harm]}), encoding="utf-8")
    case = take(pods, tmp_path, pod="pair", collectors=[str(checks)], archive="none", fail_on="fail")
    assert case.status == 2, case.printed
    assert case.finding("restarted")["verdict"] == "fail", case.said()
    assert case.finding("restarted")["message"].startswith("proxy restarted during the acquisition"), case.said()
    case.assert_evidence(case.finding("restarted"))
    assert verify(case.folder, tmp_path).status == 0
