# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to look at: collectors as files of YAML describe them, checked, in the order of volatility (RFC 3227).

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS

API_SOURCES = ("pod", "events", "node", "owners", "siblings", "log", "previous_log")
# names in the facts that are not a collector's to take
RESERVED = (
    *(*API_SOURCES, "target", "missing", "cut", "volumes", "container", "last_run", "settings", "item"),
    *("limited_volumes", "ephemeral_storage", "listeners", "unserved_ports", "zombies", "health", "stale", "unread"),
    *("comparison", "role", "deleted_share", "odd_code"),
)
DEFAULT_VOLATILITY = 50
DEFAULT_TIMEOUT = 60
# of a command's output in the task's result: the files have all of it, and the result only says what went wrong
MAX_RESULT = 1024
# util-linux and busybox have renice, coreutils has nice, and a toolbox may have only one of them. Beside a debugger that shares
# the pod's processes the target can end at any moment: what is then found of it is little or nothing, and looks like a pass. So
# does what is found by pipelines in which a tool is not there, could not be started or was killed for want of memory: whether
# that can be is looked at before and after them. Shells are nested as deep as a pipeline's processes are many.
GENTLY = """\
is_there() { [ -d "/proc/$TARGET_PID" ] || { echo "the target's main process has ended" >&2; exit 1; }; }
has_tools() {
  lacking=
  for tool in $1; do command -v "$tool" >/dev/null 2>&1 || lacking="$lacking $tool"; done
  [ -z "$lacking" ] || { echo "the debug image lacks$lacking" >&2; exit 127; }
}
has_room() { [ "$1" -eq 0 ] || (has_room "$(($1 - 1))"; exit "$?"); }
count_kills() {
  kills=
  for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$file" ] || continue
    while read -r key count; do [ "$key" != oom_kill ] || kills=$count; done <"$file"
  done
}
is_there
has_tools "$1"
shift
has_room 12 || exit
count_kills
before=$kills
if renice -n 19 -p $$ >/dev/null 2>&1 || ! command -v nice >/dev/null 2>&1; then
  "$@"
else
  nice -n 19 "$@"
fi
status=$?
is_there
has_room 12 || exit
count_kills
[ "$kills" = "$before" ] || { echo "what looked was killed for want of memory" >&2; exit 1; }
exit "$status"
"""
# functions of the shell that commands of several roles need, by name
PIECES = {path.stem: path for path in (Path(__file__).parents[3] / "roles/triage/files/shell").glob("*.sh")}
# what collectors stand on; others, such as nc, are asked for by those that need them
TOOLS = (
    *(
        "awk",
        "cat",
        "cut",
        "date",
        "df",
        "du",
        "find",
        "grep",
        "head",
        "ls",
        "od",
        "readlink",
        "sed",
        "sha256sum",
        "sort",
    ),
    *("stat", "tail", "tar", "tr", "wc", "xargs"),
)
# a tool's name where a command begins; looked ahead for, since one can be what another one calls
_CALL = re.compile(
    r"(?=(?:^|[|;&(){!]|\b(?:do|then|else|if|while|until|exec)\b|-exec|\bxargs(?: -\S+)*)"
    rf"[ \t]*(?:\w+=\S* )*({'|'.join(TOOLS)})(?:[\s;|)]|$))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
KEYS = (
    "name",
    "title",
    "volatility",
    "command",
    "argv",
    "api",
    "file",
    "suffix",
    "secret",
    "parser",
    "timeout",
    "beside",
)
DEFAULT_SUFFIX = "txt"
# what of a target can stand in the path of a file, in braces
PLACES = ("namespace", "pod", "container")


@dataclass(frozen=True, slots=True)
class Collector:
    """One thing to look at. Exactly one of command (a shell line), argv, api and file is set; timeout in seconds.

    file: a path in the case folder, where something else puts it; suffix: of the file that a command's output goes to;
    secret: what it prints stands in that file and nowhere else; beside: it runs while the others do; shared: it leaves no process
    behind, so that others can run in its shell; tools: those of TOOLS that it calls.
    """

    name: str
    title: str
    volatility: int
    command: str | None
    argv: tuple[str, ...] | None
    api: str | None
    file: str | None
    suffix: str
    secret: bool
    parser: str
    timeout: int
    tools: tuple[str, ...] = ()
    beside: bool = False
    shared: bool = False


def parse_collectors(files: Mapping[str, Any]) -> list[Collector]:
    """Return the collectors in files (path -> what its YAML holds), most volatile first. Of two with one name the later file's counts.

    Raises ValueError that names the file and the key.
    """
    found: dict[str, Collector] = {}
    for path, content in files.items():
        prelude, shared, entries = _content(path, content)
        for index, entry in enumerate(entries):
            try:
                collector = replace(_collector(entry, prelude), shared=shared)
            except ValueError as error:
                raise ValueError(f"{path}: collectors[{index}]: {error}") from error
            found[collector.name] = collector
    return sorted(found.values(), key=lambda collector: collector.volatility)


def _content(path: str, content: object) -> tuple[str, bool, Sequence[object]]:
    """Return what stands before the commands of a file, whether they share a shell, and its collectors. Raises ValueError."""
    if not isinstance(content, Mapping) or not isinstance(content.get("collectors"), list):
        raise ValueError(f"{path}: a list under the key collectors is missing.")
    if unknown := sorted(map(str, content.keys() - {"collectors", "prelude", "shared", "uses"})):
        raise ValueError(f"{path}: unknown keys: {', '.join(unknown)}.")
    uses = content.get("uses", [])
    if not isinstance(uses, list) or not all(isinstance(name, str) and name in PIECES for name in uses):
        raise ValueError(f"{path}: uses is not a list of names out of {', '.join(sorted(PIECES))}.")
    pieces = [PIECES[name].read_text(encoding="utf-8") for name in uses]
    try:
        shared = _flag(content, "shared")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return "\n".join([*pieces, str(content.get("prelude", ""))]), shared, content["collectors"]


def _collector(entry: object, prelude: str) -> Collector:
    if not isinstance(entry, Mapping):
        raise ValueError("not a dictionary.")
    if unknown := sorted(map(str, entry.keys() - set(KEYS))):
        raise ValueError(f"unknown keys: {', '.join(unknown)}.")
    name = entry.get("name")
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ValueError(f"name {name!r} is not a word of small letters, digits and underscores.")
    sources = [key for key in ("command", "argv", "api", "file") if entry.get(key)]
    if len(sources) != 1:
        raise ValueError("exactly one of command, argv, api and file is needed.")
    api, argv, command = entry.get("api"), entry.get("argv"), entry.get("command")
    if api and api not in API_SOURCES:
        raise ValueError(f"api {api!r} is none of {', '.join(API_SOURCES)}.")
    if (name in RESERVED) != (api is not None) or (api and api != name):
        raise ValueError(f"name {name!r}: a source of the API has its own name, and no other has such a name.")
    if argv and not isinstance(argv, list):
        raise ValueError("argv is not a list of words.")
    parser = str(entry.get("parser", "text"))
    if parser not in PARSERS:
        raise ValueError(f"parser {parser!r} is none of {', '.join(sorted(PARSERS))}.")
    suffix = str(entry.get("suffix", DEFAULT_SUFFIX))
    if not re.fullmatch("[a-z0-9]{1,8}", suffix) or suffix == "json":
        raise ValueError(f"suffix {suffix!r} is not a short word of small letters and digits other than json.")
    return Collector(
        name=name,
        title=str(entry.get("title", name)),
        volatility=_count(entry, "volatility", DEFAULT_VOLATILITY),
        command=f"{prelude}\n{command}" if command else None,
        argv=tuple(map(str, argv)) if argv else None,
        api=api,
        file=_file(entry.get("file")),
        suffix=suffix,
        secret=_flag(entry, "secret"),
        parser=parser,
        timeout=_count(entry, "timeout", DEFAULT_TIMEOUT),
        tools=called_tools(command, prelude) if command else (),
        beside=_flag(entry, "beside"),
    )


def called_tools(command: str, prelude: str) -> tuple[str, ...]:
    """Return those of TOOLS that a command calls, itself and by the functions of its prelude that it names.

    Not those that it asks for itself by `command -v`.
    """
    functions, text = _functions(_COMMENT.sub("", prelude))
    text += _COMMENT.sub("", command)
    while named := [name for name in functions if re.search(rf"\b{name}\b", text)]:
        text += "".join(f"\n{functions.pop(name)}" for name in named)
    found = set(_CALL.findall(text))
    return tuple(tool for tool in TOOLS if tool in found and f"command -v {tool}" not in text)


def _functions(script: str) -> tuple[dict[str, str], str]:
    """Return the functions of a script by their names, and the rest of it."""
    functions: dict[str, str] = {}
    rest: list[str] = []
    name = ""
    for line in script.split("\n"):
        if begin := re.match(r"([a-z_]+)\(\) \{(.*)", line):
            name = begin[1]
            functions[name] = f"{begin[2]}\n"
        elif name:
            functions[name] += f"{line}\n"
        else:
            rest.append(f"{line}\n")
        if line == "}" or (begin and line.endswith("}")):
            name = ""
    return functions, "".join(rest)


def _flag(entry: Mapping[Any, Any], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f"{key}: expected true or false.")
    return value


def _file(path: object) -> str | None:
    if path is None:
        return None
    words = re.split("[/{}]", str(path))
    if str(path).startswith("/") or ".." in words or set(re.findall("{(.*?)}", str(path))) - set(PLACES):
        raise ValueError(
            f"file {path!r} is not a path in the case folder, with {{namespace}}, {{pod}} and {{container}}."
        )
    return str(path)


def file_of(row: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    """Return where in the case folder the output of a collector (a row) lies for a target. Not for those that ask the API."""
    if row.get("file"):
        return re.sub("{(.*?)}", lambda match: str(target[match[1]]), row["file"])
    folder = "/".join(str(target[key]) for key in PLACES)
    return f"{folder}/{row['name']}.{row.get('suffix', DEFAULT_SUFFIX)}"


def _count(entry: Mapping[Any, Any], key: str, default: int) -> int:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{key} is not a whole number of 1 or more.")
    return value


def as_rows(collectors: Iterable[Collector]) -> list[dict[str, Any]]:
    """Return the collectors as the case keeps them."""
    return [
        {**asdict(collector), "argv": list(collector.argv) if collector.argv else None, "tools": list(collector.tools)}
        for collector in collectors
    ]


def debug_commands(
    collectors: Iterable[Mapping[str, Any]], folder: str, settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the commands of ephemeral_debug that run the collectors (rows) and keep what they print below a folder.

    Niced, so that looking does not slow the target down, and with a code other than 0 where the image lacks a tool, the pod has
    no room for processes or the target ends meanwhile. A setting `growth_seconds` is SETTING_GROWTH_SECONDS there.
    """
    env = {f"SETTING_{name.upper()}": str(value) for name, value in settings.items()}
    return [
        {
            "name": row["name"],
            "argv": ["sh", "-c", GENTLY, "sh", " ".join(row["tools"]), *(row["argv"] or ["sh", "-c", row["command"]])],
            "env": env,
            "timeout": row["timeout"],
            "dest": f"{folder.rstrip('/')}/{row['name']}.{row.get('suffix', DEFAULT_SUFFIX)}",
            # what it prints stands in that file alone: command lines of the app are in no result of a task
            "max_stdout": 0,
            # an image's own words: which tool was killed, and why
            "max_output": 1 if row.get("secret") else MAX_RESULT,
            "changed": False,
            # a case of an earlier version does not know it
            "beside": row.get("beside", False),
            "shared": row.get("shared", False),
        }
        for row in collectors
        if not row["api"] and not row.get("file")
    ]


def api_requests(collectors: Iterable[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what to ask the API for, so that all targets have it: as few requests as it takes.

    One pod is asked for by name; of several in a namespace all pods are listed at once. Each: api, kind, namespace, name (or
    None), field_selectors.
    """
    wanted = {row["api"] for row in collectors if row["api"]}
    requests: list[dict[str, Any]] = []
    by_namespace: dict[str, list[str]] = {}
    for target in targets:
        names = by_namespace.setdefault(target["namespace"], [])
        if target["pod"] not in names:
            names.append(target["pod"])
    for namespace, names in sorted(by_namespace.items()):
        only = names[0] if len(names) == 1 else None
        if wanted & {"pod", "owners"}:
            requests.append(_request("pod", "Pod", namespace, only))
        if "siblings" in wanted and only:
            requests.append({**_request("siblings", "Pod", namespace, None), "like": only})
        if "events" in wanted:
            about = ["involvedObject.kind=Pod", *([f"involvedObject.name={only}"] if only else [])]
            requests.append({**_request("events", "Event", namespace, None), "field_selectors": about})
    if "node" in wanted:
        nodes = sorted({target["node"] for target in targets if target["node"]})
        requests += [_request("node", "Node", None, name) for name in nodes]
    return requests


def _request(api: str, kind: str, namespace: str | None, name: str | None) -> dict[str, Any]:
    return {"api": api, "kind": kind, "namespace": namespace, "name": name, "field_selectors": []}


def log_requests(collectors: Iterable[Mapping[str, Any]], targets: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the logs to read, as pod_logs takes them: namespace, pod, container, previous (bool)."""
    wanted = [row["api"] for row in collectors if row["api"] in ("log", "previous_log")]
    return [
        {**{key: target[key] for key in PLACES}, "previous": api == "previous_log"}
        for target in targets
        for api in wanted
    ]
