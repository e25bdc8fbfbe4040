# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What calls a value a secret: the names of passwords, tokens and keys, and the markers that stand for what was replaced.

All patterns cost no more than the length of the text: they are possessive, bounded, or begin where the one before ended. No group is
repeated possessively: Python before 3.11.5 keeps what such a group took before it failed (python/cpython#106052).

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# makes a marker of a kind ("email", "ip", "key", "name", "secret", "token") and a value
Mark = Callable[[str, bytes], bytes]

MARKER = rb"\[(?:email|ip|key|name|secret|token)-[0-9a-f]{12}\]"
_IS_MARKER = re.compile(MARKER)
# what the kubelet, or a container runtime, writes before each line of a log
STAMP = (
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9}+)?(?:Z|[+-][0-9]{2}:[0-9]{2}) "
    rb"(?:std(?:out|err) [FP] )?)"
)

# a name that is a word of its own, or the end of one in camelCase
_SHORT = (
    rb"(?:(?<![a-z])|(?<=\\[nrtbf])|(?<=\\u[0-9a-f]{4})|(?<=%[0-9a-f]{2})|(?<=\[[0-9]m)|(?<=[\[;][0-9]{2}m)"
    rb"|(?<=db)|(?<=user)|(?<=root)|(?<=admin)|(?<=smtp)|(?<=mail)|(?<=sql)|(?<=pg)|(?<=ftp)|(?<=http)|(?<=redis))"
)
SECRET_NAME = (
    # not the word of a marker
    rb"(?!(?<=\[)(?:secret|token)-[0-9a-f]{12}\])"
    rb"(?:pass(?:w(?:or)?d|phrase|code|wort)|kennwort|secret|token|credentials?|authorization|cookie|dockerc(?:onfigjson|fg)"
    rb"|(?:api|access|private|account|master|encrypt(?:ion)?|signing|shared|session|auth|client|storage|app|license|tls|ssh"
    rb"|hmac|jwt|deploy)[._-]?key|sess(?:ion)?[_-]?id|_auth(?![a-z])"
    rb"|" + _SHORT + rb"(?:pass|pwd?|otp)(?![a-z])|(?-i:(?<=[a-z])P(?:ass|wd)(?![a-z])))"
)
_SECRET = re.compile(rb"(?i)" + SECRET_NAME)
# what is said of a secret, and is none itself
_HARMLESS = re.compile(
    rb"(?i)(?:name|path|kind|type|ref|file|dir|mode|count|ttl|len|length|size|seconds|expir(?:y|es|ation)(?:[_-]?(?:in|at))?"
    rb"|policy|limit|rate|status|enabled|required|version|stdin|prompt|env|\.(?:go|py|[jt]sx?|java|rs|rb|php|cs|c|cc|cpp|h))s?\Z"
)
_NUMBER = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOTHING = re.compile(rb"(?i)true|false|null|none|nil|undefined|~|\{\}|\[\]|\"\"|''|<none>|")


def is_marker(value: bytes) -> bool:
    """Return whether a value was replaced before."""
    return _IS_MARKER.fullmatch(value) is not None


def is_secret(name: bytes) -> bool:
    """Return whether a name calls its value a secret."""
    return not is_harmless(name) and _SECRET.search(name) is not None


def is_harmless(name: bytes) -> bool:
    """Return whether a name says what it is of a secret, such as where it stands or how long it is."""
    return _HARMLESS.search(name[-24:]) is not None


def is_kept(name: bytes, value: bytes) -> bool:
    """Return whether a value tells nothing although its name calls it a secret: none at all, a number of tokens, a working folder."""
    if is_marker(value) or _NOTHING.fullmatch(value):
        return True
    lower = name.lower()
    if lower.endswith((b"tokens", b"session_id", b"sessionid", b"pass")) and _NUMBER.fullmatch(value[:24]):
        # of what was counted: passed checks, tokens of a language model, sessions of a kernel
        return lower.endswith(b"tokens") or len(value) < 4
    return lower == b"pwd" and value.startswith(b"/")
