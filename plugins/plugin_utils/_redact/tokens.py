# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens that are known by their form, and credentials that are known by where they stand: in a URL, a header, a command line.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re

from ansible_collections.incident.distroless.plugins.plugin_utils._redact.secret_names import MARKER, Mark, is_marker

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
    """The text with what is known by its form or its place replaced."""

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
    """Whether a value is that of "auth" in a registry's configuration."""
    return re.fullmatch(_LOGIN_VALUE, value) is not None


def _header(match: re.Match[bytes], mark: Mark) -> bytes:
    """A header to its end; the scheme of an authorization stays."""
    name, before, value = (group for group in match.groups() if group is not None)
    scheme = _SCHEME.match(value) if b"uthorization" in name.lower() else None
    kept = scheme[0] if scheme else b""
    value = value[len(kept) :]
    rest = value.rstrip(b" \t")
    if not rest or is_marker(rest):
        return match[0]
    return name + before + kept + mark("secret", rest) + value[len(rest) :]
