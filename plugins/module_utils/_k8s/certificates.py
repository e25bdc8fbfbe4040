# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the API server's certificate is verified on our own connections, and what it means when it is refused.

Chain, host name and dates, as kubectl does it. Python 3.13 asks for VERIFY_X509_STRICT besides, which refuses the
authorities of EKS and others: they sign without key identifiers (kubernetes-client/python#2394).

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any, NoReturn

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# what urllib3 would make a context of by itself, for each connection anew
_MATERIAL = ("ca_certs", "ca_cert_data", "ca_cert_dir", "cert_file", "key_file", "key_password")

# codes of OpenSSL's x509_vfy.h
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_KEY = 7
_NO_AUTHORITY = frozenset({2, 18, 19, 20, 21, 27})
_PURPOSE = 26
_NAMES = frozenset({62, 64})

_OTHER_NAME_HINT = "Connect by a name or address that the certificate has: set host, or server in the kubeconfig, or tls-server-name there."
_AUTHORITY_HINT = (
    "Set ca_cert to the file of this cluster's authority: it is certificate-authority-data of a kubeconfig that works. "
    "Where neither is set, only the authorities that this host trusts count."
)


def verify_as_kubectl(manager: Any) -> None:
    """Give a urllib3 PoolManager that the kubernetes client has made, and nobody uses yet, SSL contexts of our own.

    Authorities, client certificate, names, and whether anything is verified at all stay what they were. Raises Failure
    InvalidRequest for a file that holds no certificate or key.
    """
    from importlib.metadata import version

    is_old = version("urllib3").startswith("1.")
    options: dict[str, Any] = manager.connection_pool_kw
    given = {name: options.get(name) for name in _MATERIAL}
    is_verified = options.get("cert_reqs") == ssl.CERT_REQUIRED
    context = _context(given, is_verified=is_verified)
    if given["cert_file"]:
        _present(context, given)
    if is_old and str(getattr(manager.proxy, "scheme", "")) == "https":
        # 1.26 compares no name with a proxy's certificate where the context is not its own; its own asks for nothing strict
        return
    for name in _MATERIAL:
        options.pop(name, None)
    if is_old or options.get("assert_hostname") is False:
        # 1.26 compares names by itself then, addresses too, which it keeps from a context
        context.check_hostname = False
    options["ssl_context"] = context
    if not is_old and options.get("_proxy_config") is not None and options["_proxy_config"].ssl_context is None:
        # an https proxy is verified by the same authorities, and is not shown the client certificate
        manager.proxy_config = options["_proxy_config"]._replace(ssl_context=_context(given, is_verified=is_verified))
        options["_proxy_config"] = manager.proxy_config


def _context(given: Mapping[str, Any], *, is_verified: bool) -> ssl.SSLContext:
    # create_default_context would ask for VERIFY_X509_STRICT
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # an intermediate that the user trusts is enough, as in Go and in Python 3.13
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if not is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    authorities = (given["ca_certs"], given["ca_cert_dir"], given["ca_cert_data"])
    if not any(authorities):
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(*(value or None for value in authorities))
    except OSError as error:
        raise _unusable("CA certificate", "ca_cert", error) from error
    return context


def _present(context: ssl.SSLContext, given: Mapping[str, Any]) -> None:
    """Load the client certificate."""
    try:
        context.load_cert_chain(given["cert_file"], given["key_file"], given["key_password"] or _ask_nobody)
    except OSError as error:
        raise _unusable("client certificate or its key", "client_cert and client_key", error) from error


def _ask_nobody() -> NoReturn:
    # OpenSSL would ask the terminal
    raise Failure(
        "InvalidRequest", "connecting: the client key is encrypted.", "Set client_key to a key without a password."
    )


def _unusable(what: str, options: str, error: OSError) -> Failure:
    why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return Failure(
        "InvalidRequest",
        f"connecting: the {what} cannot be used ({why}).",
        f"Set {options}, or its like in the kubeconfig, to a file in PEM format.",
    )


def refusal(error: BaseException, doing: str, server: str) -> Failure | None:
    """Return the Failure CertificateRefused for an exception that a certificate caused, None for any other."""
    causes = _causes(error)
    refused = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    kinds = {type(cause).__name__ for cause in causes}
    # urllib3's own, for a name that the configuration asks for
    if refused is None and "CertificateError" not in kinds:
        return None
    whose = (
        f"the certificate of the proxy on the way to {server}"
        if "ProxyError" in kinds or any(map(_came_of_a_proxy, causes))
        else f"the certificate of {server}"
    )
    words, hint = _OTHER_NAME if refused is None else _in_words(refused)
    return Failure("CertificateRefused", f"{doing}: {whose} {words}.", hint)


def _came_of_a_proxy(error: BaseException) -> bool:
    """Return whether it was raised while urllib3 spoke TLS with a proxy; 1.26 has no exception that says so."""
    return any(frame.f_code.co_name == "_connect_tls_proxy" for frame, _line in walk_tb(error.__traceback__))


_OTHER_NAME = ("is made out to another name than the one that is asked for", _OTHER_NAME_HINT)


def _in_words(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    """Return what is wrong with a certificate, and what to do."""
    code, said = error.verify_code, str(error.verify_message).rstrip(".")
    clock = f"the clock of this host says {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if code == _EXPIRED:
        return f"(or of an authority that signed it) has expired; {clock}", "Renew it, or set the clock right."
    if code == _NOT_YET_VALID:
        return (
            f"(or of an authority that signed it) is not yet valid; {clock}",
            "Set the clock right: this host's, or that of the one on which the certificate was made.",
        )
    if code in _NAMES:
        return f"is made out to another name ({said})", _OTHER_NAME_HINT
    if code in _NO_AUTHORITY:
        return f"is signed by an authority that is not trusted here ({said})", _AUTHORITY_HINT
    if code == _OTHER_KEY:
        return "is signed by another authority than the trusted one, which has the same name", _AUTHORITY_HINT
    if code == _PURPOSE:
        return f"is not made for a server ({said})", "Check that host is the API server; renew its certificate."
    return f"is refused ({said})", "Renew the certificate, or set ca_cert to the authority that signed it."


def _causes(error: BaseException) -> list[BaseException]:
    """Return an exception and all that it wraps: urllib3 has them as reason, as argument and as cause."""
    found: list[BaseException] = []
    ahead: list[object] = [error]
    while ahead:
        cause = ahead.pop(0)
        if isinstance(cause, BaseException) and not any(cause is other for other in found):
            found.append(cause)
            ahead += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]
    return found
