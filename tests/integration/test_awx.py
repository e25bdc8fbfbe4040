# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX would do: set the collection up, make its image, and run the project's playbooks by ansible-runner.

What a job gets of its cluster is what the stand-in for AWX computes from the credential that awx_setup made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from . import controller as awx
from .conftest import CHECKOUT, Automation, Credentials, Kubectl, facts, pod_manifest
from .jobs import PROJECT, run_job
from .oncall import rules_of
from .patience import PATIENCE

SECRET = "the-token-of-the-cluster"
GIVEN = {"image": "images.example/incident-distroless-ee:1", "project_url": "https://git.example/oncall.git"}
# the default in another spelling, by which the answer of a survey is told from it
IMAGE = "docker.io/library/busybox:1.37"
# AWX keeps no more of what one event says (MAX_EVENT_RES_DATA)
EVENT_LIMIT = 700_000


@pytest.fixture
def controller() -> Iterator[awx.Controller]:
    with awx.running() as running:
        running.playbooks = frozenset(path.name for path in PROJECT.glob("*.yml"))
        yield running


def set_up(
    controller: awx.Controller, automation: Automation, installed: Path, *words: str, code: int = 0, **variables: str
) -> str:
    """Runs awx_setup as its head says, with the certificate authority of the real cluster; returns what it printed."""
    extra = json.dumps({f"awx_setup_{key}": value for key, value in {**GIVEN, **variables}.items()})
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": f"{installed}{os.pathsep}{automation.awx}",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "CONTROLLER_HOST": f"http://127.0.0.1:{controller.port}",
        "CONTROLLER_OAUTH_TOKEN": awx.TOKEN,
        "K8S_AUTH_HOST": "https://cluster.example:6443",
        "K8S_AUTH_API_KEY": SECRET,
        "K8S_AUTH_SSL_CA_CERT": facts()["CA_CERT"],
    }
    command = ["ansible-playbook", "incident.distroless.awx_setup", "--extra-vars", extra, *words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_awx_is_set_up_once_and_secrets_stay_where_they_belong(
    controller: awx.Controller, automation: Automation, installed: Path
) -> None:
    pods = {"pods_file": "shop.pods.yml", "slices": "3"}
    printed = set_up(controller, automation, installed, "-vvv", **pods)
    authority = Path(facts()["CA_CERT"]).read_text(encoding="utf-8").strip()
    assert SECRET not in printed
    assert "BEGIN CERTIFICATE" not in printed
    # a key that stands twice in our own files would be told
    assert "duplicate" not in printed
    assert [path for _method, path, body in controller.changes() if SECRET in json.dumps(body)] == [
        "/api/v2/credentials/"
    ]

    templates = {name.split()[-1]: thing for name, thing in controller.named("job_templates").items()}
    assert set(templates) >= {"crashloop_triage", "disk_triage", "process_triage"}
    project, image = controller.named("projects")["incident.distroless"], controller.named("execution_environments")
    assert project["scm_url"] == GIVEN["project_url"]
    assert project["default_environment"] == image["incident.distroless"]["id"]
    assert image["incident.distroless"]["image"] == GIVEN["image"]
    (host,) = controller.things["hosts"].values()
    assert json.loads(host["variables"])["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"
    credential = controller.named("credentials")["incident.distroless"]
    source, sliced = controller.named("inventory_sources")["incident.distroless pods"], templates.pop("inventory")
    assert (source["source"], source["source_path"], source["source_project"]) == (
        "scm",
        "shop.pods.yml",
        project["id"],
    )
    # who lists the pods is who looks at them, and what is listed stays the same for all slices of a job
    assert (source["credential"], controller.attached[sliced["id"], "credentials"]) == (
        credential["id"],
        [credential["id"]],
    )
    assert (source["overwrite"], source["update_on_launch"]) == (True, False)
    assert (
        sliced["inventory"] == source["inventory"] == controller.named("inventories")["incident.distroless pods"]["id"]
    )
    assert (sliced["job_slice_count"], sliced["playbook"]) == (3, "pod_triage.yml")
    asked = json.loads(sliced["extra_vars"])
    assert asked["pod_triage_from_inventory"] is True
    assert int(asked["pod_triage_max_pods"]) == 500
    for playbook, template in templates.items():
        job = controller.environment(template["name"])
        assert job.pop("K8S_AUTH_SSL_CA_CERT").strip() == authority
        assert job == {
            "K8S_AUTH_HOST": "https://cluster.example:6443",
            "K8S_AUTH_API_KEY": SECRET,
            "K8S_AUTH_VERIFY_SSL": "True",
        }
        assert (PROJECT / template["playbook"]).is_file()
        assert template["project"] == project["id"]
        assert controller.attached[template["id"], "credentials"] == [credential["id"]]
        assert (template["ask_credential_on_launch"], template["ask_job_type_on_launch"]) == (True, True)
        questions = controller.surveys[template["id"]]["spec"]
        where = "namespaces" if playbook == "preflight" else "namespace"
        assert {f"{playbook}_{where}", f"{playbook}_pod"} <= {question["variable"] for question in questions}
        # AWX sends the default of a question that nobody answers
        assert [question for question in questions if question.get("default") == ""] == []

    before = len(controller.changes())
    # only what differs would be changed, and in check mode nothing is
    assert "changed=1 " in set_up(controller, automation, installed, "--check", image="images.example/newer:2", **pods)
    assert controller.changes()[before:] == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kubernetes_ca_file": ""}, "awx_setup_verify_ssl=false"),
        ({"kubernetes_ca": "-----BEGIN"}, "awx_setup_kubernetes_ca: expected whole certificates in PEM"),
    ],
    ids=["none", "its first word"],
)
def test_without_a_whole_certificate_authority_nothing_is_made(
    controller: awx.Controller, automation: Automation, installed: Path, given: dict[str, str], said: str
) -> None:
    assert said in " ".join(set_up(controller, automation, installed, code=2, **given).split())
    assert controller.requests == []


@pytest.mark.bulk
def test_a_failed_update_is_made_good_and_what_is_there_stays(
    controller: awx.Controller, automation: Automation, installed: Path
) -> None:
    controller.updates_to_fail = 1
    said = " ".join(set_up(controller, automation, installed, code=2).split())
    assert "Project update failed" in said
    assert "the last job of the project incident.distroless says why" in said
    set_up(controller, automation, installed)
    name = "incident.distroless evidence_bundle"
    template = controller.named("job_templates")[name]
    verified = controller.environment(name)

    someones = controller.make("credentials", {"name": "aws", "inputs": {"username": "AKIA"}})
    controller.attached[template["id"], "credentials"].append(someones["id"])
    # by hand: what its jobs get, and that a launch asks for no other credential
    template |= {"extra_vars": "evidence_bundle_dest: /mnt/cases\n", "ask_credential_on_launch": False}
    chat = controller.make("notification_templates", {"name": "chat"})
    pager = controller.make("notification_templates", {"name": "pager"})
    registry = controller.make("credentials", {"name": "registry", "inputs": {}})
    controller.attached[template["id"], "notification_templates_error"] = [pager["id"]]
    changed = {"kubernetes_token": "a-newer-token", "verify_ssl": "false"}
    changed |= {"registry_credential": "registry", "project_credential": "registry"}
    changed |= {"labels": "oncall", "notifications": "chat", "extra_vars": '{"evidence_bundle_reason": "page"}'}
    rotated = set_up(controller, automation, installed, **changed, update_token="true")
    assert "a-newer-token" not in rotated
    assert someones["id"] in controller.attached[template["id"], "credentials"]
    assert controller.attached[template["id"], "notification_templates_error"] == [pager["id"], chat["id"]]
    (label,) = controller.attached[template["id"], "labels"]
    assert controller.things["labels"][label]["name"] == "oncall"
    assert template["ask_credential_on_launch"] is False
    variables = {"evidence_bundle_dest": "/mnt/cases", "evidence_bundle_reason": "page"}
    assert json.loads(template["extra_vars"]) == variables
    for plural in ("projects", "execution_environments"):
        assert controller.named(plural)["incident.distroless"]["credential"] == registry["id"]
    assert "changed=0 " in set_up(controller, automation, installed, **changed)
    # by which nothing is verified any more
    del verified["K8S_AUTH_SSL_CA_CERT"]
    now = {"K8S_AUTH_API_KEY": "a-newer-token", "K8S_AUTH_VERIFY_SSL": "False"}
    assert controller.environment(name) == {**verified, **now}


def test_ansible_builder_makes_an_image_of_the_definition(
    automation: Automation, installed: Path, tmp_path: Path
) -> None:
    project = shutil.copytree(PROJECT, tmp_path / "project")
    context = tmp_path / "context"
    command = ["ansible-builder", "create", "--context", context]
    done = subprocess.run(
        command,
        cwd=project,
        env=automation.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    requirements = yaml.safe_load((context / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert [row["name"] for row in requirements["collections"]] == ["incident.distroless"]
    # what is asked of the collection while the image is made
    asked = subprocess.run(
        ["ansible-builder", "introspect", installed],
        env=automation.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "jsonpatch" in asked.stdout
    assert "zstd" in asked.stdout


def test_ansible_builder_makes_a_context_for_rulebooks_of_their_definition(
    automation: Automation, tmp_path: Path
) -> None:
    definition = CHECKOUT / "extensions" / "eda" / "decision-environment.yml"
    done = subprocess.run(
        ["ansible-builder", "create", "--file", definition, "--context", tmp_path / "context"],
        env=automation.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "context" / "_build"
    requirements = yaml.safe_load((made / "requirements.yml").read_text(encoding="utf-8"))
    assert [row["name"] for row in requirements["collections"]] == ["incident.distroless"]
    assert "ansible-rulebook" in (made / "requirements.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def cluster_in_variables(credentials: Credentials) -> dict[str, str]:
    """What AWX's credential for a cluster sets, for who may do what the documentation asks for."""
    oncall = credentials(rules_of("role.yml", "triage-role.yml"))
    return {
        "K8S_AUTH_HOST": oncall["host"],
        "K8S_AUTH_API_KEY": oncall["api_key"],
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": oncall["ca_cert"],
    }


def test_a_job_looks_into_several_pods_and_leaves_an_artifact_for_each(
    kubectl: Kubectl,
    automation: Automation,
    installed: Path,
    cluster_in_variables: dict[str, str],
    tmp_path: Path,
    measured: Callable[[str], None],
) -> None:
    kubectl.run("create", "deployment", "uploads", "--image=incident.test/app:nonroot", "--replicas=2")
    kubectl.run("wait", "deployment/uploads", "--for=condition=Available", f"--timeout={PATIENCE}s")
    job = run_job(
        tmp_path,
        automation,
        installed,
        "disk_triage.yml",
        cluster_in_variables,
        disk_triage_namespace=kubectl.namespace,
        disk_triage_pod="",
        disk_triage_workload="",
        disk_triage_label_selectors="app=uploads",
        disk_triage_container="",
        disk_triage_max_pods=2,
        disk_triage_image=IMAGE,
        disk_triage_reason="4711",
        disk_triage_fail_on="fail",
        disk_triage_dest=str(tmp_path / "cases"),
    )
    assert job.status == "successful", job.printed
    pods = kubectl.json("get", "pods")["items"]
    labels = {f"{kubectl.namespace}/{pod['metadata']['name']}/app" for pod in pods}
    found = job.artifacts["incident_distroless"]
    assert set(found) == labels
    assert {row["disk_triage"]["verdict"] for row in found.values()} == {"pass"}
    injected = {debugger["image"] for pod in pods for debugger in kubectl.debuggers(pod["metadata"]["name"])}
    assert injected == {IMAGE}
    assert len(list((tmp_path / "cases").glob("*/report.html"))) == 1
    biggest = max(len(json.dumps(event["event_data"].get("res", {}))) for event in job.events)
    measured(f"the biggest event of a job with 2 pods: {biggest / 1000:.0f} kB")
    assert 0 < biggest < EVENT_LIMIT
    assert cluster_in_variables["K8S_AUTH_API_KEY"] not in json.dumps(job.events)


def machine(number: int, row: int) -> dict[str, str]:
    """What stands behind an endpoint that is no pod."""
    return {"kind": "VirtualMachine", "namespace": "machines", "name": f"machine-{number}-{row}"}


@pytest.mark.bulk
def test_a_job_that_isolates_a_pod_keeps_the_lists_of_its_namespace_out_of_its_events(
    kubectl: Kubectl,
    automation: Automation,
    installed: Path,
    credentials: Credentials,
    tmp_path: Path,
    measured: Callable[[str], None],
) -> None:
    """Beside a Service without a selector, whose endpoints somebody else writes."""
    kubectl.apply(pod_manifest("legacy-0", "incident.test/app:nonroot"))
    address = kubectl.wait_until_running("legacy-0")["status"]["podIP"]
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"legacy-{number}", "labels": {"kubernetes.io/service-name": "legacy"}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": [f"10.{number}.{row // 250}.{row % 250 + 1}"], "targetRef": machine(number, row)}
                for row in range(999)
            ]
            + [{"addresses": [address]}],
        }
        for number in range(1, 9)
    ]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "legacy"}, "spec": {"ports": [{"port": 80}]}}
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [service, *slices]})
    kubectl.run("create", "-f", "-", stdin=listed)
    assert len(json.dumps(kubectl.json("get", "endpointslices"))) > EVENT_LIMIT
    oncall = credentials(rules_of("role.yml", "quarantine-role.yml"))
    environment = {"K8S_AUTH_HOST": oncall["host"], "K8S_AUTH_API_KEY": oncall["api_key"]}
    job = run_job(
        tmp_path,
        automation,
        installed,
        "quarantine.yml",
        {**environment, "K8S_AUTH_VERIFY_SSL": "True", "K8S_AUTH_SSL_CA_CERT": oncall["ca_cert"]},
        quarantine_namespace=kubectl.namespace,
        quarantine_pod="legacy-0",
        quarantine_look_inside="false",
        quarantine_dest=str(tmp_path / "cases"),
    )
    assert job.status == "successful", job.printed
    assert "has 7992 ready endpoints: " in job.printed
    # nobody takes it out of them
    assert "Service legacy keeps sending it traffic, which then no longer arrives." in job.printed
    assert "Service legacy still has the pod among its endpoints." in job.printed
    biggest = max(len(json.dumps(event["event_data"])) for event in job.events)
    measured(f"the biggest event of a quarantine beside 8000 endpoints: {biggest / 1000:.0f} kB")
    assert 0 < biggest < EVENT_LIMIT / 10


def test_a_job_fails_where_the_survey_asked_for_it(
    kubectl: Kubectl,
    automation: Automation,
    installed: Path,
    cluster_in_variables: dict[str, str],
    tmp_path: Path,
) -> None:
    kubectl.apply(
        pod_manifest("orders-0", "incident.test/app:nonroot", container={"command": ["/app", "sha256", "/etc/shop"]})
    )
    kubectl.run(
        "wait",
        "pod/orders-0",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}",
        f"--timeout={PATIENCE}s",
    )
    job = run_job(
        tmp_path,
        automation,
        installed,
        "crashloop_triage.yml",
        cluster_in_variables,
        crashloop_triage_namespace=kubectl.namespace,
        crashloop_triage_pod="orders-0",
        crashloop_triage_fail_on="fail",
        crashloop_triage_dest=str(tmp_path / "cases"),
    )
    assert job.status == "failed"
    (artifact,) = job.artifacts["incident_distroless"].values()
    assert artifact["crashloop_triage"]["verdict"] == "fail"


def test_a_job_whose_credential_has_no_authority_says_so_first(
    automation: Automation, installed: Path, cluster_in_variables: dict[str, str], tmp_path: Path
) -> None:
    unverified = {**cluster_in_variables, "K8S_AUTH_VERIFY_SSL": "False"}
    del unverified["K8S_AUTH_SSL_CA_CERT"]
    job = run_job(tmp_path, automation, installed, "quarantine.yml", unverified)
    assert job.status == "failed"
    # a warning is broken into lines
    printed = " ".join(job.printed.split())
    told = printed.index("is NOT verified")
    assert unverified["K8S_AUTH_HOST"] in printed[told - 100 : told]
    assert told < printed.index("quarantine_namespace is needed.")
