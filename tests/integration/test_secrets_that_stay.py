# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that says its secrets in its log, on its command line, in its environment and in its files, and in all of these but
the command line the examples of each rule beside them; what roles tell of it has none."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import marked, own_rules

from .cases import command_line
from .conftest import Kubectl, pod_manifest
from .patience import PATIENCE

# in each secret, with a number and one of these: where it was
SECRET = "qV7xKd2w"
IN_LOG, IN_FILE, IN_COMMAND, IN_ENVIRONMENT = "log", "file", "argv", "env"
# {} is the secret
LINES = [
    # what the user's own rule tells alone
    "the order UX-{} is lost",
    "FATAL: password authentication failed, DB_PASSWORD={}",
    "Authorization: Bearer {}",
    "Cookie: sid={}; theme=dark",
    "dialing postgres://app:{}@127.0.0.1:5432/shop",
    "GET https://api.telegram.org/bot123456:{}/getMe",
    'level=info msg="login" client_secret={} took=3ms',
    '{{"level":"error","db":{{"password":"{}","port":5432}}}}',
    '{{"name":"FERNET_KEY","value":"{}"}}',
    "ldap_default_authtok = {} and more words",
    'requirepass "{} two words"',
    "sentinel auth-pass mymaster {}",
    "user app on >{} ~* +@all",
    '{{default_pass, <<"{}">>}}',
    "define('DB_PASSWORD', '{}');",
    "db.example:5432:shop:app:{}",
    "root:$6$saltsalt${}abcdefgh:19000:0:99999:7:::",
    "bob:{{SHA}}{}AAAAAAAA=",
    "SCRAM-SHA-256$4096:{}==$c3RvcmVk:c2VydmVy",
    "MAPBOX_KEY={}",
    "kind: Secret",
    "data:",
    "  db: {}",
    "password: |",
    "  {}",
    "-----BEGIN PRIVATE KEY-----",
    "MII{}",
    "-----END PRIVATE KEY-----",
]
WORDS = [
    "--password={}",
    "--api-token",
    "{}",
    "--dsn=postgres://app:{}@127.0.0.1:5432/shop",
    "DB_PASS={}",
    '{{"client_secret": "{}"}}',
]
ENVIRONMENT = {
    "DB_PASSWORD": "{}",
    "DATABASE_URL": "postgres://app:{}@127.0.0.1:5432/shop",
    # no name and no form tells it: values of the environment are nobody's
    "COLOUR": "{}",
    "CACHE_HOST": "redis://:{}@localhost:6379/0",
}
OWN_RULE = {
    "name": "order",
    "kind": "token",
    "keywords": ["ux-"],
    "pattern": "UX-[A-Za-z0-9]{4,40}",
    "source": "the shop's own orders",
    "match": ["order [[UX-12ab]] is lost"],
    "no_match": ["UX-"],
}
# the first run says it all and fails; the next goes on. The end of a line of a log is the end of the pod's first words
RUN = """\
cat /etc/shop/corpus
[ -e /volume/ran ] && sleep 100000
touch /volume/ran
exit 3
"""
EVENTS = """\
from __future__ import annotations

import json
import os
import re

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "name: events\\ntype: aggregate\\nshort_description: All that a callback gets\\noptions: {}\\n"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "events"

    def _keep(self, result, *_more, **_some):
        row = getattr(result, "_result", None) or getattr(result, "result", {})
        with open(os.environ["EVENTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(row, default=str) + "\\n")

    v2_runner_on_ok = v2_runner_on_failed = v2_runner_on_unreachable = v2_runner_on_skipped = _keep
    v2_runner_item_on_ok = v2_runner_item_on_failed = v2_runner_item_on_skipped = v2_runner_retry = _keep
"""


# what each rule must find, and what of it is the secret; another line between two keeps one from being a part of the other
EXAMPLES = [example for rule in own_rules() for example in rule.match]
PLAIN = [marked(example)[0].decode() for example in EXAMPLES]
# of values in several lines each line is one; what is short stands anywhere by chance
VALUES = {
    line
    for example in EXAMPLES
    for value in marked(example)[1]
    for line in value.decode().split("\n")
    if len(line) >= len("hunter2")
}


def filled(lines: list[str], where: str) -> list[str]:
    return [line.format(f"{SECRET}{number}{where}") for number, line in enumerate(lines)]


def found(text: str) -> list[str]:
    """The lines of a text that hold a secret, also in hexadecimal digits, as collectors send command lines, and as HTML writes it."""
    secrets = {SECRET, *VALUES}
    forms = secrets | {secret.encode().hex() for secret in secrets}
    lines = [*text.split("\n"), *html.unescape(text).split("\n")]
    return [f"{form}: {line[:300]}" for line in lines for form in forms if form in line]


@pytest.fixture(scope="module")
def talkative(kubectl: Kubectl) -> str:
    """The pod, in its second run."""
    examples = [line for number, plain in enumerate(PLAIN) for line in (plain, f"-- {number} --")]
    corpus = "\n".join([*filled(LINES, IN_FILE), *examples, *filled(LINES, IN_LOG)]) + "\n"
    corpus_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "corpus"}, "data": {"corpus": corpus}}
    kubectl.apply(corpus_map)
    variables = zip(ENVIRONMENT, filled([*ENVIRONMENT.values()], IN_ENVIRONMENT), strict=True)
    container = {
        # what stands after the script are its parameters, and on the command line
        "command": ["sh", "-c", RUN, "shop", *filled(WORDS, IN_COMMAND)],
        # those of URLs are above: each is a peer that is asked for
        "env": [
            *({"name": name, "value": value} for name, value in variables),
            *({"name": f"PLAIN_{number}", "value": plain} for number, plain in enumerate(PLAIN) if "://" not in plain),
        ],
        "volumeMounts": [
            {"name": "corpus", "mountPath": "/etc/shop"},
            {"name": "volume", "mountPath": "/volume"},
        ],
    }
    volumes = [{"name": "corpus", "configMap": {"name": "corpus"}}, {"name": "volume", "emptyDir": {}}]
    kubectl.apply(pod_manifest("talkative", "busybox:1.37", container=container, volumes=volumes))
    second = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
    kubectl.run("wait", "pod/talkative", second, f"--timeout={PATIENCE}s")
    kubectl.wait_until_running("talkative")
    return "talkative"


@pytest.fixture(scope="module")
def told(kubectl: Kubectl, talkative: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What one play of several roles told of it: place -> text."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "callbacks").mkdir()
    (folder / "rules").mkdir()
    (folder / "rules" / "own.yml").write_text(yaml.safe_dump([OWN_RULE]), encoding="utf-8")
    (folder / "callbacks" / "events.py").write_text(EVENTS, encoding="utf-8")
    roles = ("pod_triage", "crashloop_triage", "process_triage", "network_triage", "evidence_bundle")
    more: dict[str, Any] = {"evidence_bundle_redact": True, "evidence_bundle_files": ["/etc/shop/corpus"]}
    tasks: list[dict[str, Any]] = [
        {
            "ansible.builtin.include_role": {"name": f"incident.distroless.{role}"},
            "vars": {
                f"{role}_{key}": value
                for key, value in {
                    "namespace": kubectl.namespace,
                    "pod": talkative,
                    "dest": str(folder),
                    "case_id": role,
                    "redact_rules": [str(folder / "rules")],
                }.items()
            }
            | (more if role == "evidence_bundle" else {}),
        }
        for role in roles
    ]
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    _words, around = command_line("crashloop_triage", folder, {})
    own = {
        "EVENTS": str(folder / "events"),
        "ANSIBLE_CALLBACK_PLUGINS": str(folder / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "events",
    }
    done = subprocess.run(
        ["ansible-playbook", "-vvvv", str(book)],
        capture_output=True,
        text=True,
        env={**os.environ, **around, **own},
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    texts = {"stdout": done.stdout, "stderr": done.stderr, "events": (folder / "events").read_text(encoding="utf-8")}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        is_told = path.name in ("summary.md", "report.html") or name.startswith("evidence_bundle.redacted/")
        if path.is_file() and is_told:
            texts[name] = path.read_text(encoding="utf-8", errors="surrogateescape")
    texts["the case itself"] = "".join(
        path.read_text(encoding="utf-8", errors="surrogateescape")
        for role in roles
        for path in sorted((folder / role).rglob("*"))
        if path.is_file()
    )
    return texts


def test_what_roles_tell_of_a_pod_that_says_its_secrets_has_none_of_them(told: Mapping[str, str]) -> None:
    # each place is there, and speaks of the pod
    assert {
        "crashloop_triage/summary.md",
        "network_triage/report.html",
        "evidence_bundle.redacted/findings.json",
    } <= told.keys()
    assert "incident_distroless" in told["stdout"]
    assert json.loads(told["events"].split("\n", 1)[0])
    # and that there is something to hide
    last_words = f"{SECRET}{LINES.index('MII{}')}{IN_LOG}"
    assert all(
        secret in told["the case itself"] for secret in (last_words, f"{SECRET}0{IN_LOG}", f"{SECRET}0{IN_COMMAND}")
    )
    assert "It said last: [key-" in told["crashloop_triage/summary.md"].replace("\\", "")
    assert told["crashloop_triage/report.html"].count("[secret-") > len(LINES) / 2
    assert len(VALUES) > 40
    assert {value for value in VALUES if value in told["the case itself"]} == VALUES
    leaks = {place: found(text) for place, text in told.items() if place != "the case itself"}
    assert {place: lines for place, lines in leaks.items() if lines} == {}


def test_values_of_the_environment_are_not_even_in_the_case(told: Mapping[str, str]) -> None:
    assert re.findall(rf"{SECRET}[0-9]+{IN_ENVIRONMENT}", told["the case itself"]) == []
