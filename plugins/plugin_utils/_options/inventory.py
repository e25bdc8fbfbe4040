# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory file says, as text, JSON text, numbers or null: the clusters to ask, and what is wanted of them.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import Source, Wanted
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import (
    Choice,
    Fields,
    Flag,
    Kind,
    Many,
    Number,
    Place,
    Refused,
    Text,
    is_given,
)


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A kubeconfig by its path, or by what is in it."""

    words: str = "A path, or the content as a mapping."

    def take(self, value: object, place: Place) -> Any:
        """Return the path, or the mapping."""
        return dict(value) if isinstance(value, Mapping) else Text().take(value, place)


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A path of this host, which may begin with ~."""

    words: str = "A path."

    def take(self, value: object, place: Place) -> str:
        """Return the path."""
        return str(Path(Text().take(value, place)).expanduser())


_NAMES = Many(Text(), by_comma=True)
# kubernetes.core's options of authentication (args_common.AUTH_ARG_SPEC)
AUTHENTICATION: dict[str, Kind] = {
    "kubeconfig": Kubeconfig(),
    **dict.fromkeys(("context", "host", "api_key", "username", "password", "proxy", "no_proxy"), Text()),
    **dict.fromkeys(("ca_cert", "client_cert", "client_key"), LocalPath()),
    **dict.fromkeys(("validate_certs", "persist_config"), Flag()),
    "proxy_headers": Fields(
        {name: Text() for name in ("proxy_basic_auth", "basic_auth", "user_agent")},
        frozenset({"proxy_basic_auth", "basic_auth"}),
    ),
    "impersonate_user": Text(),
    "impersonate_groups": _NAMES,
}
# what may stand in a message of none of them: some are credentials, and a URL can hold one
_SECRETS = frozenset({"api_key", "password", "kubeconfig", "host", "proxy", "proxy_headers"})
# kubernetes.core's other names of some of them
ALIASES = {
    "verify_ssl": "validate_certs",
    "ssl_ca_cert": "ca_cert",
    "cert_file": "client_cert",
    "key_file": "client_key",
}
_WAYS = ("kubeconfig", "context", "host")
# what the API takes as a namespace's name, and the signs of a glob
_NAMESPACE = Text(r"[a-z0-9.*?\[\]!-]+", "the name of a namespace, or a glob", is_trimmed=True)
_CLUSTER = Text(r"(?!\.\.?$)[a-z0-9.-]+", "a name of a-z, 0-9, . and -", is_trimmed=True)
_WANTED: dict[str, Kind] = {
    "namespaces": Many(_NAMESPACE, by_comma=True),
    **dict.fromkeys(("namespace_selectors", "label_selectors", "field_selectors", "annotations"), _NAMES),
    "containers": Choice(("default", "all")),
    **dict.fromkeys(("max_hosts", "timeout"), Number(1)),
}
OPTIONS = (*_WANTED, "clusters", *AUTHENTICATION)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an inventory file asks for; notes are what a reader of its values should know."""

    sources: Sequence[Source]
    wanted: Wanted
    notes: Sequence[str]


def parse(option: Callable[[str], object], written: Mapping[str, Any], kubeconfig: object = None) -> Asked:
    """Return what the options come to, of which written are those of the file itself; kubeconfig is what the environment says, for
    entries of clusters where the file says none. Raises Refused, which names one."""
    notes: list[str] = []
    values = {name: option(name) for name in OPTIONS}
    taken = {
        name: kind.take(values[name], Place(name, notes=notes))
        for name, kind in _WANTED.items()
        if is_given(values[name])
    }
    has_all = taken.pop("containers", "default") == "all"
    wanted = Wanted(has_all_containers=has_all, **taken)
    given = {name: values[name] for name in AUTHENTICATION}
    if not is_given(values["clusters"]):
        params = authentication(given, notes)
        return Asked([Source("", params)], wanted, notes)
    known = {*AUTHENTICATION, *ALIASES}
    if beside := sorted(name for name in written if name in known and name != "kubeconfig" and is_given(written[name])):
        raise Refused(f"{', '.join(beside)}: not beside clusters. Give each entry of clusters its own.")
    own = values["kubeconfig"] if is_given(values["kubeconfig"]) else kubeconfig
    return Asked(_sources(values["clusters"], own, notes), wanted, notes)


def authentication(given: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the typed options of authentication that were given, each under its own name. Raises Refused."""
    return {
        name: AUTHENTICATION[name].take(value, Place(name, name in _SECRETS, notes))
        for name, value in given.items()
        if is_given(value)
    }


def _sources(clusters: object, kubeconfig: object, notes: list[str]) -> list[Source]:
    whole = Place("clusters", notes=notes)
    entries = Many(_Entry()).take(clusters, whole)
    if not entries:
        raise Refused("clusters: expected at least one cluster, got none.")
    sources = [_source(entry, kubeconfig, whole.entry(f"[{index}]")) for index, entry in enumerate(entries)]
    names = [source.name for source in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Refused(
            f"clusters: {', '.join(twice)} is the name of more than one cluster. Set name, which is the context where it is not given."
        )
    return sources


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of clusters as it was written."""

    words: str = "A mapping."

    def take(self, value: object, place: Place) -> Mapping[str, Any]:
        """Return the mapping."""
        if not isinstance(value, Mapping):
            raise place.refusal("a mapping with a context, a kubeconfig or a host", value)
        return value


def _source(entry: Mapping[str, Any], kubeconfig: object, place: Place) -> Source:
    given = {ALIASES.get(str(key), str(key)): value for key, value in entry.items()}
    name = given.pop("name", None)
    if not any(is_given(given.get(way)) for way in _WAYS):
        raise Refused(f"{place.name}: expected one of {', '.join(_WAYS)}, got none.")
    if is_given(kubeconfig) and not is_given(given.get("kubeconfig")) and not is_given(given.get("host")):
        given["kubeconfig"] = kubeconfig
    params = Fields(AUTHENTICATION, _SECRETS).take(given, place)
    if not is_given(name):
        context = params.get("context") or ("" if "host" in params else current_context(params.get("kubeconfig")))
        if not context:
            raise Refused(
                f"{place.name}: expected a name, or a context to take it from, got neither, and no kubeconfig that has a current one."
            )
        name = name_of(context)
    return Source(_CLUSTER.take(name, place.entry(".name")), params, uses_environment=False)


def current_context(kubeconfig: object) -> str:
    """Return the context that a kubeconfig uses where none is named, by its path or content; empty where it tells of none."""
    if isinstance(kubeconfig, Mapping):
        return str(kubeconfig.get("current-context") or "")
    # of several files the first that says so, as kubectl merges them
    for path in str(kubeconfig or "").split(os.pathsep):
        try:
            # of a user that is not there pathlib raises
            content = yaml.safe_load(Path(os.path.expanduser(path)).read_text(encoding="utf-8"))  # noqa: PTH111
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            # what is wrong with it is said by what connects with it
            continue
        if isinstance(content, Mapping) and content.get("current-context"):
            return str(content["current-context"])
    return ""


def name_of(context: str) -> str:
    """Return the name of a cluster that is known by its context alone."""
    return re.sub(r"[^a-z0-9.-]", "-", context)
