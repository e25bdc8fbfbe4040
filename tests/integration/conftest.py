# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real cluster, pods on it, and tasks run against it the way a user runs them: by ansible-playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .calling import Warm, warm
from .patience import PATIENCE

CHECKOUT = Path(__file__).parents[2]
# what the launcher published: the checkout's own cluster, or another one that tests are told of
STATE = Path(os.environ.get("INCIDENT_DISTROLESS_CLUSTER") or CHECKOUT / ".cluster")
# what the plays of tests use beside what is tested
ACTIONS = str(Path(__file__).with_name("action_plugins"))

# some tests use the collection's own parts in this process: they are where Ansible finds them
sys.path += [path for path in os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep) if path not in sys.path]

Pod = dict[str, Any]


def bulk(*values: Any) -> Any:
    """Parameters of a test that `make test` leaves to a release: another form of what it shows with other ones."""
    return pytest.param(*values, marks=pytest.mark.bulk)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl of the cluster's own release, in one namespace: the reference, and the witness from outside of the modules."""

    namespace: str
    program: str

    def run(self, *words: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = [self.program, "--namespace", self.namespace, *words]
        done = subprocess.run(
            command,
            input=None if stdin is None else stdin.encode(),
            capture_output=True,
            timeout=2 * PATIENCE,
            check=False,
            # a process of a tenth of a second that Go need not tidy up: half of what an apply takes, some thousand times
            env=os.environ | {"GOGC": "off"},
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done

    def text(self, *words: str) -> str:
        return self.run(*words).stdout.decode()

    def json(self, *words: str) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.text(*words, "-o", "json"))
        return parsed

    def apply(self, manifest: Mapping[str, Any]) -> None:
        self.run("apply", "-f", "-", stdin=json.dumps(manifest))

    def pod(self, name: str) -> Pod:
        return self.json("get", "pod", name)

    def wait_until_there(self, kind: str, name: str) -> None:
        """Waits for an object that somebody else makes. `kubectl wait` knows no such condition before Kubernetes 1.31."""
        selected = ("--field-selector", f"metadata.name={name}", "--output=name")
        command = [
            self.program,
            "--namespace",
            self.namespace,
            "get",
            kind,
            *selected,
            "--watch",
            "--request-timeout=300s",
        ]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as watching:
            assert watching.stdout
            seen = watching.stdout.readline()
            watching.kill()
        assert seen.rstrip().endswith(f"/{name}".encode()), f"no {kind} {name} came"

    def wait_until_running(self, name: str, timeout: str = f"{PATIENCE}s") -> Pod:
        return self.json("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={timeout}")

    def debuggers(self, name: str) -> list[dict[str, Any]]:
        """The ephemeral containers in a pod's spec."""
        return self.pod(name)["spec"].get("ephemeralContainers") or []

    def hashes(self, name: str, *paths: str, container: str = "app") -> dict[str, str]:
        """Return what the app itself says its files hash to: the truth that a fetched copy is compared with."""
        printed = self.text("exec", name, "-c", container, "--", "/app", "sha256", *paths)
        return {path: digest for digest, _space, path in (line.partition("  ") for line in printed.splitlines())}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a task: the registered result, ansible-playbook's exit status and all that it printed."""

    result: dict[str, Any]
    status: int
    printed: str

    def __getitem__(self, key: str) -> Any:
        return self.result[key]

    @property
    def target(self) -> dict[str, Any]:
        (only,) = self.result["targets"]
        target: dict[str, Any] = only
        return target

    @property
    def failure(self) -> dict[str, str]:
        (only,) = self.result["failed_targets"]
        failure: dict[str, str] = only
        return failure


Play = Callable[..., Played]
# rules of a Role -> the options that make a task one who may do exactly that
Credentials = Callable[[list[dict[str, Any]]], dict[str, Any]]


def facts() -> dict[str, str]:
    """The cluster's own files (audit log, certificate authority, kubectl), as its launcher wrote them down."""
    lines = (STATE / "env").read_text(encoding="utf-8").splitlines()
    return {key: value for key, _equals, value in (line.partition("=") for line in lines if "=" in line)}


def pod_manifest(name: str, image: str, *, container: Mapping[str, Any] | None = None, **spec: Any) -> Pod:
    """A pod of one container called app, which ends at once when it is told to."""
    app = {"name": "app", "image": image, "imagePullPolicy": "Never", **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [app], "terminationGracePeriodSeconds": 1, **spec},
    }


def built(name: str) -> Path:
    """A program that is no part of the cluster; tests/tools builds it where that has not been done."""
    script = CHECKOUT / "tests" / "tool.py"
    done = subprocess.run([sys.executable, script, "built", name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Notes what a test measured, in a sentence; all of them stand before the closing line."""
    return lambda sentence: record_property("measured", sentence)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sentences = [
        str(sentence)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, sentence in report.user_properties
        if name == "measured" and report.when == "call"
    ]
    if sentences:
        terminalreporter.section("measured")
        for sentence in sorted(sentences):
            terminalreporter.line(sentence)


@pytest.fixture(scope="session")
def kubectl_program() -> str:
    return facts().get("KUBECTL") or shutil.which("kubectl") or "kubectl"


@pytest.fixture
def kubeconfig() -> dict[str, Any]:
    """The administrator's, a copy for each test."""
    loaded: dict[str, Any] = yaml.safe_load((STATE / "kubeconfig").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def make_namespace(kubectl_program: str) -> Iterator[Callable[..., Kubectl]]:
    """Makes namespaces, with the Pod Security level that is asked for; they go when the module's tests are done."""
    made: list[Kubectl] = []

    def make(level: str | None = None) -> Kubectl:
        name = f"test-{uuid.uuid4().hex[:8]}"
        labels = {"pod-security.kubernetes.io/enforce": level} if level else {}
        kubectl = Kubectl(name, kubectl_program)
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(kubectl)
        # pods are refused until the controller has made it
        kubectl.wait_until_there("serviceaccount", "default")
        return kubectl

    yield make
    for kubectl in made:
        kubectl.run("delete", "namespace", kubectl.namespace, "--wait=false", check=False)


@pytest.fixture(scope="module")
def kubectl(make_namespace: Callable[..., Kubectl]) -> Kubectl:
    """A namespace without a Pod Security level, which the tests of a module share."""
    return make_namespace()


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532; a module whose tests need another one has its own."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


@pytest.fixture(scope="module")
def credentials(kubectl: Kubectl) -> Credentials:
    """Makes service accounts that may do exactly what the given rules say; gives the options to be one."""
    server = kubectl.json("config", "view", "--minify", "--raw")["clusters"][0]["cluster"]["server"]
    authority = facts()["CA_CERT"]
    number = 0

    def make(rules: list[dict[str, Any]]) -> dict[str, Any]:
        nonlocal number
        number += 1
        name = f"oncall-{number}"
        api = "rbac.authorization.k8s.io"
        kubectl.run("create", "serviceaccount", name)
        kubectl.apply({"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules})
        kubectl.run("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={kubectl.namespace}:{name}")
        token = kubectl.text("create", "token", name).strip()
        return {
            "host": server,
            "api_key": token,
            "ca_cert": authority,
            "environment": {"KUBECONFIG": "/dev/null", "K8S_AUTH_KUBECONFIG": ""},
        }

    return make


@dataclass(frozen=True, slots=True)
class Automation:
    """What starts playbooks in place of a person."""

    programs: Path
    """The folder with ansible-runner, ansible-builder and ansible-rulebook."""
    awx: Path
    """A collections folder with awx.awx."""

    def environment(self, **variables: str) -> dict[str, str]:
        """The environment of this process with those programs before all others."""
        return {**os.environ, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}", **variables}


@pytest.fixture(scope="session")
def automation() -> Automation:
    script = CHECKOUT / "tests" / "tool.py"
    done = subprocess.run(
        [sys.executable, script, "automation"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Automation(**{key: Path(value) for key, value in json.loads(done.stdout.splitlines()[-1]).items()})


@pytest.fixture(scope="session")
def installed() -> Path:
    """The collections folder in which the collection is installed from its tarball."""
    folders = map(Path, os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep))
    (only,) = (path for path in folders if (path / "ansible_collections/incident/distroless").is_dir())
    return only


@pytest.fixture(scope="session")
def warmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Return what calls modules, one for each of pytest's workers."""
    with ExitStack() as stack:
        yield stack.enter_context(warm(tmp_path_factory.mktemp("warm")))


@pytest.fixture
def call(tmp_path: Path, kubectl: Kubectl, warmed: Warm) -> Play:
    """Calls a module of the installed collection: as `play`, in a tenth of its time, and without ansible-playbook's own part."""
    return calling(warmed, kubectl.namespace, tmp_path)


def calling(warmed: Warm, namespace: str, folder: Path) -> Play:
    """Return what calls modules in a folder, with this namespace where none is given: `call` is it, for one test."""

    def run(
        module: str,
        *,
        check: bool = False,
        diff: bool = False,
        verbosity: int = 0,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Played:
        options.setdefault("namespace", namespace)
        task = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": verbosity}
        variables = {**as_user(), **(environment or {})}
        result, printed = warmed.call(module, {**options, **task}, folder, variables)
        assert result is not None, printed
        return Played(result, 0, printed)

    return run


def as_user() -> dict[str, str]:
    """The environment of one who uses the cluster as its administrator."""
    return {**os.environ, "K8S_AUTH_KUBECONFIG": os.environ.get("KUBECONFIG", str(STATE / "kubeconfig"))}


@pytest.fixture
def play(tmp_path: Path, kubectl: Kubectl) -> Play:
    """Runs one task of the installed collection by ansible-playbook and gives its registered result."""

    def run(
        module: str,
        *,
        check: bool = False,
        diff: bool = False,
        verbosity: int = 0,
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
        **options: Any,
    ) -> Played:
        # of its own: tasks may be begun side by side
        number = uuid.uuid4().hex
        result, book = tmp_path / f"result-{number}.json", tmp_path / f"play-{number}.yml"
        options.setdefault("namespace", kubectl.namespace)
        if options["namespace"] is None:  # some modules take none
            del options["namespace"]
        task = {f"incident.distroless.{module}": options, "register": "outcome", "ignore_errors": True}
        save = {
            "save_result": {"content": "{{ outcome | to_json }}", "dest": str(result)},
            "check_mode": False,
            "no_log": True,
        }
        book.write_text(
            yaml.safe_dump(
                [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, save]}]
            )
        )
        command = [
            *within,
            "ansible-playbook",
            str(book),
            *(["--check"] if check else []),
            *(["--diff"] if diff else []),
        ]
        if verbosity:
            command.append("-" + "v" * verbosity)
        variables = {
            **as_user(),
            "ANSIBLE_ACTION_PLUGINS": ACTIONS,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            **(environment or {}),
        }
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=variables,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        printed = done.stdout + done.stderr
        assert result.is_file(), printed
        return Played(json.loads(result.read_text(encoding="utf-8")), done.returncode, printed)

    return run
