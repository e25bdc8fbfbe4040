# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How what was found is judged: facts and analyzers in, findings out.

An analyzer's own strings are templates (templates.py); facts are data only.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._health.causes import KINDS
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.templates import expression, rendering, sandbox
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

# the worst first: what is not known may be worse than what is only dubious
VERDICTS = ("fail", "unknown", "warn", "pass")
# what was found is read before what was not seen
READ = ("fail", "warn", "unknown", "pass")
DEFAULT_SEVERITY = 50
# of one analyzer in one target; a pod with ten thousand full volumes must not fill the report
MAX_MATCHES = 20
MAX_TEXT = 2000
KEYS = (
    "name",
    "title",
    "cause",
    "given",
    "needs",
    "for_each",
    "when",
    "verdict",
    "message",
    "next",
    "otherwise",
    "severity",
)
# an analyzer of a cause in `health` need say no more than its name; what it says itself counts
OF_A_CAUSE: Mapping[str, Any] = {
    "needs": ["health"],
    "message": lambda **facts: str(facts["item"]["message"]),
    "next": lambda **facts: str(facts["item"]["next"]),
}
# what an expression can come to with facts that it does not expect
NOT_JUDGED = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)

_REST = "Look at the rest by a command of ephemeral_debug."
_AGAIN = "Look at it again."
_NAME_NEEDS = "Name the facts in the needs of the analyzer."

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Following:
    """What an analyzer's failures follow from: failures of one of these analyzers in the same target, where `when` holds."""

    of: frozenset[str]
    when: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Analyzer:
    """One judgement, compiled. given says whether it is made of a target at all; for_each is None where it is made once."""

    name: str
    title: str
    given: Callable[..., Any]
    needs: tuple[str, ...]
    for_each: Callable[..., Any] | None
    when: Callable[..., Any]
    # "": that of the cause
    verdict: str
    message: Callable[..., str]
    next: Callable[..., str]
    otherwise: Callable[..., str] | None
    severity: int
    follows: tuple[Following, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one analyzer says of one target; needs are the facts that it stands on."""

    analyzer: str
    verdict: str
    title: str
    message: str
    next: str
    severity: int
    needs: tuple[str, ...]


def parse_analyzers(files: Mapping[str, Any]) -> list[Analyzer]:
    """Return the analyzers in files (path -> what its YAML holds). Of two with one name the later file's counts.

    Raises ValueError that names the file, the key and what Jinja says of an expression.
    """
    environment = sandbox()
    found: dict[str, Analyzer] = {}
    for path, content in files.items():
        if (
            not isinstance(content, Mapping)
            or not isinstance(content.get("analyzers"), list)
            or not isinstance(content.get("consequences", []), list)
            or content.keys() - {"analyzers", "consequences"}
        ):
            raise ValueError(
                f"{path}: a list under the key analyzers is needed, and no other key but a list of consequences."
            )
        for index, entry in enumerate(content["analyzers"]):
            try:
                analyzer = _analyzer(environment, entry)
            except (ValueError, TemplateError) as error:
                raise ValueError(f"{path}: analyzers[{index}]: {error}") from error
            found[analyzer.name] = analyzer
    # of analyzers in whatever file
    for path, content in files.items():
        for index, entry in enumerate(content.get("consequences", [])):
            try:
                found |= _with_consequence(environment, found, entry)
            except (ValueError, TemplateError) as error:
                raise ValueError(f"{path}: consequences[{index}]: {error}") from error
    return list(found.values())


def _with_consequence(
    environment: ImmutableSandboxedEnvironment, known: Mapping[str, Analyzer], entry: object
) -> dict[str, Analyzer]:
    """Return the analyzers that an entry names as consequences, with what they follow from. Raises ValueError, and what Jinja raises."""
    if not isinstance(entry, Mapping) or not {"are", "of"} <= entry.keys() <= {"are", "of", "when"}:
        raise ValueError("are and of are needed, and no other key but when.")
    names = [entry["are"], entry["of"]]
    if not all(isinstance(row, list) and row and all(name in known for name in row) for row in names):
        raise ValueError("are and of are lists of names of analyzers.")
    if set(entry["are"]) & set(entry["of"]):
        raise ValueError("nothing follows from itself.")
    when = expression(environment, str(entry.get("when", "true")))
    row = Following(frozenset(entry["of"]), when)
    return {name: replace(known[name], follows=(*known[name].follows, row)) for name in entry["are"]}


def _analyzer(environment: ImmutableSandboxedEnvironment, entry: object) -> Analyzer:
    if not isinstance(entry, Mapping):
        raise ValueError("not a dictionary.")
    if unknown := sorted(map(str, entry.keys() - set(KEYS))):
        raise ValueError(f"unknown keys: {', '.join(unknown)}.")
    if "cause" in entry:
        entry = _of_a_cause(entry)
    name, verdict, needs = entry.get("name"), entry.get("verdict"), entry.get("needs", [])
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"name {name!r} is not a word of small letters, digits and underscores.")
    if verdict not in VERDICTS and not ("cause" in entry and verdict is None):
        raise ValueError(f"verdict: expected one of {', '.join(VERDICTS)}, got {verdict!r}.")
    if not isinstance(needs, list) or not entry.get("message"):
        raise ValueError("message is needed, and needs is a list.")
    severity = entry.get("severity", DEFAULT_SEVERITY)
    if isinstance(severity, bool) or not isinstance(severity, int):
        raise ValueError("severity is not a whole number.")

    def value(key: str) -> Callable[..., Any]:
        return entry[key] if callable(entry[key]) else expression(environment, str(entry[key]))

    def sentence(key: str) -> Callable[..., str]:
        given = entry.get(key, "")
        return given if callable(given) else rendering(environment, str(given))

    return Analyzer(
        name=name,
        title=str(entry.get("title", name)),
        given=value("given") if "given" in entry else lambda **_facts: True,
        needs=tuple(map(str, needs)),
        for_each=value("for_each") if "for_each" in entry else None,
        when=value("when") if "when" in entry else lambda **_facts: True,
        verdict=verdict or "",
        message=sentence("message"),
        next=sentence("next"),
        otherwise=_otherwise(entry["otherwise"], sentence) if entry.get("otherwise") else None,
        severity=severity,
    )


def _otherwise(given: object, sentence: Callable[[str], Callable[..., str]]) -> Callable[..., str]:
    # the claim is the engine's; a text adds the figures that were seen
    return (lambda **_facts: "") if given is True else sentence("otherwise")


def _of_a_cause(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an analyzer of a cause with the rest of what it needs. Raises ValueError where there is no such cause."""
    kind = KINDS.get(str(entry["cause"]))
    if kind is None or {"for_each", "given"} & entry.keys():
        raise ValueError(f"cause {entry['cause']!r} is none of {', '.join(KINDS)}, or has for_each or given beside it.")

    def each(**facts: Any) -> list[Any]:
        return [cause for cause in facts["health"]["causes"] if cause["name"] == kind.name]

    return {**OF_A_CAUSE, "for_each": each, "title": kind.title, "severity": kind.severity, **entry}


def analyze(facts: Facts, analyzers: Iterable[Analyzer], settings: Mapping[str, Any]) -> list[Judgement]:
    """Return what all analyzers say of one target's facts, in their order.

    facts hold one key for each thing that was found, `missing` (name -> why) for what was not, and `cut` (names) for what is not
    whole; settings are `settings` in
    the expressions.
    """
    # plain values only: of Ansible's tagged ones none must reach a template
    plain = json.loads(
        json.dumps(
            {
                "role": "",
                "missing": {},
                "cut": [],
                "stale": {},
                "unread": [],
                **facts,
                "settings": {key: _number(value) for key, value in settings.items()},
            }
        )
    )
    every = list(analyzers)
    return _one_cause([judgement for analyzer in every for judgement in _judge(analyzer, plain)], every, plain)


def _one_cause(judgements: list[Judgement], analyzers: Iterable[Analyzer], facts: dict[str, Any]) -> list[Judgement]:
    """Return the judgements, in which a failure that follows from another one is a warning that says so."""
    titles = {row.analyzer: row.title for row in judgements if row.verdict == "fail"}
    causes = {row.name: _cause_of(row, titles, facts) for row in analyzers if row.name in titles and row.follows}
    # of failures that all follow from each other one has to lead
    if not any(causes.values()) or all(causes.get(name) for name in titles):
        return judgements
    return [
        replace(
            row, verdict="warn", message=_sentence(f"{row.message.rstrip('.')}. It is taken to follow from: {cause}.")
        )
        if row.verdict == "fail" and (cause := causes.get(row.analyzer))
        else row
        for row in judgements
    ]


def _cause_of(analyzer: Analyzer, failing: Mapping[str, str], facts: dict[str, Any]) -> str:
    """Return the title of the failure that those of an analyzer follow from, or ""."""
    for following in analyzer.follows:
        leading = [title for name, title in failing.items() if name in following.of]
        try:
            if leading and following.when(**facts):
                return leading[0]
        except NOT_JUDGED:
            # without the facts that would show it nothing is said to follow
            continue
    return ""


def _number(value: object) -> object:
    """Return a setting that is a number: ansible-core before 2.19 makes text of it, and so does the command line."""
    return int(value) if isinstance(value, str) and re.fullmatch("-?[0-9]{1,18}", value) else value


def _judge(analyzer: Analyzer, facts: dict[str, Any]) -> list[Judgement]:
    try:
        if not analyzer.given(**facts):
            return []
    except NOT_JUDGED as error:
        return [_not_judged(analyzer, error)]
    missing = facts.get("missing", {})
    gone = [name for name in analyzer.needs if name not in facts]
    if gone:
        why = "; ".join(f"{name} is missing ({missing.get(name, 'nothing collects it')})" for name in gone)
        return [_unknown(analyzer, f"Not judged: {why}.")]
    try:
        items = [None] if analyzer.for_each is None else list(analyzer.for_each(**facts))
        contexts = [facts if analyzer.for_each is None else {**facts, "item": item} for item in items]
        matches = [context for context in contexts if analyzer.when(**context)]
        if matches:
            return _whole(_matched(analyzer, matches), facts)
        if analyzer.otherwise is None:
            return []
        said = f"{_not_found(analyzer, len(contexts))} {analyzer.otherwise(**facts)}"
        return _whole([_judgement(analyzer, "pass", said, "")], facts)
    except NOT_JUDGED as error:
        return [_not_judged(analyzer, error)]


def _whole(found: list[Judgement], facts: Facts) -> list[Judgement]:
    """Return the judgements. A pass says on what whole facts it stands, and is none where one of them is not whole or is old."""
    needs = found[0].needs
    if objection := _objection(needs, facts):
        said, following = objection
        return [
            replace(entry, verdict="unknown", message=_sentence(said + entry.message), next=following)
            if entry.verdict == "pass"
            else entry
            for entry in found
        ]
    basis = f" Seen whole: {', '.join(needs)}."
    return [
        replace(entry, message=_sentence(entry.message.rstrip(".") + "." + basis)) if entry.verdict == "pass" else entry
        for entry in found
    ]


def _objection(needs: Iterable[str], facts: Facts) -> tuple[str, str] | None:
    """Return what keeps a pass that stands on these facts from being one, and what to do; None where nothing does."""
    if not needs:
        return "It names no facts that it stands on, so that nothing is known to have been seen. ", _NAME_NEEDS
    cut = [name for name in needs if name in facts.get("cut", ())]
    if cut:
        return f"Not all was looked at (more {', '.join(cut)} are there). Of what was: ", _REST
    stale = facts.get("stale", {})
    old = [name for name in needs if name in stale]
    if old:
        return f"{', '.join(old)} may be old ({stale[old[0]]}). As it was: ", _AGAIN
    return None


def _not_found(analyzer: Analyzer, looked_at: int) -> str:
    """Return what a pass claims: that what the title names was not found, and in how many it was looked for."""
    title = analyzer.title
    named = title[:1].lower() + title[1:] if title[1:2].islower() or title[1:2] == " " else title
    scope = (
        "" if analyzer.for_each is None else f", in {looked_at} looked at" if looked_at else ", with none to look at"
    )
    return f"Not found{scope}: {named}."


def _matched(analyzer: Analyzer, matches: list[dict[str, Any]]) -> list[Judgement]:
    found = [
        # of a cause that has another verdict than its kind, such as one that is only likely, that one
        _judgement(
            analyzer,
            analyzer.verdict or context["item"]["verdict"],
            analyzer.message(**context),
            analyzer.next(**context),
        )
        for context in matches[:MAX_MATCHES]
    ]
    if len(matches) > MAX_MATCHES:
        found.append(_judgement(analyzer, found[-1].verdict, f"{len(matches) - MAX_MATCHES} more of the same.", ""))
    return found


def _not_judged(analyzer: Analyzer, error: Exception) -> Judgement:
    return _unknown(analyzer, f"Not judged: {type(error).__name__}: {error}")


def _unknown(analyzer: Analyzer, message: str) -> Judgement:
    return _judgement(analyzer, "unknown", message, "See the collector's own output and permissions.")


def _judgement(analyzer: Analyzer, verdict: str, message: str, following: str) -> Judgement:
    return Judgement(
        analyzer=analyzer.name,
        verdict=verdict,
        title=analyzer.title,
        message=_sentence(message),
        next=_sentence(following),
        severity=analyzer.severity,
        needs=analyzer.needs,
    )


def _sentence(text: str) -> str:
    """Return one line that can be shown anywhere, whatever the facts in it hold."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]} ..."
