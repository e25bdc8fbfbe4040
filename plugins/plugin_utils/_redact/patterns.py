# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are known by their form or by where they stand: tokens, credentials in a URL, a header or a command line, keys in
PEM, e-mail and IP addresses.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.names import (
    MARKER,
    STAMP,
    is_kept,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Mark

_HEADER = re.compile(
    rb"(?i)((?:authorization|cookie2?)(?:\\*[\"'])?[ \t]{0,8}+(?::|=>)[ \t]{0,8}+)"
    rb"(?:(\\+\"|(?!"
    + MARKER
    + rb")\[[ ]?(?:\\*[\"'])?)((?:"
    + MARKER
    + rb"|[^\]\"'\\\r\n\[]++|\[|\\++(?![\"\\nr])){1,65535})"
    rb"|(\")((?:[^\"\\\r\n]++|\\.){1,65535})|(')((?:[^'\\\r\n]++|\\.){1,65535})"
    rb"|()((?:[^\r\n\0\"'\\]++|[\"'](?=[^\s,:}\])\\]|,[ ]?[a-z]{1,40}+=)|\\(?![\"'\\nrtu])){1,65535}"
    # one word that is folded below it
    rb"(?:\r?\n(?:"
    + STAMP
    + rb")?[ \t]{1,8}+(?![\w.-]{1,64}+(?::|=[^=\s]))[^\s\"'<>{}\[\]]{1,4096}+(?=[ \t]*+(?:\r?\n|\Z)))?))"
)
_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|digest|token|api-?key|splunk|negotiate|ntlm|aws4-hmac-sha256|hmac|key|oauth|jwt|bot)(?:[ \t]|%20){1,8}(?=\S)"
)


def headers(data: bytes, mark: Mark) -> bytes:
    """Return the text with what authorization and cookies hold replaced, to the end of the header."""
    lower = data.lower()
    if b"authorization" not in lower and b"cookie" not in lower:
        return data
    return _HEADER.sub(lambda match: _header(match, mark), data)


def _header(match: re.Match[bytes], mark: Mark) -> bytes:
    """Return a header to its end; the scheme of an authorization stays."""
    name, before, value = (group for group in match.groups() if group is not None)
    scheme = _SCHEME.match(value) if b"uthorization" in name.lower() else None
    kept = scheme[0] if scheme else b""
    value = value[len(kept) :]
    rest = value.rstrip(b" \t")
    if not rest or is_kept(b"", rest):
        return match[0]
    return name + before + kept + mark("secret", rest) + value[len(rest) :]


# a PEM block that is longer than this is none
MAX_PEM = 1 << 16
_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}+-----")
_END = re.compile(rb"-----END [A-Z0-9 ]{1,40}+-----")
_BREAK = rb"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n|\Z)"
# the lines of one whose end was cut off: base64, and what tells how it was encrypted
_LINE = (
    rb"(?:"
    + STAMP
    + rb")?[ \t]{0,64}(?:[A-Za-z0-9+/]*+={0,2}|(?:Proc-Type|DEK-Info|Comment): [^\r\n\\]{0,200}+)[ \t]*+"
)
_REST = re.compile(
    rb"[ \t]*+"
    + _BREAK
    + rb"(?:"
    + _LINE
    + rb"(?:\r?\n|(?:\\{1,8}r)?\\{1,8}n)|"
    + _LINE
    + rb"(?=[\"'\r\n]|\Z)){0,4096}"
)
# one line of it without a line break, as some print it
_WORDS = re.compile(rb"[A-Za-z0-9+/= \t]*+")
# a line before an end whose beginning was cut off: base64 alone
_TAIL = re.compile(rb"(?:" + STAMP + rb")?[ \t>|]*+[A-Za-z0-9+/]{1,128}+={0,2}[ \t\r]*+")
_TAIL_START = re.compile(rb"(?:" + STAMP + rb")?[ \t>|]*+")
_BASE64 = bytes(range(48, 58)) + bytes(range(65, 91)) + bytes(range(97, 123)) + b"+/="
_SHORTEST_TAIL = 16
_LINE_ENDS = re.compile(rb"\n|\\{1,8}n")


def pem(data: bytes, mark: Mark) -> bytes:
    """Return the text with each block replaced, from its first line to its last."""
    pieces: list[bytes] = []
    at, begin, end = 0, _BEGIN.search(data), _END.search(data)
    while begin or end:
        if end and (not begin or end.start() < begin.start()):
            stop = end.end()
            found = _headless(data, at, end.start())
            first = stop if found is None else found
            end = _END.search(data, stop)
        elif begin:
            first, stop = begin.start(), begin.end()
            if end and end.start() - stop <= MAX_PEM:
                stop = end.end()
                end = _END.search(data, stop)
            else:
                rest = _REST.match(data, stop) or _WORDS.match(data, stop)
                stop = rest.end() if rest else stop
            begin = _BEGIN.search(data, stop)
        pieces.append(data[at:first])
        if first < stop:
            pieces.append(mark("key", data[first:stop]))
        at = stop
    return b"".join([*pieces, data[at:]])


def _headless(data: bytes, floor: int, end: int) -> int | None:
    """Return where the lines of a block begin whose first line was cut off, not before floor; None where no such line is there."""
    floor = max(floor, end - MAX_PEM)
    breaks = [match.span() for match in _LINE_ENDS.finditer(data, floor, end)]
    if not breaks or not _TAIL_START.fullmatch(data, breaks[-1][1], end):
        return None
    first = None
    begins = [floor, *(stop for _start, stop in breaks)]
    for begin, (stop, _end) in zip(begins[-2::-1], breaks[::-1], strict=True):
        if not _TAIL.fullmatch(data, begin, stop):
            # the string of a log line may begin within the block
            word = stop - len(data[begin:stop]) + len(data[begin:stop].rstrip(_BASE64))
            return word if stop - word >= _SHORTEST_TAIL else first
        first = begin
    return first


_AT = rb"(?:@|%(?:25){0,2}40)"
# a word also begins after an escape of JSON, of a URL, and of a terminal's colour; each look back includes the word's first character
_AFTER_ESCAPE = (
    rb"(?<=\\[nrtbf].)|(?<=\\u[0-9a-fA-F]{4}.)|(?<=%[0-9A-Fa-f]{2}.)|(?<=\[[0-9]m.)|(?<=[\[;][0-9]{2}m.)|(?<=;[0-9]m.)"
)
_LOCAL = rb"[A-Za-z0-9._+\x80-\xff-]"
_EMAIL = re.compile(
    _LOCAL
    + rb"(?<!\x1b\[.)(?<!\x1b\[[0-9];.)(?:(?<![A-Za-z0-9._+\x80-\xff%\\-].)|(?<=%.)(?<!%[0-9A-Fa-f])|(?<=\\.)(?<!\\[nrtbfu])|"
    + _AFTER_ESCAPE
    + rb")[A-Za-z0-9._+\x80-\xff-]*+(?:%(?:25)?2[Bb][A-Za-z0-9._+\x80-\xff-]*+){0,4}"
    + _AT
    + rb"[A-Za-z0-9\x80-\xff-]{1,63}+(?:\.[A-Za-z0-9\x80-\xff-]{1,63}+){1,8}",
    re.DOTALL,
)
_IPV4 = re.compile(
    rb"[0-9](?:(?<![0-9.].)|" + _AFTER_ESCAPE + rb")[0-9]{0,2}+(?:\.[0-9]{1,3}+){3}(?![0-9]|\.[0-9])", re.DOTALL
)
_IPV6 = re.compile(rb"[0-9A-Fa-f]{0,4}+:[0-9A-Fa-f:]{1,64}+(?:(?:\.[0-9]{1,3}+){3})?(?!\w)")
_WORD_BEFORE = re.compile(rb"[\w:.]\Z")
_ESCAPE_BEFORE = re.compile(rb"(?:\\[nrtbf]|\\u[0-9a-fA-F]{4}|%[0-9A-Fa-f]{2}|[\[;][0-9]{1,2}m)\Z")
# as clouds and the cluster's DNS name hosts
_DASHED = re.compile(
    rb"(?<![0-9A-Za-z])(?:(ip-)[0-9]{1,3}+(?:-[0-9]{1,3}+){3}(?![0-9A-Za-z])|()[0-9]{1,3}+(?:-[0-9]{1,3}+){3}(?=\.[a-z0-9-]{1,63}+\.pod\b))"
)
# as /proc/net writes addresses: beside a port, in a row of the routes, and in those of IPv6
_KERNEL = re.compile(
    rb"(?<![0-9A-Fa-f])(?:[0-9A-F]{32}|[0-9A-F]{8})(?=:[0-9A-F]{4}(?![0-9A-Fa-f]))"
    rb"|(?<=\t)[0-9A-F]{8}(?=\t)"
    rb"|(?<![0-9A-Fa-f])[0-9a-f]{32}(?= [0-9a-f]{2} |  ?[0-9a-f]{8} )"
)


# what stands in each line in which one of these addresses is; each begins with a sign, which is found fast
_MAYBE_EMAIL = re.compile(rb"@|%(?:25){0,2}40")
_MAYBE_IPV4 = re.compile(rb"\.[0-9]{1,3}+\.[0-9]{1,3}+\.[0-9]")
_MAYBE_IPV6 = re.compile(rb":(?::|[0-9A-Fa-f]{1,4}+:[0-9A-Fa-f]{1,4}+:[0-9A-Fa-f]{1,4}+:)")
_MAYBE_DASHED = re.compile(rb"-[0-9]{1,3}+-[0-9]{1,3}+-[0-9]")
_MAYBE_KERNEL = re.compile(
    rb":[0-9A-F]{4}(?![0-9A-Fa-f])(?<=[0-9A-F]{8}:[0-9A-F]{4})|\t(?=[0-9A-F]{8}\t)| (?<=[0-9a-f]{32} )"
)
_MAYBE = (_MAYBE_EMAIL, _MAYBE_IPV4, _MAYBE_IPV6, _MAYBE_DASHED, _MAYBE_KERNEL)


def addresses(data: bytes, mark: Mark) -> bytes:
    """Return the text with each address replaced, but those that are the same everywhere."""
    data = _in_lines(_MAYBE_EMAIL, _EMAIL, data, lambda match: mark("email", _plain_email(match[0])))
    data = _in_lines(_MAYBE_DASHED, _DASHED, data, lambda match: (match[1] or b"") + _dashed(match, mark))
    data = _in_lines(_MAYBE_IPV6, _IPV6, data, lambda match: _ipv6(match, mark))
    data = _in_lines(_MAYBE_IPV4, _IPV4, data, lambda match: _ipv4(match, mark))
    return _in_lines(_MAYBE_KERNEL, _KERNEL, data, lambda match: _kernel(match[0], mark))


def maybe_address(data: bytes) -> bool:
    """Return whether a text can hold an address."""
    return any(maybe.search(data) for maybe in _MAYBE)


def _in_lines(
    maybe: re.Pattern[bytes], pattern: re.Pattern[bytes], data: bytes, marker: Callable[[re.Match[bytes]], bytes]
) -> bytes:
    """Return the text with what a pattern finds replaced, which is looked for only in lines that hold what it needs."""
    pieces: list[bytes] = []
    done = 0
    while found := maybe.search(data, done):
        start, stop = data.rfind(b"\n", done, found.start()) + 1 or done, data.find(b"\n", found.start())
        stop = len(data) if stop == -1 else stop
        pieces += [data[done:start], pattern.sub(marker, data[start:stop])]
        done = stop
    return b"".join([*pieces, data[done:]]) if pieces else data


def _plain_email(text: bytes) -> bytes:
    """Return an address as it is without the escapes of a URL."""
    return re.sub(rb"(?i)%(?:25)*2B", b"+", re.sub(rb"%(?:25)*40", b"@", text)).lower()


def _dashed(match: re.Match[bytes], mark: Mark) -> bytes:
    digits = match[0][len(match[1] or b"") :]
    return _marker(digits.replace(b"-", b"."), mark) or digits


def _marker(text: bytes, mark: Mark) -> bytes | None:
    """Return the marker of an address; None for what is none, or names nobody."""
    colons = text.count(b":")
    if len(text) > 45 or colons == 1:
        return None
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    # they are the same everywhere and name nobody
    if address.is_loopback or address.is_unspecified or _is_common(address, text):
        return None
    return mark("ip", str(address).encode())


# of IPv6 only these are given to anybody, or stand for IPv4; what is outside, as a::b, is a name of a language
_GIVEN = [ipaddress.ip_network(text) for text in ("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "64:ff9b::/96")]
# networks that are the same everywhere, by their address
_NETWORKS = {
    ipaddress.ip_network(text).network_address: text
    for text in (
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"
    ).split()
    + ("2000::/3 fc00::/7 fe80::/10 ff00::/8 64:ff9b::/96 2001:db8::/32 2002::/16").split()
} | {ipaddress.ip_address("fd00::"): "fd00::/8"}
# a version has as many numbers as an address
_VERSION_BEFORE = re.compile(
    rb"(?i)(?:(?<![a-z])(?:v|ver|version|release|rev|build|firmware)(?:[\"' \t]{0,4}[:=/]?[\"' \t]{0,4})|[a-z_+]-)\Z"
)
_VERSION_BEHIND = re.compile(
    rb"-r?[0-9]{1,3}(?![0-9.])|[-+](?:alpha|beta|rc|dev|deb|ubuntu|el[0-9])|\.(?:jar|whl|tar|tgz|zip|so|gem|rpm|deb|apk)\b"
)


def _is_common(address: ipaddress.IPv4Address | ipaddress.IPv6Address, text: bytes) -> bool:
    if address.version == 6:
        return b"." not in text and not any(address in network for network in _GIVEN)
    # a netmask
    inverted = ~int(address) & 0xFFFFFFFF
    return address.packed[0] == 255 and inverted & (inverted + 1) == 0


def _is_network(text: bytes, behind: bytes) -> bool:
    """Return whether an address with what follows it is a network that is the same everywhere, as 10.0.0.0/8."""
    length = _LENGTH.match(behind)
    if length is None:
        return False
    try:
        return _NETWORKS.get(ipaddress.ip_address(text.decode("ascii"))) == (text + length[0]).decode("ascii").lower()
    except ValueError:
        return False


_LENGTH = re.compile(rb"/[0-9]{1,3}(?![0-9.])")


def _ipv4(match: re.Match[bytes], mark: Mark) -> bytes:
    text, line = match[0], match.string
    behind = line[match.end() : match.end() + 16]
    before = line[max(0, match.start() - 16) : match.start()]
    is_version = _VERSION_BEFORE.search(before) or _VERSION_BEHIND.match(behind)
    if is_version or _is_network(text, behind):
        return text
    return _marker(text, mark) or text


def _ipv6(match: re.Match[bytes], mark: Mark) -> bytes:
    text, colons = match[0], match[0].count(b":")
    if colons < 2 or (colons < 7 and b"::" not in text and b"." not in text):
        return text
    before, address = b"", text
    context = match.string[max(0, match.start() - 6) : match.start()]
    if _WORD_BEFORE.search(context) and not _ESCAPE_BEFORE.search(context):
        # a word such as addr: or IPv6: stands before it, or it is a name such as std::add
        word, _colon, address = text.partition(b":")
        before = word + b":"
        if address.startswith(b":") and not address.startswith(b"::"):
            return text
    behinds = [b""]
    if colons == 8 and not address.endswith(b":"):
        # a port without brackets
        behinds.append(address[address.rfind(b":") :])
    if address.endswith(b":"):
        behinds.append(b":")
    if _is_network(address, match.string[match.end() : match.end() + 5]):
        return text
    for behind in behinds:
        if found := _marker(address[: len(address) - len(behind)], mark):
            return before + found + behind
    return text


def _kernel(digits: bytes, mark: Mark) -> bytes:
    packed = bytes.fromhex(digits.decode("ascii"))
    if digits.isupper() or digits.isdigit():
        # in words of four bytes, each as a little-endian machine has it
        packed = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
    address = ipaddress.ip_address(packed)
    is_common = address.is_loopback or address.is_unspecified or packed == b"\xff" * len(packed)
    return digits if is_common else mark("ip", str(address).encode())
