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

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.assignments import (
    MARKER,
    STAMP,
    Mark,
    is_marker,
)

_TOKEN = re.compile(
    rb"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9A-Fa-f]{2})|(?<=[\[;][0-9]m)|(?<=[\[;][0-9]{2}m))(?:"
    rb"eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}+(?:\.[A-Za-z0-9_-]*+){0,3}"  # JWT, JWE
    rb"|eyJhdXRo[A-Za-z0-9+/_-]{8,}+={0,2}"  # the base64 of {"auths": a registry's login
    rb"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"  # AWS
    rb"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_[A-Za-z0-9_]{20,}+|gl(?:pat|rt|dt|ptt|cbt|soat|agent)-[A-Za-z0-9_.-]{16,}+"
    rb"|xox[abceoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+|AIza[A-Za-z0-9_-]{30,}+|ya29\.[A-Za-z0-9_-]{20,}+"
    rb"|GOCSPX-[A-Za-z0-9_-]{20,}+|sk-[A-Za-z0-9_-]{20,}+|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[A-Za-z0-9+/=]{16,}+"
    rb"|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{50,}+|dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}+|hf_[A-Za-z0-9]{30,}+"
    rb"|hv[bsr]\.[A-Za-z0-9_-]{20,}+|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+|do[opr]_v1_[a-f0-9]{40,}+"
    rb"|sha256~[A-Za-z0-9_-]{40,}+|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|dapi[a-f0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{40,}+"
    rb"|ATATT[A-Za-z0-9_=-]{30,}+|glsa_[A-Za-z0-9_]{30,}+|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
    rb"|[a-z0-9]{6}\.(?=[a-z]{0,15}[0-9])[a-z0-9]{16}(?![A-Za-z0-9_.-])"  # of kubeadm
    rb")"
)
# the base64 of -----BEGIN
_ENCODED_PEM = re.compile(rb"LS0tLS1CRUdJTi[A-Za-z0-9+/=]{8,}+")
_WEBHOOK = re.compile(
    rb"(?<=hooks\.slack\.com/)((?:services|workflows|triggers)/)([A-Za-z0-9/]{8,}+)"
    rb"|(?<=/api/webhooks/)([0-9]{5,}+/)([A-Za-z0-9_-]{8,}+)"
)
_BEARER = re.compile(
    rb"(?i)(?<![a-z])((?:bearer|basic|splunk|apikey)(?:[ \t]|%20){1,4})"
    rb"(?!(?:auth|token|credential|scheme|realm|error|challenge|information|config|check|access|support)[a-z]*\b)"
    rb"([A-Za-z0-9._~+/=-]{8,}+)"
)
_HEADER = re.compile(
    rb"(?i)((?:authorization|cookie2?)(?:\\*[\"'])?[ \t]{0,8}+(?::|=>)[ \t]{0,8}+)"
    rb"(?:(\\+\"|(?!"
    + MARKER
    + rb")\[[ ]?(?:\\*[\"'])?)((?:"
    + MARKER
    + rb"|[^\]\"'\\\r\n\[]++|\[|\\++(?![\"\\nr])){1,65535})"
    rb"|(\")((?:[^\"\\\r\n]++|\\.){1,65535})|(')((?:[^'\\\r\n]++|\\.){1,65535})"
    rb"|()((?:[^\r\n\0\"'\\]++|[\"'](?=[^\s,:}\])\\]|,[ ]?[a-z]{1,40}+=)|\\(?![\"'\\nrtu])){1,65535}))"
)
_SCHEME = re.compile(
    rb"(?i)(?:bearer|basic|digest|token|api-?key|splunk|negotiate|ntlm|aws4-hmac-sha256|hmac|key|oauth|jwt|bot)(?:[ \t]|%20){1,8}(?=\S)"
)
# up to the last @ before the path; a user may be missing, and a password hold a slash where it is no port
_USERINFO = re.compile(rb"(?<=://)([^\s/@:\"'<>\[]{0,256}+:)([^\s/\"'<>]{1,512}(?=@(?!sha256:)))")
_USERINFO_SLASH = re.compile(
    rb"(?<![a-z])(?!https?:)([a-z][a-z0-9+]{1,20}+://[^\s/@:\"'<>\[]{0,256}+:)(?!\[|[0-9]{1,5}+(?:[/?#,\s]|\Z))([^\s\"'<>]{1,512}(?=@(?!sha256:)))"
)
_USER = re.compile(rb"(?<=[tT][tT][pP][sS]://)([^\s/@:\"'<>\[]{1,512}+)(?=@)")
_DRIVER = re.compile(
    rb"(?<![\w.-])([\w.-]{1,64}+:)([^\s\"'@/]{1,256}+)(?=@(?:tcp|unix)\()"
    rb"|(?<=oracle:thin:)([^\s/@\"']{1,64}+/)([^\s@\"']{1,256}+)(?=@)"
)
_SIGNATURE = re.compile(
    rb"(?i)((?:[?&]|%3F|%26)(?:sig|key|(?:x-(?:amz|goog)-)?signature)(?:=|%3D))((?:[A-Za-z0-9_.~+/=-]|%(?!26)[0-9a-f]{2}){8,4096})"
)
_GAP = rb"(?:[ \t]+|\0|[ \t]*[\"'],?[ \t]*[\"'])"
# of programs that take a password by a short option; -u takes user:password
_BEFORE_OPTION = rb"\b[^\n|;]{0,400}?(?<=[ \t\0\"'])"
_OPTION = re.compile(
    rb"(?<![\w-])((?:redis-cli"
    + _BEFORE_OPTION
    + rb"-a|ldap[a-z]{1,8}+"
    + _BEFORE_OPTION
    + rb"-w|(?:sshpass|mysql[a-z]{0,8}+|mariadb[a-z-]{0,8}+|mongo[a-z]{0,8}+|7z|zip)"
    + _BEFORE_OPTION
    + rb"-p)(?:"
    + _GAP
    + rb")?)(?![ \t\0-])([^\s\0\"']{1,256}+)"
)
_LOGIN = re.compile(
    rb"((?<![\w-])(?:-u|--user|--proxy-user)(?:=|"
    + _GAP
    + rb")?[\"']?[^\s\0:\"'=/-][^\s\0:\"'/]{0,128}+:)(?![0-9]{1,10}+(?![^\s\0\"']))([^\s\0\"']{1,256}+)"
)
# of configurations whose names and values are words
_DIRECTIVE = re.compile(
    rb"(?i)(?<![\w-])((?:requirepass|masterauth|wpa_passphrase|rootpw|bindpw|ENV[ \t]{1,4}+[\w]{0,40}(?:PASSWORD|TOKEN|SECRET|KEY))"
    rb"[ \t]{1,40}+[\"']?)([^\s\0\"']++)"
)
_LOGIN_VALUE = rb"(?=[a-z+/_-]{0,400}[0-9A-Z=])[A-Za-z0-9+/_-]{8,}+={0,2}"
_AUTH = re.compile(
    rb"(?<![A-Za-z])([aA]uth(?:\\*[\"'])?[ \t]{0,8}(?::|=>?)[ \t]{0,8}\\*[\"']?)(" + _LOGIN_VALUE + rb")(?![\w.:@/])"
)
_NETRC = re.compile(rb"(?i)(\blogin[ \t\n]{1,8}+\S{1,128}+[ \t\n]{1,8}+password[ \t\n]{1,8}+)(\S{1,256}+)")


def tokens(data: bytes, mark: Mark) -> bytes:
    """Return the text with what is known by its form or its place replaced."""

    def second(kind: str, match: re.Match[bytes]) -> bytes:
        before, value = (group for group in match.groups() if group is not None)
        return before + (value if is_marker(value) else mark(kind, value))

    data = _ENCODED_PEM.sub(lambda match: mark("key", match[0]), data)
    data = _TOKEN.sub(lambda match: mark("token", match[0]), data)
    data = _WEBHOOK.sub(lambda match: second("token", match), data)
    data = _BEARER.sub(lambda match: second("token", match), data)
    data = _HEADER.sub(lambda match: _header(match, mark), data)
    for pattern in (_USERINFO, _USERINFO_SLASH, _DRIVER, _SIGNATURE, _OPTION, _LOGIN, _AUTH, _NETRC, _DIRECTIVE):
        data = pattern.sub(lambda match: second("secret", match), data)
    return _USER.sub(lambda match: match[0] if is_marker(match[0]) else mark("secret", match[0]), data)


def is_login(value: bytes) -> bool:
    """Return whether a value is that of "auth" in a registry's configuration."""
    return re.fullmatch(_LOGIN_VALUE, value) is not None


def _header(match: re.Match[bytes], mark: Mark) -> bytes:
    """Return a header to its end; the scheme of an authorization stays."""
    name, before, value = (group for group in match.groups() if group is not None)
    scheme = _SCHEME.match(value) if b"uthorization" in name.lower() else None
    kept = scheme[0] if scheme else b""
    value = value[len(kept) :]
    rest = value.rstrip(b" \t")
    if not rest or is_marker(rest):
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


def addresses(data: bytes, mark: Mark) -> bytes:
    """Return the text with each address replaced, but those that are the same everywhere."""
    data = _EMAIL.sub(lambda match: mark("email", _plain_email(match[0])), data)
    data = _DASHED.sub(lambda match: (match[1] or b"") + _dashed(match, mark), data)
    data = _IPV6.sub(lambda match: _ipv6(match, mark), data)
    data = _IPV4.sub(lambda match: _marker(match[0], mark) or match[0], data)
    return _KERNEL.sub(lambda match: _kernel(match[0], mark), data)


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
