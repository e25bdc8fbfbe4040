# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of incidents: its entries, their manifests, and what of their recordings is judged. README.md has the format."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
IMAGE = "busybox:1.37"
KEYS = frozenset("name row truth cause from changes later container settings controller_ahead expect".split())
CAUSE_KEYS = frozenset("sh argv says exit container spec metadata until then after".split())
CHANGE_KEYS = frozenset("pod node events only_events add_events log previous_log commands".split())
EXPECT_KEYS = frozenset("verdict headline next never next_never".split())
SAYS = 'printf "%s" "$WORDS"; sleep 1; exit "$CODE"'
# what stands in the place of a line [[150 x name]]; any other text is repeated as it is
FILLERS = {
    "go": (
        "\ngoroutine {n} [IO wait]:\ninternal/poll.runtime_pollWait(0x7f0a{n}, 0x72)\n"
        "\t/usr/local/go/src/runtime/netpoll.go:351 +0x85\nnet.(*netFD).Read(0xc0000{n})\n"
        "\t/usr/local/go/src/net/fd_posix.go:55 +0x25"
    ),
    "java": "\tat org.springframework.boot.SpringApplication.run{n}(SpringApplication.java:{n})",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be said, and what must not."""

    verdict: str
    headline: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    next_never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """An entry of the catalogue. source is the name of its recording."""

    role: str
    name: str
    row: str
    truth: str
    is_control: bool
    expected: Expected
    source: str
    cause: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    later: int = 0
    container: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    controller_ahead: int = 0

    @property
    def pod(self) -> str:
        """The name of its pod on a cluster."""
        return self.name.replace("_", "-")

    @property
    def is_so_at_once(self) -> bool:
        """Return whether its verdict is true as soon as a cluster has caused it; others are told of a later moment, or of what is changed."""
        return bool(self.cause) and not self.changes and (self.is_control or not self.later)


def load(role: str | None = None) -> list[Incident]:
    """Return the entries of a role, or of all. Raises ValueError that names the file and what is not a valid entry."""
    found = [entry for path in sorted(HERE.glob(f"{role or '*'}/*.yml")) for entry in _entries(path)]
    names = [entry.name for entry in found]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the catalogue has more than one {', '.join(double)}")
    return found


def _entries(path: Path) -> Iterator[Incident]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for kind in ("incidents", "controls"):
        for row in content.get(kind) or ():
            try:
                yield _entry(path.parent.name, row, is_control=kind == "controls")
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: {row.get('name')}: {error}") from error


def _entry(role: str, row: Mapping[str, Any], *, is_control: bool) -> Incident:
    for given, allowed in (
        (row, KEYS),
        (row.get("cause") or {}, CAUSE_KEYS),
        (row.get("changes") or {}, CHANGE_KEYS),
        (row["expect"], EXPECT_KEYS),
    ):
        if unknown := sorted(given.keys() - allowed):
            raise ValueError(f"unknown keys: {', '.join(unknown)}")
    name = row["name"]
    if not re.fullmatch("[a-z][a-z0-9_]{1,50}", name):
        raise ValueError("its name is not a word of small letters, digits and underscores")
    expect = row["expect"]
    if not is_control and expect["verdict"] not in ("fail", "warn", "unknown"):
        raise ValueError("an incident that is expected to pass is a control")
    if not is_control and not expect.get("headline"):
        raise ValueError("its headline has no words to hold")
    words = {key: tuple(expect.get(key) or ()) for key in sorted(EXPECT_KEYS - {"verdict"})}
    return Incident(
        role=role,
        name=name,
        row=row["row"],
        truth=row["truth"],
        is_control=is_control,
        expected=Expected(verdict=expect["verdict"], **words),
        source=row.get("from") or name,
        cause=row.get("cause"),
        changes=row.get("changes") or {},
        later=row.get("later", 0),
        container=row.get("container", ""),
        settings=row.get("settings") or {},
        controller_ahead=row.get("controller_ahead", 0),
    )


def manifest(incident: Incident) -> dict[str, Any]:
    """Return the pod that causes an incident."""
    cause = incident.cause or {}
    app = {"name": "app", "image": IMAGE, "imagePullPolicy": "Never", **_command(cause)}
    # the log of one that starts again and again is for moments nobody's
    policy = {"restartPolicy": "Never"} if "says" in cause else {}
    spec = _merged(
        {"terminationGracePeriodSeconds": 1, **policy, "containers": [_merged(app, cause.get("container") or {})]},
        cause.get("spec") or {},
    )
    spec["initContainers"] = [
        {"image": IMAGE, "imagePullPolicy": "Never", **_command(entry), **{k: v for k, v in entry.items() if k != "sh"}}
        for entry in spec.get("initContainers") or ()
    ]
    metadata = {"name": incident.pod, "labels": {"app": incident.pod}, **(cause.get("metadata") or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _command(cause: Mapping[str, Any]) -> dict[str, Any]:
    if "says" in cause:
        words = [{"name": "WORDS", "value": spoken(cause["says"])}, {"name": "CODE", "value": str(cause["exit"])}]
        return {"command": ["sh", "-c", SAYS], "env": words}
    return {"command": list(cause["argv"]) if "argv" in cause else ["sh", "-c", cause["sh"]]}


def spoken(text: str) -> str:
    """Return what a container says, with each line [[150 x name]] as often as it says."""

    def repeated(match: re.Match[str]) -> str:
        filler = FILLERS.get(match[2], match[2])
        return "\n".join(filler.replace("{n}", str(number + 100)) for number in range(int(match[1])))

    return re.sub(r"^\[\[(\d+) x (.*)\]\]$", repeated, text, flags=re.MULTILINE)


def comes_when(incident: Incident) -> str:
    """Return the expression that holds when the cause has come."""
    cause = incident.cause or {}
    return "has_ended" if "says" in cause else str(cause["until"])


def recording(incident: Incident) -> dict[str, Any]:
    """Return what was recorded, with the changes of the entry, and `now` as the moment of the judgement."""
    found: dict[str, Any] = json.loads((RECORDED / f"{incident.source}.json").read_text(encoding="utf-8"))
    at, changes = found["now"], incident.changes
    times = {"at": at, "since": moved(at, -60)}
    if "pod" in changes:
        found["pod"] = _merged(found["pod"], _timed(changes["pod"], times))
    if "node" in changes:
        patch = changes["node"]
        found["node"] = None if patch is None else _merged(found["node"] or {}, _timed(patch, times))
    found["events"] = _events(found, changes, at)
    name = incident.container or "app"
    for key in ("log", "previous_log"):
        if key in changes:
            found["logs"].setdefault(name, {})[key] = changes[key] or ""
    found["commands"] = {**(found.get("commands") or {}), **(changes.get("commands") or {})}
    found["now"] = moved(at, incident.later)
    return found


def moved(moment: str, seconds: int) -> str:
    """Return an RFC 3339 time so many seconds later."""
    return f"{datetime.fromisoformat(moment) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def _events(found: Mapping[str, Any], changes: Mapping[str, Any], at: str) -> list[Any]:
    events = list(changes["events"] if "events" in changes else found["events"])
    if "only_events" in changes:
        events = [event for event in events if event["reason"] in changes["only_events"]]
    about = found["pod"]["metadata"]
    who = {"kind": "Pod", "namespace": about["namespace"], "name": about["name"], "uid": about["uid"]}
    added = changes.get("add_events") or ()
    return [*events, *({"involvedObject": who, "lastTimestamp": at, "count": 1, **event} for event in added)]


def _timed(value: Any, times: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _timed(part, times) for key, part in value.items()}
    if isinstance(value, list):
        return [_timed(part, times) for part in value]
    return times.get(value, value) if isinstance(value, str) else value


def _merged(old: Any, new: Any) -> Any:
    """Return old with new merged over it: null takes away, lists of things with a name or a type are merged by that."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        merged = dict(old)
        for key, value in new.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = _merged(old.get(key), value)
        return merged
    if isinstance(old, list) and isinstance(new, list) and (key := _key_of(old, new)):
        rows = {row[key]: row for row in old}
        rows |= {row[key]: _merged(rows.get(row[key]), row) for row in new}
        return list(rows.values())
    return _merged({}, new) if isinstance(new, Mapping) else copy.deepcopy(new)


def _key_of(old: Sequence[Any], new: Sequence[Any]) -> str | None:
    rows = [*old, *new]
    return next((key for key in ("name", "type") if all(isinstance(row, Mapping) and key in row for row in rows)), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """right, wrong, silent or unknown, and what was expected and is not so."""

    word: str
    why: str


def outcome(incident: Incident, findings: Sequence[Mapping[str, Any]]) -> Outcome:
    """Return how the findings of an incident (those of findings.json, the headline first) compare with what is true."""
    verdicts = [entry["verdict"] for entry in findings]
    # as a case's verdict is made
    verdict = next((word for word in ("fail", "unknown", "warn", "pass") if word in verdicts), "unknown")
    expected = incident.expected
    headline = findings[0]["message"] if findings else ""
    following = findings[0]["next"] if findings else ""
    everything = "\n".join(f"{entry['message']}\n{entry['next']}" for entry in findings)
    objections = [
        *([f"expected {expected.verdict}, got {verdict}"] if verdict != expected.verdict else []),
        *(f"the headline lacks {word!r}" for word in expected.headline if word.lower() not in headline.lower()),
        *(f"the next step lacks {word!r}" for word in expected.next if word.lower() not in following.lower()),
        *(f"it says {word!r}" for word in expected.never if word.lower() in everything.lower()),
        *(f"the next step says {word!r}" for word in expected.next_never if word.lower() in following.lower()),
    ]
    if not objections:
        return Outcome("right", "")
    why = f"{'; '.join(objections)}. It said: {headline} Next: {following}"
    if verdict == "unknown" and expected.verdict != "unknown":
        return Outcome("unknown", why)
    return Outcome("silent" if verdict == "pass" else "wrong", why)
