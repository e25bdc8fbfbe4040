# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What AWX's extra variables become in each role on the ansible-core of this run, which may read a text as YAML once more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible_collections
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.release import __version__ as core
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._options import kinds
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import Owner, Taken, catalog, take

from tests.tools import values
from tests.unit.support.awx import extra_vars

# from 2.19 on a text that is tagged !unsafe is resolved as if it was plain
READS_AGAIN = tuple(int(part) for part in core.split(".")[:2]) >= (2, 19)
OWNERS = [pytest.param(owner, id=owner.name) for owner in catalog().values()]
NEEDED = {"quarantine": ("namespace", "pod"), "fetch_files": ("src",), "evidence_verify": ("path",)}
NEEDED["preflight"] = ("namespaces",)
NEEDED["awx_setup"] = ("image", "project_url", "kubernetes_host", "kubernetes_token")


def answered(owner: Owner, **answers: Any) -> Taken:
    """What becomes of a survey's answers."""
    needed = {f"{owner.name}_{name}": "needed" for name in NEEDED.get(owner.name, ())}
    text = extra_vars({**needed, **{f"{owner.name}_{name}": value for name, value in answers.items()}})
    return take(owner, DataLoader().load(text), {"cases": "/cases", "examiner": "me"})


def option_of(owner: Owner) -> str:
    """An option of this one that takes any text."""
    return {"fetch_files": "pod", "evidence_verify": "sums_sha256", "awx_setup": "name", "preflight": "pod"}.get(
        owner.name, "reason"
    )


@pytest.mark.parametrize("owner", OWNERS)
def test_an_unanswered_question_is_as_if_it_was_not_asked(owner: Owner) -> None:
    needed = NEEDED.get(owner.name, ())
    unanswered = {option.name: "" for option in owner.options if option.name not in needed}
    assert answered(owner, **unanswered) == answered(owner)
    assert answered(owner, **dict.fromkeys(unanswered)) == answered(owner)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(
    ("answer", "before", "since"),
    [
        ("5", "5", "5"),
        ("4711", "4711", "4711"),
        ("true", "true", "true"),
        ("12:30:00", "12:30:00", "45000"),
        ("0x10", "0x10", "16"),
        ("1.5", "1.5", "1.5"),
        ("2026-11-29", "2026-11-29", "2026-11-29"),
        ("yes", "yes", "true"),
        ("~", "~", None),
        ("api-0", "api-0", "api-0"),
        ("[1]", "[1]", "[1]"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}", "{{ 7 * 7 }}"),
        ("it's", "it's", "it's"),
    ],
)
def test_an_answer_for_text_is_text(owner: Owner, answer: str, before: str, since: str | None) -> None:
    name = option_of(owner)
    found = answered(owner, **{name: answer})
    wanted = since if READS_AGAIN else before
    assert found.options[name] == (answered(owner).options[name] if wanted is None else wanted)
    # who gets another spelling than the one that was written is told
    if wanted not in (answer, None):
        assert [note for note in found.notes if f"{owner.name}_{name} takes" in note]


@pytest.mark.parametrize("owner", OWNERS)
def test_each_role_makes_of_a_value_what_the_page_says(owner: Owner) -> None:
    given = [*values.TEXTS, *values.VALUES]
    arrived = DataLoader().load(extra_vars({"values": given}))["values"]
    needed = {f"{owner.name}_{name}": "needed" for name in NEEDED.get(owner.name, ())}
    computed = {"cases": "/cases", "examiner": "me"}
    usual = take(owner, needed, computed).options
    wrong = []
    for option in owner.options:
        variable = owner.variable(option)
        nothing = f"{values.REFUSED} {variable} is needed." if option.is_required else json.dumps(usual[option.name])
        for value, there in zip(given, arrived, strict=True):
            meant = values.read_again(value) if READS_AGAIN else value
            said = values.becomes(option.kind, meant, kinds, kinds.Place(variable, option.is_secret))
            is_empty = said in ("[]", '""', "{}", "0", "false") and option.is_required
            try:
                made = take(owner, {**needed, variable: there}, computed).options[option.name]
                found = json.dumps(made, ensure_ascii=False)
            except Failure as failure:
                found = f"{values.REFUSED} {failure.message}"
            if found != (nothing if said == "-" or is_empty else said):
                wrong.append((option.name, value, said, found))
    assert wrong == []


@pytest.mark.parametrize(
    ("role", "option", "answer", "value"),
    [
        ("process_triage", "indicators", '{"names":["xmrig"]}', {"names": ["xmrig"]}),
        ("process_triage", "indicators", "names: xmrig", {"names": ["xmrig"]}),
        (
            "disk_triage",
            "debug",
            '{"image": "registry.example/busybox:1", "ttl": "60"}',
            {"image": "registry.example/busybox:1", "ttl": 60},
        ),
        ("network_triage", "names", "orders", ["orders"]),
        ("network_triage", "tls_ports", "8443", [8443]),
        ("network_triage", "tls_ports", "443,8443", [443, 8443]),
        ("network_triage", "peers", "db:5432\ntls://api:443", ["db:5432", "tls://api:443"]),
        ("network_triage", "capture_filter", "tcp port 80, or 443", "tcp port 80, or 443"),
        ("quarantine", "keep_labels", "app", ["app"]),
        ("quarantine", "probes", "db:5432,10.0.0.1:443", ["db:5432", "10.0.0.1:443"]),
        ("evidence_bundle", "files", "/data/a, b\n/var/log/*", ["/data/a, b", "/var/log/*"]),
        ("evidence_bundle", "deliver_headers", '{"x-amz-acl": "private"}', {"x-amz-acl": "private"}),
        ("crashloop_triage", "copy", "true", True),
        ("crashloop_triage", "label_selectors", "app in (a,b),tier=web", ["app in (a,b)", "tier=web"]),
        ("fetch_files", "src", "/etc/a,b", ["/etc/a,b"]),
        ("disk_triage", "max_pods", "3", 3),
        ("disk_triage", "deleted_size", "1048576", "1048576"),
        ("disk_triage", "collectors", "checks/mine", ["checks/mine"]),
    ],
)
def test_an_answer_for_something_else_is_that(role: str, option: str, answer: str, value: object) -> None:
    assert answered(catalog()[role], **{option: answer}).options[option] == value


# an answer for each question that is none of words to choose from, and what it means
ANSWERS: dict[str, tuple[Any, Any]] = {
    "namespace": ("shop", "shop"),
    "namespaces": ("shop\npay", ["shop", "pay"]),
    "pod": ("api-0", "api-0"),
    "workload": ("deployment/api", "deployment/api"),
    "label_selectors": ("app in (a, b)\ntier=web", ["app in (a, b)", "tier=web"]),
    # AWX makes a number of what is asked for as one
    "max_pods": (25, 25),
    "container": ("app", "app"),
    "image": ("registry.example:5000/busybox:1.37", "registry.example:5000/busybox:1.37"),
    "peers": ("db:5432\ntls://api:443", ["db:5432", "tls://api:443"]),
    "probes": ("db:5432\n10.0.0.1:443", ["db:5432", "10.0.0.1:443"]),
    "fetch": ("/data/a, b\n/var/log/*", ["/data/a, b", "/var/log/*"]),
    "reason": ("page 12", "page 12"),
    "deliver_url": ("https://store.example/a?b=c", "https://store.example/a?b=c"),
    "deliver_s3_bucket": ("evidence", "evidence"),
    "uses": ("look\nquarantine", ["look", "quarantine"]),
}
SURVEYS = yaml.safe_load(
    (Path(__file__).parents[3] / "playbooks" / "vars" / "awx_job_templates.yml").read_text(encoding="utf-8")
)["awx_setup_job_templates"]


@pytest.mark.parametrize("template", SURVEYS, ids=lambda template: template["playbook"])
def test_each_question_of_a_survey_is_answered_as_awx_writes_it(template: dict[str, Any]) -> None:
    owner = catalog()[template["playbook"]]
    questions = {question["variable"].removeprefix(f"{owner.name}_"): question for question in template["survey"]}
    for position in (0, -1):
        chosen = {name: question["choices"][position] for name, question in questions.items() if "choices" in question}
        wanted = {name: {"true": True, "false": False}.get(word, word) for name, word in chosen.items()}
        answers = chosen | {name: ANSWERS[name][0] for name in questions if name not in chosen}
        wanted |= {name: ANSWERS[name][1] for name in questions if name not in chosen}
        options = answered(owner, **answers).options
        assert {name: options[name] for name in questions} == wanted
        # one question for what is a key of a mapping
        assert options.get("debug", {}) == ({"image": wanted["image"]} if "debug" in options else {})


@pytest.mark.parametrize(
    ("role", "option", "answer"),
    [
        ("process_triage", "indicators", "xmrig"),
        ("process_triage", "indicators", '{"name": "xmrig"}'),
        ("disk_triage", "debug", '{"imgae": "x"}'),
        ("disk_triage", "debug", "busybox"),
        ("network_triage", "tls_ports", "https"),
        ("network_triage", "names", "-x $(id)"),
        ("network_triage", "timeout", "60"),
        ("quarantine", "state", "gone"),
        ("quarantine", "force", "maybe"),
        ("quarantine", "debug", '{"run_as_user": 0}'),
        ("evidence_bundle", "case_id", "../../etc"),
        ("crashloop_triage", "fail_on", "true"),
    ],
)
def test_an_answer_that_is_no_value_is_refused_by_its_name(role: str, option: str, answer: str) -> None:
    with pytest.raises(Failure, match=f"^{role}_{option}"):
        answered(catalog()[role], **{option: answer})


def play(
    folder: Path, answers: dict[str, Any], tasks: list[dict[str, Any]], *words: str
) -> subprocess.CompletedProcess[str]:
    """Runs tasks with answers as extra variables, by the ansible-playbook of this run."""
    (folder / "extravars").write_text(extra_vars(answers), encoding="utf-8")
    playbook = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (folder / "play.yml").write_text(yaml.safe_dump(playbook), encoding="utf-8")
    places = os.pathsep.join(str(Path(place).parent) for place in ansible_collections.__path__)
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "play.yml", "-e", "@extravars", *words],
        cwd=folder,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": places,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def taking_in(role: str) -> dict[str, Any]:
    return {"name": f"Take {role} in", "incident.distroless.role_options": {"role": role}, "register": f"{role}_given"}


def test_a_play_works_with_what_was_taken_in_and_runs_no_template_of_an_answer(tmp_path: Path) -> None:
    hostile = "{{ lookup('ansible.builtin.pipe', 'touch ran') }}"
    answers = {
        "disk_triage_reason": hostile,
        "disk_triage_pod": "",
        "disk_triage_max_pods": "3",
        "disk_triage_debug": json.dumps({"image": "busybox", "env": {"A": hostile}}),
        "evidence_bundle_redact_salt": "hunter2",
        "evidence_bundle_debug": {"env": {"TOKEN": "hunter2"}},
        "process_triage_indicators": '{"names":["xmrig"]}',
        "quarantine_namespace": "shop",
        "quarantine_pod": "5",
        "awx_user_name": "1234",
    }
    wanted = {
        "reason": "{{ disk_triage_given.options.reason }}",
        "pod": "{{ disk_triage_given.options.pod }}",
        "max_pods": "{{ disk_triage_given.options.max_pods }}",
        "examiner": "{{ disk_triage_given.options.examiner }}",
        "image": "{{ disk_triage_given.options.debug.image }}",
        "env": "{{ disk_triage_given.options.debug.env.A }}",
        "names": "{{ process_triage_given.settings.indicators.names }}",
        "quarantined": "{{ quarantine_given.options.pod }}",
    }
    tasks = [taking_in(role) for role in ("disk_triage", "evidence_bundle", "process_triage", "quarantine")]
    tasks += [
        {"name": "Keep as a fact", "ansible.builtin.set_fact": {"kept": "{{ disk_triage_given.options.reason }}"}}
    ]
    content = {"kept": "{{ kept }}", **wanted}
    tasks += [
        {
            "name": "Write",
            "ansible.builtin.copy": {"dest": "{{ playbook_dir }}/found", "content": content, "mode": "0600"},
        }
    ]
    done = play(tmp_path, answers, tasks, "-vv")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {name: str(value) for name, value in json.loads((tmp_path / "found").read_text(encoding="utf-8")).items()}
    assert found == {
        "kept": hostile,
        "reason": hostile,
        "pod": "",
        "max_pods": "3",
        "examiner": "1234",
        "image": "busybox",
        "env": hostile,
        "names": "['xmrig']",
        "quarantined": "5",
    }
    assert not (tmp_path / "ran").exists()
    assert "hunter2" not in done.stdout + done.stderr


def test_a_play_ends_at_once_where_an_answer_is_no_value(tmp_path: Path) -> None:
    tasks = [taking_in("disk_triage"), {"name": "Go on", "ansible.builtin.debug": {"msg": "went on"}}]
    done = play(tmp_path, {"disk_triage_max_pods": "ten", "disk_triage_debug": '{"env": "hunter2"}'}, tasks)
    assert done.returncode == 2
    printed = done.stdout + done.stderr
    assert "disk_triage_max_pods: expected a whole number of 1 or more" in printed
    assert "disk_triage_debug.env: expected" in printed
    assert "went on" not in printed
    assert "hunter2" not in printed
    assert "Traceback" not in printed
