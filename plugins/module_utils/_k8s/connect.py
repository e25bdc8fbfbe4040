# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a module's options to the API server, by kubernetes.core's own client.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import REQUEST_TIMEOUT, Cluster, harmless


def connect(module: Any, deadline: Deadline) -> Cluster:
    """The cluster that the module's options name. Raises Failure."""
    return Cluster(open_client(module, deadline))


def open_client(module: Any, deadline: Deadline) -> Any:
    """The ApiClient for the module's options, as kubernetes.core makes it. Raises Failure.

    Building that client asks the server for its version without a time-out: a server that says nothing costs the
    deadline, not for ever.
    """
    try:
        return within(min(REQUEST_TIMEOUT, deadline.left()), lambda: _connect(module))
    except TimeoutError as error:
        raise Failure("ApiUnreachable", "connecting: the API server does not answer") from error


def _connect(module: Any) -> Any:
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

    try:
        return get_api_client(module=module).client.client
    except CoreException as error:
        raise Failure(
            "InvalidRequest", f"connecting: {error}", "Check kubeconfig and context, or set host and api_key."
        ) from error
    except Exception as error:
        # whatever urllib3, ssl, yaml or a credential plugin raises while the client is built; its text may hold a credential
        status = getattr(error, "status", None)
        if isinstance(status, int) and status:
            body = getattr(error, "body", b"") or b""
            body = body if isinstance(body, bytes) else str(body).encode()
            raise failure_from_status(status, parse_status(body), "connecting") from error
        raise Failure("ApiUnreachable", f"connecting: {harmless(error)}") from error
