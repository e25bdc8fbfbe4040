# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""E-mail and IP addresses, as people, URLs and the kernel write them.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.secret_names import Mark

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


def addresses(data: bytes, mark: Mark) -> bytes:
    """The text with each address replaced, but those that are the same everywhere."""
    data = _EMAIL.sub(lambda match: mark("email", _plain_email(match[0])), data)
    data = _DASHED.sub(lambda match: (match[1] or b"") + _dashed(match, mark), data)
    data = _IPV6.sub(lambda match: _ipv6(match, mark), data)
    data = _IPV4.sub(lambda match: _marker(match[0], mark) or match[0], data)
    return _KERNEL.sub(lambda match: _kernel(match[0], mark), data)


def _plain_email(text: bytes) -> bytes:
    """As it is without the escapes of a URL."""
    return re.sub(rb"(?i)%(?:25)*2B", b"+", re.sub(rb"%(?:25)*40", b"@", text)).lower()


def _dashed(match: re.Match[bytes], mark: Mark) -> bytes:
    digits = match[0][len(match[1] or b"") :]
    return _marker(digits.replace(b"-", b"."), mark) or digits


def _marker(text: bytes, mark: Mark) -> bytes | None:
    """The marker of an address; None for what is none, or names nobody."""
    colons = text.count(b":")
    if len(text) > 45 or colons == 1:
        return None
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    # they are the same everywhere and name nobody
    if address.is_loopback or address.is_unspecified:
        return None
    return mark("ip", str(address).encode())


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
