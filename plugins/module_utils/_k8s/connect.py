# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a module's options to the API server: authentication is kubernetes.core's, the connection is our own.

kubernetes.core's get_api_client makes a client of a configuration and asks the server for its version with it at once: by
connections that it makes, without a time-out. So the configuration is taken from it, and the client is made here.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.pace import Pace
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.certificates import verify_as_kubectl
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import (
    PLUGIN_HINT,
    REQUEST_TIMEOUT,
    Cluster,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import (
    harmless,
    with_port,
    without_password,
)

# versions of SelfSubjectReview: since Kubernetes 1.28, 1.27 and, where its gate is on, 1.26
REVIEWS = ("v1", "v1beta1", "v1alpha1")


def connect(module: Any, deadline: Deadline, *, uses_environment: bool = True) -> Cluster:
    """Return the cluster that the module's options name, to be asked until the deadline. Raises Failure.

    uses_environment: what is not given comes from K8S_AUTH_*, which must not be asked of several clusters at once: the token of one
    would be sent to the others.
    """
    return Cluster(open_client(module, deadline, uses_environment=uses_environment), deadline, pace_of(module))


def pace_of(module: Any) -> Pace | None:
    """Return how fast the module may ask, by its options; None for no limit. Raises Failure InvalidRequest."""
    per_second = module.params.get("requests_per_second") or 0.0
    if not 0 <= per_second <= MOST_PER_SECOND:
        why = f"requests_per_second: expected a number from 0 to {MOST_PER_SECOND}, got {per_second!r}."
        raise Failure("InvalidRequest", why, "0 is no limit.")
    return Pace(per_second) if per_second else None


def open_client(module: Any, deadline: Deadline, *, uses_environment: bool = True) -> Any:
    """Return a kubernetes.client.ApiClient for the module's options. Raises Failure. The server is not asked for anything.

    Warns where the options say that its certificate is not verified.
    """
    try:
        # a credential plugin of a kubeconfig takes its time
        client = within(
            min(REQUEST_TIMEOUT, deadline.left()), lambda: _make(module, uses_environment), ends_programs=True
        )
    except TimeoutError as error:
        why = f"connecting to {_whom(module)}: the credentials cannot be had in time."
        raise Failure("ApiUnreachable", why, PLUGIN_HINT) from error
    configuration = client.configuration
    if not configuration.verify_ssl and str(configuration.host).startswith("https:"):
        module.warn(
            f"The certificate of {without_password(str(configuration.host))} is not verified: validate_certs is false."
        )
    return client


# more than any API server answers
MOST_PER_SECOND = 100_000

_OPTIONS_OF_HEADERS = {
    "Impersonate-User": "impersonate_user",
    "Impersonate-Group": "impersonate_groups",
    "Accept": "accept",
}
_default_lock = threading.Lock()


@contextmanager
def _no_default() -> Iterator[None]:
    """Keep what a kubeconfig says out of the process's default configuration, where the next connection would inherit it.

    The kubernetes client puts it there, and kubernetes.core takes it from there: host, authority, and the way to a token.
    """
    from kubernetes.client import Configuration

    with _default_lock:
        before = Configuration._default  # noqa: SLF001 - get_default makes one where there is none
        Configuration.set_default(None)
        try:
            yield
        finally:
            Configuration._default = before  # noqa: SLF001


def _make(module: Any, uses_environment: bool) -> Any:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_MAP
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s import client as kubernetes_core
    from kubernetes.client import ApiClient
    from kubernetes.config import ConfigException

    def is_given(option: str) -> bool:
        return module.params.get(option) is not None

    try:
        settings = kubernetes_core._create_auth_spec(module)  # noqa: SLF001 - its public function connects as well
        headers = kubernetes_core._create_headers(module)  # noqa: SLF001
        if not uses_environment:
            settings = {key: value for key, value in settings.items() if is_given(AUTH_ARG_MAP[key])}
            headers = {key: value for key, value in headers.items() if is_given(_OPTIONS_OF_HEADERS[key])}
        with _no_default():
            client = ApiClient(kubernetes_core._create_configuration(settings))  # noqa: SLF001
        for header, value in headers.items():
            kubernetes_core._set_header(client, header, value)  # noqa: SLF001
        verify_as_kubectl(client.rest_client.pool_manager)
    except Failure:
        raise
    except ConfigException as error:
        raise Failure(
            "InvalidRequest",
            f"connecting: Could not create API client: {error}",
            "Check kubeconfig and context, or set host and api_key.",
        ) from error
    except Exception as error:
        # whatever urllib3, ssl, yaml or a credential plugin raises; its text may hold a credential
        status = getattr(error, "status", None)
        if isinstance(status, int) and status:
            body = getattr(error, "body", b"") or b""
            body = body if isinstance(body, bytes) else str(body).encode()
            raise failure_from_status(status, parse_status(body), "connecting") from error
        raise Failure("ApiUnreachable", f"connecting to {_whom(module)}: {harmless(error)}") from error
    return client


def _whom(module: Any) -> str:
    """Return the server as a message names it before its URL is known: by the option, or by the place that says it."""
    params = module.params
    if isinstance(host := params.get("host"), str) and host:
        return with_port(without_password(host))
    kubeconfig = params.get("kubeconfig")
    where = kubeconfig if isinstance(kubeconfig, str) and kubeconfig else "the kubeconfig"
    return f"the server of {where}" + (f", context {params['context']}" if params.get("context") else "")
