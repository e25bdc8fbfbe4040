# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task in a child of Ansible's worker gives what the module gives. How it is interrupted is in test_interrupts.py."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ACTIONS, Kubectl, as_user, pod_manifest
from .patience import PATIENCE
from .test_secrets import Syslog

TEMPLATE = "{{ 7 * 7 }}"
SECRET = "correct-horse-9"


def raw(text: str) -> str:
    """Text that is no template in a playbook."""
    return f"{{% raw %}}{text}{{% endraw %}}"


def task(name: str, module: str, options: Mapping[str, Any], **keywords: Any) -> dict[str, Any]:
    """A task that registers its result under its name, whatever becomes of it."""
    return {f"incident.distroless.{module}": dict(options), "register": name, "ignore_errors": True, **keywords}


POD = {"pod": "api"}
LABELLED = {"kind": "Pod", "metadata": {"name": "api", "namespace": "{{ where }}", "labels": {"looked": "at"}}}
COPY = {"pod": "api", "copy_to": "api-copy"}

# the namespace of each comes from module_defaults
TASKS = [
    task("dry", "ephemeral_debug", POD, check_mode=True, diff=True),
    task("injected", "ephemeral_debug", {**POD, "env": {"TOKEN": SECRET}, "commands": ["id"]}, diff=True),
    task(
        "commanded",
        "ephemeral_debug",
        {
            **POD,
            "commands": [
                {"cmd": raw(f"echo '{TEMPLATE}'"), "dest": "{{ way }}/printed", "name": "shown"},
                {"argv": ["cat"], "stdin": "text"},
                raw(f"echo '{TEMPLATE}' > \"$TARGET_ROOT/data/{TEMPLATE}.log\""),
            ],
        },
    ),
    task("failed_command", "ephemeral_debug", {**POD, "commands": ["echo odd >&2; exit 3"]}),
    task("hidden", "ephemeral_debug", {**POD, "commands": [f"echo {SECRET}"]}, no_log=True),
    task("in_a_loop", "ephemeral_debug", {"pod": "{{ item }}", "commands": ["true"]}, loop=["api", "missing", "api"]),
    task(
        "until_it_is",
        "ephemeral_debug",
        {**POD, "commands": ['f="$TARGET_ROOT/data/tries"; echo x >> "$f"; wc -l < "$f"']},
        until="until_it_is.targets[0].commands[0].stdout | trim == '2'",
        retries=3,
        delay=0,
    ),
    task("too_late", "ephemeral_debug", {**POD, "commands": ["sleep 20"]}, timeout=3),
    task("nowhere", "ephemeral_debug", {"pod": "missing"}),
    task("unknown_option", "ephemeral_debug", {**POD, "nonsense": True}),
    task("unverified", "ephemeral_debug", {**POD, "validate_certs": False, "commands": ["true"]}),
    task("behind", "ephemeral_debug", {**POD, "commands": ["true"]}, **{"async": 120, "poll": 1}),
    task("elsewhere", "ephemeral_debug", {**POD, "commands": ["true"]}, environment={"SOME": "variable"}),
    task(
        "would_fetch",
        "proc_fs_fetch",
        {**POD, "src": ["/data"], "dest": "{{ way }}/home", "compress": "none"},
        check_mode=True,
        diff=True,
    ),
    task(
        "fetched",
        "proc_fs_fetch",
        {**POD, "src": ["/data", "/missing"], "dest": "{{ way }}/home", "compress": "none"},
        diff=True,
    ),
    task("fetched_again", "proc_fs_fetch", {**POD, "src": "/data", "dest": "{{ way }}/home", "compress": "none"}),
    task("copied", "debug_pod", {**COPY, "wait": False}, diff=True),
    task("copy_gone", "debug_pod", {**COPY, "state": "absent", "wait": False}),
    task(
        "said",
        "pod_logs",
        {"containers": [{"pod": "talker", "container": "app"}, {"pod": "missing", "container": "app"}]},
    ),
    task("kept", "evidence_api", {"pods": [POD], "dest": "{{ way }}/api", "what": ["pod", "logs", "owners"]}),
    task(
        "asked",
        "api_objects",
        {"requests": [{"kind": "Service", "name": "shop"}, {"kind": "Pod", "name": "missing"}]},
    ),
    task("foretold", "preflight", {**POD, "uses": ["look", "copy"]}),
    task("would_change", "api_change", {"state": "patched", "definition": LABELLED}, check_mode=True, diff=True),
    task("changed", "api_change", {"state": "patched", "definition": LABELLED}, diff=True),
    task("unchanged", "api_change", {"state": "patched", "definition": LABELLED}),
]
# those that a child does not do: all others it does
BY_MODULE = {"behind", "elsewhere"}


@dataclass(frozen=True, slots=True)
class Way:
    """What came of the play, without what is another in each run: the registered results, what went to syslog, what was printed,
    and the files that were brought home."""

    results: dict[str, Any]
    logged: list[str]
    printed: str
    files: dict[str, str]


def run(folder: Path, kubectl: Kubectl, way: str, syslog: Syslog) -> Way:
    """Run the play as people do who look closely; way: `child` or `module`."""
    names = [entry["register"] for entry in TASKS]
    kept = folder / f"{way}.json"
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    save = {"save_result": {"content": content, "dest": str(kept)}, "no_log": True}
    defaults = {"group/incident.distroless.k8s": {"namespace": kubectl.namespace}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "module_defaults": defaults}
    variables = {"way": way, "where": kubectl.namespace}
    book = folder / f"{way}.yml"
    book.write_text(yaml.safe_dump([{**play, "vars": variables, "tasks": [*TASKS, save]}], sort_keys=False))
    environment = {
        **as_user(),
        "ANSIBLE_ACTION_PLUGINS": ACTIONS,
        "ANSIBLE_INJECT_INVOCATION": "true",
        "ANSIBLE_NOCOLOR": "true",
        "INCIDENT_DISTROLESS_IN_PROCESS": str(int(way == "child")),
    }
    command = [*syslog.within, "ansible-playbook", "-vvv", str(book)]
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert kept.is_file(), printed

    def plain(text: str) -> str:
        return alike(text, kubectl.namespace, way)

    home = folder / way
    files = {str(path.relative_to(home)): path for path in home.rglob("*") if path.is_file()}
    return Way(
        {
            name: json.loads(plain(json.dumps(without_varying(result))))
            for name, result in json.loads(kept.read_text()).items()
        },
        [line for line in plain(syslog.text()).splitlines() if "ansible-incident.distroless." in line],
        printed,
        {
            plain(name): plain(path.read_text(errors="replace"))
            for name, path in files.items()
            if path.suffix != ".json"
        },
    )


@pytest.fixture(scope="module")
def ways(make_namespace: Callable[..., Kubectl], tmp_path_factory: pytest.TempPathFactory) -> tuple[Way, Way]:
    """The same play in children and by modules, each against pods of its own that are alike."""
    folder = tmp_path_factory.mktemp("ways")
    with ThreadPoolExecutor() as pool:
        child, module = pool.map(
            lambda way: observed(make_namespace(), folder, way, tmp_path_factory.mktemp("log")), ("child", "module")
        )
    return child, module


def observed(kubectl: Kubectl, folder: Path, way: str, log: Path) -> Way:
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    says = {"command": ["sh", "-c", f"echo '{TEMPLATE}'; exec sleep 3600"]}
    kubectl.apply(pod_manifest("talker", "busybox:1.37", container=says))
    shop = {"selector": {"app": "api"}, "ports": [{"port": 80}]}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": shop})
    for pod in ("api", "talker"):
        kubectl.wait_until_running(pod)
    syslog = Syslog(log)
    try:
        return run(folder, kubectl, way, syslog)
    finally:
        syslog.close()


# what is made at random, measured, or counted by the cluster
VARYING = {
    *("ansible_job_id", "results_file", "frame", "dest_b64"),
    *("delta", "elapsed", "offset", "uncertainty", "audit_id", "date", "transferred_bytes"),
    *("resourceVersion", "managedFields", "mtime"),
    # preflight's, in which the clocks' row stands once more
    "table",
}
PATTERNS = {
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?": "<time>",
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d": "<time>",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uid>",
    r"containerd://[0-9a-f]{64}": "<container>",
    r"debugger-[0-9a-f]{8}": "<debugger>",
    r"incident-distroless-[0-9a-f]{8}": "<condition>",
    r"(distroless/request: )\w+": r"\1<digest>",
    r"\b10\.\d+\.\d+\.\d+": "<address>",
    r"after \d+(\.\d+)? s": "after <seconds>",
    r"kube-api-access-\w{5}": "<volume>",
    r"(ansible-[\w.]+)\[\d+\]": r"\1",
    r"j\d{6,}\.\d+": "<job>",
}


def alike(text: str, namespace: str, way: str) -> str:
    """A text in which the names of this run are none."""
    text = text.replace(namespace, "<namespace>").replace(f"/{way}/", "/<way>/")
    for pattern, word in PATTERNS.items():
        text = re.sub(pattern, word, text)
    return text


def without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_varying(entry) for key, entry in value.items() if key not in VARYING}
    if not isinstance(value, list):
        return value
    # a busy machine can tell less of the server's clock
    return [
        without_varying(entry) for entry in value if not (isinstance(entry, dict) and entry.get("check") == "clocks")
    ]


@pytest.mark.bulk
def test_every_module_gives_the_same_both_ways(ways: tuple[Way, Way]) -> None:
    child, module = ways
    given = [{"results": way.results, "logged": way.logged, "files": way.files} for way in ways]
    pages = [json.dumps(page, indent=1, sort_keys=True).splitlines() for page in given]
    assert "\n".join(unified_diff(*pages, "child", "module", n=8, lineterm="")) == ""
    # what was asked for was in the play: what a child gave is not the same only for want of anything
    results = child.results
    assert results["until_it_is"]["attempts"] == 2
    assert [item["failed"] for item in results["in_a_loop"]["results"]] == [False, True, False]
    assert results["too_late"]["timedout"]
    assert results["commanded"]["targets"][0]["commands"][0]["stdout"] == f"{TEMPLATE}\n"
    assert [row["status"] for row in results["foretold"]["uses"]] == ["ok", "ok"]
    assert results["said"]["logs"][0]["log"] == f"{TEMPLATE}\n"
    assert f"home/<namespace>/api/app/data/{TEMPLATE}.log" in child.files
    assert results["unverified"]["warnings"] == module.results["unverified"]["warnings"] != []
    # who did it: the loop has three items, and one task ran twice
    assert child.printed.count("FORK a child") == len(TASKS) - len(BY_MODULE) + 3
    assert module.printed.count("FORK a child") == 0
    assert [SECRET in way.printed for way in ways] == [False, False]
