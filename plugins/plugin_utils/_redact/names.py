# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which names call their value a secret, and which values tell nothing although their name does.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Rule, compiled

MARKER = rb"\[(?:email|ip|key|name|secret|token)-[0-9a-f]{12}\]"
_IS_MARKER = re.compile(MARKER)
# what the kubelet, or a container runtime, writes before each line of a log
STAMP = (
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9}+)?(?:Z|[+-][0-9]{2}:[0-9]{2}) "
    rb"(?:std(?:out|err) [FP] )?)"
)
# what is said of a secret, and is none itself
_HARMLESS = re.compile(
    rb"(?i)(?:name|path|kind|type|ref|file|dir|mode|count|ttl|len|length|size|seconds|expir(?:y|es|ation)(?:[_-]?(?:in|at))?"
    rb"|policy|limit|rate|status|enabled|required|version|stdin|prompt|env|\.(?:go|py|[jt]sx?|java|rs|rb|php|cs|c|cc|cpp|h))s?\Z"
)
_COUNT = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOTHING = re.compile(rb"(?i)true|false|null|none|nil|undefined|~|\{\}|\[\]|\"\"|''|<none>|")
# of a key in a file only the file is told
_PLACE = re.compile(rb"/(?:etc|var|run|tmp|opt|usr|home|root|app|secrets?|mnt|srv|data|certs?|tls|ssl)/[\w./-]{1,256}")


@dataclass(frozen=True, slots=True)
class Names:
    """What the rules for names say. stems: in small letters, one of them stands in each such name; () where a rule has none."""

    pattern: bytes
    stems: tuple[bytes, ...]

    def is_secret(self, name: bytes) -> bool:
        """Return whether a name calls its value a secret."""
        return _is_secret(self.pattern, name) if len(name) <= _MAX_KNOWN else _is_called(self.pattern, name)

    def inside(self, data: bytes, start: int, stop: int) -> bool:
        """Return whether a word of a text holds what makes a name call its value a secret."""
        return compiled(self.pattern).search(data, start, stop) is not None


# the keys of a document's rows are the same in each
_MAX_KNOWN = 64


def _is_called(pattern: bytes, name: bytes) -> bool:
    return not is_harmless(name) and compiled(pattern).search(name) is not None


_is_secret = lru_cache(maxsize=4096)(_is_called)


@cache
def names(rules: Sequence[Rule]) -> Names:
    """Return what those of the rules say that are for names."""
    found = [rule for rule in rules if rule.where == "name"]
    stems = tuple(dict.fromkeys(word for rule in found for word in rule.keywords))
    pattern = rb"(?i)(?:" + b"|".join(rb"(?:" + rule.pattern + rb")" for rule in found) + rb")"
    return Names(pattern, stems if all(rule.keywords for rule in found) else ())


def is_marker(value: bytes) -> bool:
    """Return whether a value was replaced before."""
    return _IS_MARKER.fullmatch(value) is not None


def is_harmless(name: bytes) -> bool:
    """Return whether a name says what it is of a secret, such as where it stands or how long it is."""
    return _HARMLESS.search(name[-24:]) is not None


def is_kept(name: bytes, value: bytes) -> bool:
    """Return whether a value tells nothing although its name calls it a secret: none at all, a number of tokens, a folder or file."""
    if is_marker(value) or _NOTHING.fullmatch(value):
        return True
    lower = name.lower()
    if lower.endswith((b"tokens", b"session_id", b"sessionid", b"pass")) and _COUNT.fullmatch(value[:24]):
        # of what was counted: passed checks, tokens of a language model, sessions of a kernel
        return lower.endswith(b"tokens") or len(value) < 4
    if lower.endswith(b"key") and _PLACE.fullmatch(value):
        return True
    return lower == b"pwd" and value.startswith(b"/")
