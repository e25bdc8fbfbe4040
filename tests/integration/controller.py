# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for AWX: answers what awx.awx asks as AWX 24's REST API does, keeps what was made, and records each request.

No AWX ran for these tests. What is done here as AWX 24.6.1 does it: the token is checked, that what is referred to exists, that a
project has a template's playbook, that only a source of SCM has a path, and a survey's questions (awx/api/views,
JobTemplateSurveySpec); secrets come back as $encrypted$; empty inputs of a credential are dropped; a project's update can fail, and
then the project has no playbooks; what a job gets of a credential is computed as by awx/main/models/credential/injectors.py.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

TOKEN = "a-token-of-awx"
TYPES = {
    "organizations": "organization",
    "credential_types": "credential_type",
    "execution_environments": "execution_environment",
    "projects": "project",
    "credentials": "credential",
    "inventories": "inventory",
    "inventory_sources": "inventory_source",
    "hosts": "host",
    "job_templates": "job_template",
    "labels": "label",
    "notification_templates": "notification_template",
}
# what a template has several of, and where those are
LISTS = {
    "credentials": "credentials",
    "labels": "labels",
    "notification_templates_error": "notification_templates",
}
REFERENCES = {singular: plural for plural, singular in TYPES.items()} | {
    "default_environment": "execution_environments",
    "source_project": "projects",
}
SECRETS = ("bearer_token", "password", "ssl_ca_cert")
QUESTIONS = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
Thing = dict[str, Any]


@dataclass(slots=True)
class Controller:
    """What is there, as AWX has it after its installation, and what was asked."""

    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    things: dict[str, dict[int, Thing]] = field(default_factory=lambda: {plural: {} for plural in TYPES})
    surveys: dict[int, Thing] = field(default_factory=dict)
    # by a template's number and which of its lists
    attached: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    # what an update of a project finds in its repository, and how many updates fail before one does not
    playbooks: frozenset[str] = frozenset()
    updates_to_fail: int = 0
    updates: list[Thing] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self.make("organizations", {"name": "Default"})
        self.make("credential_types", {"name": "OpenShift or Kubernetes API Bearer Token", "kind": "kubernetes"})

    def make(self, plural: str, fields: Thing) -> Thing:
        number = 1 + sum(len(rows) for rows in self.things.values())
        url = f"/api/v2/{plural}/{number}/"
        related = {key: f"{url}{key}/" for key in ("survey_spec", "update", *LISTS)}
        thing = {"id": number, "type": TYPES[plural], "url": url, "related": related, "summary_fields": {}, **fields}
        self.things[plural][number] = thing
        if plural == "projects":
            thing |= {"scm_revision": "", "playbooks": frozenset()}
        return thing

    def environment(self, template: str) -> dict[str, str]:
        """Return what a job of a template gets of its cluster; a certificate authority as text, where AWX names a file."""
        (inputs,) = (
            self.things["credentials"][number]["inputs"]
            for number in self.attached[self.named("job_templates")[template]["id"], "credentials"]
            if "bearer_token" in self.things["credentials"][number]["inputs"]
        )
        given = {"K8S_AUTH_HOST": inputs.get("host", ""), "K8S_AUTH_API_KEY": inputs.get("bearer_token", "")}
        if inputs.get("verify_ssl") and "ssl_ca_cert" in inputs:
            return {**given, "K8S_AUTH_VERIFY_SSL": "True", "K8S_AUTH_SSL_CA_CERT": inputs["ssl_ca_cert"]}
        return {**given, "K8S_AUTH_VERIFY_SSL": "False"}

    def named(self, plural: str) -> dict[str, Thing]:
        return {thing["name"]: thing for thing in self.things[plural].values()}

    def changes(self) -> list[tuple[str, str, Any]]:
        return [request for request in self.requests if request[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and document for one request."""
        match [part for part in path.removeprefix("/api/v2/").split("/") if part]:
            case ["project_updates", number] if method == "GET":
                return 200, self.updates[int(number) - 1]
            case ["projects", number, "update"] if method == "POST":
                return 202, self._update(self.things["projects"][int(number)])
            case [plural] if plural in TYPES:
                return self._list(plural, query) if method == "GET" else self._create(plural, body)
            case [plural, number] if self.things.get(plural, {}).get(int(number)):
                thing = self.things[plural][int(number)]
                if method == "PATCH" and (complaint := self._complaint({**thing, **body})):
                    return 400, complaint
                thing.update(kept(body, thing) if method == "PATCH" else {})
                return 200, self._shown(thing)
            case ["job_templates", number, "survey_spec"]:
                return self._survey(int(number), method, body)
            case ["job_templates", number, part] if part in LISTS:
                return self._attach(int(number), part, method, body)
        return 404, {"detail": "Not found."}

    def _list(self, plural: str, query: dict[str, str]) -> tuple[int, Any]:
        found = [thing for thing in self.things[plural].values() if all(_fits(thing, *pair) for pair in query.items())]
        return 200, {
            "count": len(found),
            "next": None,
            "previous": None,
            "results": [self._shown(thing) for thing in found],
        }

    def _create(self, plural: str, body: Thing) -> tuple[int, Any]:
        if complaint := self._complaint(body):
            return 400, complaint
        if any(
            all(thing.get(key) == body.get(key) for key in ("name", "organization"))
            for thing in self.things[plural].values()
        ):
            return 400, {"__all__": ["An object with this name and organization already exists."]}
        thing = self.make(plural, kept(body, {}))
        if plural != "projects":
            return 201, self._shown(thing)
        # AWX begins to bring a project home as soon as it is made
        return 201, {**self._shown(thing), "summary_fields": {"current_update": {"id": self._update(thing)["id"]}}}

    def _update(self, project: Thing) -> Thing:
        """Brings a project home, or fails to. Here it is over at once."""
        number = len(self.updates) + 1
        fails, self.updates_to_fail = self.updates_to_fail > 0, max(0, self.updates_to_fail - 1)
        if not fails:
            project |= {"scm_revision": "a" * 40, "playbooks": self.playbooks}
        update = {
            "id": number,
            "url": f"/api/v2/project_updates/{number}/",
            "scm_revision": project["scm_revision"],
            "status": "failed" if fails else "successful",
            "failed": fails,
            "finished": "2026-11-29T12:30:00Z",
            "result_traceback": "",
        }
        self.updates.append(update)
        return update

    def _shown(self, thing: Thing) -> Thing:
        """Return a thing as the API shows it: without its secrets, a template with its credentials."""
        inputs = {**thing.get("inputs", {})}
        found = {key: value for key, value in thing.items() if key != "playbooks"}
        if inputs:
            found["inputs"] = inputs | {key: "$encrypted$" for key in inputs if key in SECRETS}
        if thing["type"] == "job_template":
            rows = {
                part: [
                    {"id": number, "name": self.things[part][number]["name"]} for number in self._its(thing["id"], part)
                ]
                for part in ("credentials", "labels")
            }
            # AWX counts labels, and not credentials
            labels = {"count": len(rows["labels"]), "results": rows["labels"]}
            found["summary_fields"] = {"credentials": rows["credentials"], "labels": labels}
        return found

    def _complaint(self, body: Thing) -> Thing | None:
        for key, value in body.items():
            plural = REFERENCES.get(key)
            if plural and value not in self.things[plural]:
                return {key: [f'Invalid pk "{value}" - object does not exist.']}
        if "source_path" in body and body.get("source") != "scm":
            # InventorySourceSerializer.validate
            return {"detail": ["Cannot set source_path if not SCM type."]}
        if "playbook" in body and body["playbook"] not in self.things["projects"][body["project"]]["playbooks"]:
            return {"playbook": ["Playbook not found for project."]}
        return None

    def _survey(self, number: int, method: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.surveys.get(number, {})
        if error := survey_error(body):
            return 400, {"error": error}
        self.surveys[number] = body
        return 200, {}

    def _its(self, template: int, part: str) -> list[int]:
        return self.attached.setdefault((template, part), [])

    def _attach(self, template: int, part: str, method: str, body: Any) -> tuple[int, Any]:
        attached, known = self._its(template, part), self.things[LISTS[part]]
        if method == "GET":
            rows = [self._shown(known[each]) for each in attached]
            return 200, {"count": len(rows), "next": None, "previous": None, "results": rows}
        if body["id"] not in known:
            return 400, {"detail": "no such object"}
        if body.get("disassociate"):
            attached.remove(body["id"])
        else:
            attached.append(body["id"])
        return 204, None


def _fits(thing: Thing, key: str, wanted: str) -> bool:
    return key in ("page_size", "order_by") or str(thing.get(key.removeprefix("or__"), "")) == wanted


def kept(body: Thing, before: Thing) -> Thing:
    """Return what AWX keeps of a request: inputs that are empty are dropped, and $encrypted$ stands for what was there."""
    if "inputs" not in body:
        return body
    inputs = {
        key: before["inputs"][key] if value == "$encrypted$" else value
        for key, value in body["inputs"].items()
        if value != ""
    }
    return {**body, "inputs": inputs}


def survey_error(survey: Thing) -> str | None:
    """Return what AWX says of a survey that it does not take."""
    if not all(
        isinstance(survey.get(key), kind) for key, kind in (("name", str), ("description", str), ("spec", list))
    ):
        return "Field is missing from survey spec."
    if not survey["spec"]:
        return "'spec' doesn't contain any items."
    variables: set[str] = set()
    for index, question in enumerate(survey["spec"]):
        for key, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if not isinstance(question.get(key), kind):
                return f"'{key}' in survey question {index} expected to be {kind.__name__}."
        if question["variable"] in variables or question["type"] not in QUESTIONS:
            return f"survey question {index} is one too many, or of an unknown type."
        variables.add(question["variable"])
        if not isinstance(question.get("default", ""), str):
            return f"Default value in survey question {index} expected to be string."
        if not all(isinstance(question.get(key, 0), int) for key in ("min", "max")):
            return f"The limit in survey question {index} expected to be integer."
        if question["type"].startswith("multi") and question.get("default", "") not in question.get("choices", []):
            return "Default choice must be answered from the choices listed."
    return None


@contextmanager
def running() -> Iterator[Controller]:
    """One that listens on a port of this machine."""
    controller = Controller()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Says nothing: the requests are recorded."""

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            controller.requests.append((self.command, parts.path, body))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, document = 401, {"detail": "Authentication credentials were not provided."}
            elif not re.fullmatch(r"/api/v2/[a-z_]+/(\d+/([a-z_]+/)?)?", parts.path):
                status, document = 404, {"detail": "Not found."}
            else:
                status, document = controller.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
            data = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    controller.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield controller
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
