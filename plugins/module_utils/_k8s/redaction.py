# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be shown of objects, URLs and errors: objects without values of environment variables, the others without passwords.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
HIDDEN = "(left out)"

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def without_password(url: str) -> str:
    """Return a URL without what stands before its @: somebody can have put a password there."""
    return re.sub(r"//[^/]*@", "//", url)


def with_port(url: str) -> str:
    """Return a URL that says its port, also where it is the one that its scheme has anyway."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return url
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()


def harmless(error: BaseException) -> str:
    """Return what an exception says that cannot hold a credential."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    inner = error.__cause__ or error.__context__
    return harmless(inner) if inner is not None else type(error).__name__


def without_values(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an object in which every value of an environment variable is left out, and what repeats them.

    A deployment holds a pod's template, and a cron job the template of one; kubectl apply keeps the whole manifest.
    """
    copy = dict(thing)
    spec = copy.get("spec")
    if isinstance(spec, Mapping):
        copy["spec"] = _without_values(spec)
    metadata = copy.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if isinstance(metadata, Mapping) and isinstance(annotations, Mapping) and LAST_APPLIED in annotations:
        copy["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: HIDDEN}}
    return copy


def _without_values(spec: Mapping[str, Any]) -> dict[str, Any]:
    copy = dict(spec)
    for key in _CONTAINERS:
        if key in spec:
            copy[key] = [container_without_values(container) for container in spec[key] or ()]
    for key in ("template", "jobTemplate"):
        if isinstance(spec.get(key), Mapping):
            copy[key] = without_values(spec[key])
    return copy


def container_without_values(container: Mapping[str, Any], shown: str | None = None) -> dict[str, Any]:
    """Return a copy of a container's spec without the values of its environment variables, but for that of the one shown."""
    variables = container.get("env")
    if not variables:
        return dict(container)
    return {
        **container,
        "env": [
            {**entry, "value": HIDDEN} if "value" in entry and entry.get("name") != shown else dict(entry)
            for entry in variables
        ],
    }
