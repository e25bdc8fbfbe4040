# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replaces what is secret or names somebody: keys, tokens, passwords, e-mail and IP addresses become salted, stable markers.

The same value is the same marker wherever it stands, so that a reader can still follow it. Without the salt no marker tells its
value, not even to one who tries all IP addresses. Each pattern begins where a word begins and never gives back what it took, so
that hostile text costs no more time than any other.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# a PEM block that is longer than this is none
MAX_PEM = 1 << 16
_PEM_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}+-----")
_PEM_END = re.compile(rb"-----END [A-Z0-9 ]{1,40}+-----")
# what is left of one whose end was cut off
_PEM_REST = re.compile(rb"(?:[A-Za-z0-9+/=\s]|\\[nr])*+")

_MARKER = rb"\[(?:email|ip|key|secret|token)-[0-9a-f]{12}\]"
_SECRET_NAME = rb"(?:pass(?:word|wd|phrase|code)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|authorization|cookie)"
_TOKENS = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:"
    rb"eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+)?"  # JWT
    rb"|(?:AKIA|ASIA)[A-Z0-9]{16}+"  # AWS
    rb"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|glpat-[A-Za-z0-9_-]{16,}+"
    rb"|xox[abeprs]-[A-Za-z0-9-]{10,}+|AIza[A-Za-z0-9_-]{30,}+|sk-[A-Za-z0-9_-]{20,}+"
    rb")(?![A-Za-z0-9_])"
)
_BEARER = re.compile(rb"(?i)(?<![a-z])((?:bearer|basic) {1,4})([A-Za-z0-9._~+/=-]{8,}+)")
_USERINFO = re.compile(rb"(?<=://)([^\s/@:\"'\[]{1,256}+:)([^\s/@\"']{1,256}+)(?=@)")
_ASSIGNED = re.compile(
    rb"(?i)(" + _SECRET_NAME + rb"[\w.-]{0,40}+\\{0,4}[\"']?\s{0,8}+[:=]\s{0,8}+)"
    rb"(?:(\\{1,4}\")([^\"\\\n]{1,4096}+)|(\")((?:[^\"\\\n]|\\.){1,4096}+)|(')([^'\n]{1,4096}+)"
    rb"|()(?!" + _MARKER + rb"|(?:true|false|null|none)\b)([^\s\"'\\,;&<>{}\[(][^\s\"'\\,;&<>]{0,4096}+))"
)
_EMAIL = re.compile(
    rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,320}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+){1,8}+"
)
_IPV4 = re.compile(rb"(?<![0-9.])[0-9]{1,3}+(?:\.[0-9]{1,3}+){3}(?![0-9]|\.[0-9])")
_IPV6 = re.compile(rb"(?<![\w:.])[0-9A-Fa-f:]{2,}+(?:(?<=:)[0-9]{1,3}+(?:\.[0-9]{1,3}+){3})?(?![\w])")
# as /proc/net writes addresses: beside a port, in a row of the routes, and in those of IPv6
_KERNEL = re.compile(
    rb"(?<![0-9A-Fa-f])(?:[0-9A-F]{32}|[0-9A-F]{8})(?=:[0-9A-F]{4}(?![0-9A-Fa-f]))"
    rb"|(?<=\t)[0-9A-F]{8}(?=\t)"
    rb"|(?<![0-9A-Fa-f])[0-9a-f]{32}(?= [0-9a-f]{2} |  ?[0-9a-f]{8} )"
)
_HEX = re.compile(rb"(?<![0-9A-Za-z])(_?)((?:[0-9a-f]{2}){8,}+)(?![0-9A-Za-z])")
_SECRET_KEY = re.compile(rb"(?i)" + _SECRET_NAME + rb"(?!.*(?:name|path|kind|type)$)")


@dataclass(slots=True)
class Redactor:
    """Replaces, and counts by kind what it replaced. salt: who has it can tell a value's marker."""

    salt: bytes = field(repr=False)
    counts: Counter[str] = field(default_factory=Counter)

    def mark(self, kind: str, value: bytes) -> bytes:
        """The marker of a value."""
        self.counts[kind] += 1
        digest = hmac.new(self.salt, kind.encode() + b"\0" + value, hashlib.sha256).hexdigest()[:12]
        return f"[{kind}-{digest}]".encode("ascii")

    def text(self, data: bytes) -> bytes:
        """Text of any kind, with what it holds replaced."""
        return _HEX.sub(self._hex, self._plain(data))

    def _plain(self, data: bytes) -> bytes:
        data = self._pem(data)
        data = _TOKENS.sub(lambda match: self.mark("token", match[0]), data)
        data = _BEARER.sub(lambda match: match[1] + self.mark("token", match[2]), data)
        data = _USERINFO.sub(lambda match: match[1] + self.mark("secret", match[2]), data)
        data = _ASSIGNED.sub(self._assigned, data)
        data = _EMAIL.sub(lambda match: self.mark("email", match[0].lower()), data)
        data = _IPV4.sub(self._address, data)
        data = _IPV6.sub(self._address, data)
        return _KERNEL.sub(self._kernel, data)

    def value(self, value: Any, key: str = "") -> Any:
        """What JSON holds, with its strings and keys replaced; a string whose key calls it a secret as a whole."""
        if isinstance(value, str) and key.endswith("_b64"):
            return self._base64(value)
        if isinstance(value, str):
            if (
                _SECRET_KEY.search(key.encode("utf-8", "replace"))
                and value
                and not re.fullmatch(_MARKER.decode(), value)
            ):
                return self.mark("secret", value.encode("utf-8", "surrogatepass")).decode("ascii")
            return self.words(value)
        if isinstance(value, list):
            return [self.value(entry, key) for entry in value]
        if isinstance(value, dict):
            return {self.words(name): self.value(entry, name) for name, entry in value.items()}
        return value

    def words(self, text: str) -> str:
        """A string, with what it holds replaced."""
        return self.text(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def document(self, data: bytes) -> bytes | None:
        """JSON, or lines of it, written anew; None for what is neither."""
        try:
            return (json.dumps(self.value(json.loads(data)), indent=1) + "\n").encode()
        except (ValueError, RecursionError):
            pass
        try:
            rows = [json.loads(line) for line in data.split(b"\n") if line.strip()]
            return "".join(json.dumps(self.value(row)) + "\n" for row in rows).encode()
        except (ValueError, RecursionError):
            return None

    def _base64(self, value: str) -> str:
        """The exact bytes of a name, as results print them; what is none is replaced as a whole."""
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            return self.mark("secret", value.encode()).decode("ascii")
        return base64.b64encode(self.text(data)).decode("ascii")

    def _pem(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        at, end = 0, _PEM_END.search(data)
        while begin := _PEM_BEGIN.search(data, at):
            while end and end.start() < begin.end():
                end = _PEM_END.search(data, end.end())
            rest = _PEM_REST.match(data, begin.end())
            stop = end.end() if end and end.start() - begin.end() <= MAX_PEM else rest.end() if rest else begin.end()
            pieces += [data[at : begin.start()], self.mark("key", data[begin.start() : stop])]
            at = stop
        return b"".join([*pieces, data[at:]])

    def _assigned(self, match: re.Match[bytes]) -> bytes:
        quote, value = next((match[n], match[n + 1]) for n in (2, 4, 6, 8) if match[n] is not None)
        if re.fullmatch(_MARKER, value):
            return match[0]
        return match[1] + quote + self.mark("secret", value)

    def _address(self, match: re.Match[bytes]) -> bytes:
        text = match[0].decode("ascii")
        if len(text) > 45 or (":" in text and text.count(":") < 2):
            return match[0]
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return match[0]
        # they are the same everywhere and name nobody
        if address.is_loopback or address.is_unspecified:
            return match[0]
        return self.mark("ip", str(address).encode())

    def _kernel(self, match: re.Match[bytes]) -> bytes:
        packed = bytes.fromhex(match[0].decode("ascii"))
        if match[0].isupper() or match[0].isdigit():
            # in words of four bytes, each as a little-endian machine has it
            packed = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
        address = ipaddress.ip_address(packed)
        is_common = address.is_loopback or address.is_unspecified or packed == b"\xff" * len(packed)
        return match[0] if is_common else self.mark("ip", str(address).encode())

    def _hex(self, match: re.Match[bytes]) -> bytes:
        """Collectors send names and command lines as hexadecimal digits."""
        before = bytes.fromhex(match[2].decode("ascii"))
        counted = self.counts.copy()
        # words of a command line stand between NULs
        after = b"\0".join(self._plain(word) for word in before.split(b"\0"))
        if after == before:
            self.counts = counted
            return match[0]
        return match[1] + after.hex().encode("ascii")


def is_binary(data: bytes) -> bool:
    """Whether a file whose beginning this is can be damaged by replacing text in it.

    A log whose beginning was cut off is all zeros there, and text all the same; a tar of texts is no text.
    """
    if b"\0" not in data:
        return data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"))
    if data[257:262] == b"ustar":
        return True
    try:
        data.replace(b"\0", b"")[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
