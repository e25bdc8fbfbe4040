# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for AWX: answers what awx.awx asks as AWX 24's REST API does, keeps what was made, and records each request.

No AWX ran for these tests. What is checked here as AWX checks it: the token, that what is referred to exists, and a survey's
questions (awx/api/views, JobTemplateSurveySpec); secrets come back as $encrypted$.
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
    "hosts": "host",
    "job_templates": "job_template",
}
REFERENCES = {singular: plural for plural, singular in TYPES.items()} | {
    "default_environment": "execution_environments"
}
QUESTIONS = ("text", "textarea", "password", "multiplechoice", "multiselect", "integer", "float")
Thing = dict[str, Any]


@dataclass(slots=True)
class Controller:
    """What is there, as AWX has it after its installation, and what was asked."""

    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    things: dict[str, dict[int, Thing]] = field(default_factory=lambda: {plural: {} for plural in TYPES})
    surveys: dict[int, Thing] = field(default_factory=dict)
    attached: dict[int, list[int]] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.make("organizations", {"name": "Default"})
        self.make("credential_types", {"name": "OpenShift or Kubernetes API Bearer Token", "kind": "kubernetes"})

    def make(self, plural: str, fields: Thing) -> Thing:
        number = 1 + sum(len(rows) for rows in self.things.values())
        url = f"/api/v2/{plural}/{number}/"
        related = {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}
        thing = {"id": number, "type": TYPES[plural], "url": url, "related": related, "summary_fields": {}, **fields}
        if plural == "projects":
            # AWX begins to bring a project home as soon as it is made
            thing |= {"scm_revision": "", "summary_fields": {"current_update": {"id": number}}}
        self.things[plural][number] = thing
        return thing

    def named(self, plural: str) -> dict[str, Thing]:
        return {thing["name"]: thing for thing in self.things[plural].values()}

    def changes(self) -> list[tuple[str, str, Any]]:
        return [request for request in self.requests if request[0] != "GET"]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Status and document for one request."""
        match [part for part in path.removeprefix("/api/v2/").split("/") if part]:
            case ["project_updates", _number] if method == "GET":
                return 200, {"status": "successful"}
            case [plural] if plural in TYPES:
                return self._list(plural, query) if method == "GET" else self._create(plural, body)
            case [plural, number] if self.things.get(plural, {}).get(int(number)):
                thing = self.things[plural][int(number)]
                if method == "PATCH" and (complaint := self._complaint(body)):
                    return 400, complaint
                thing.update(body if method == "PATCH" else {})
                return 200, shown(thing)
            case ["job_templates", number, "survey_spec"]:
                return self._survey(int(number), method, body)
            case ["job_templates", number, "credentials"]:
                return self._credentials(int(number), method, body)
        return 404, {"detail": "Not found."}

    def _list(self, plural: str, query: dict[str, str]) -> tuple[int, Any]:
        found = [thing for thing in self.things[plural].values() if all(_fits(thing, *pair) for pair in query.items())]
        return 200, {"count": len(found), "next": None, "previous": None, "results": [shown(thing) for thing in found]}

    def _create(self, plural: str, body: Thing) -> tuple[int, Any]:
        if complaint := self._complaint(body):
            return 400, complaint
        if any(
            all(thing.get(key) == body.get(key) for key in ("name", "organization"))
            for thing in self.things[plural].values()
        ):
            return 400, {"__all__": ["An object with this name and organization already exists."]}
        return 201, shown(self.make(plural, body))

    def _complaint(self, body: Thing) -> Thing | None:
        for key, value in body.items():
            plural = REFERENCES.get(key)
            if plural and value not in self.things[plural]:
                return {key: [f'Invalid pk "{value}" - object does not exist.']}
        return None

    def _survey(self, number: int, method: str, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, self.surveys.get(number, {})
        if error := survey_error(body):
            return 400, {"error": error}
        self.surveys[number] = body
        return 200, {}

    def _credentials(self, number: int, method: str, body: Any) -> tuple[int, Any]:
        attached = self.attached.setdefault(number, [])
        if method == "GET":
            rows = [shown(self.things["credentials"][each]) for each in attached]
            return 200, {"count": len(rows), "next": None, "previous": None, "results": rows}
        if body["id"] not in self.things["credentials"]:
            return 400, {"detail": "no such credential"}
        attached.append(body["id"])
        return 204, None


def _fits(thing: Thing, key: str, wanted: str) -> bool:
    return key in ("page_size", "order_by") or str(thing.get(key.removeprefix("or__"), "")) == wanted


def shown(thing: Thing) -> Thing:
    """A thing as the API shows it: without its secrets."""
    inputs = dict(thing.get("inputs", {}))
    secrets = {key: "$encrypted$" for key in inputs if key in ("bearer_token", "password")}
    return {**thing, "inputs": inputs | secrets} if inputs else thing


def survey_error(survey: Thing) -> str | None:
    """What AWX says of a survey that it does not take."""
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
        if question["type"].startswith("multi") and question["default"] not in question.get("choices", []):
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
