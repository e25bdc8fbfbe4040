# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What --diff shows: a pod's ephemeral containers before and after, or whole pods, without the values of environment variables.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import MARK
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import (
    container_without_values,
    without_values,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target


def debugger_diff(target: Target, before: Sequence[Debugger], after: Sequence[Debugger]) -> dict[str, str]:
    """Return the contract's diff of one target."""
    header = f"pod {target.namespace}/{target.pod} ephemeralContainers"
    return {"before": _text(before), "after": _text(after), "before_header": header, "after_header": header}


def pod_diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the contract's diff of two pods, or of one that comes or goes (None)."""
    return {
        "before": _pod_text(before),
        "after": _pod_text(after),
        "before_header": _header(before or after),
        "after_header": _header(after or before),
    }


def _header(pod: Mapping[str, Any] | None) -> str:
    metadata = (pod or {}).get("metadata") or {}
    return f"pod {metadata.get('namespace')}/{metadata.get('name')}"


def _pod_text(pod: Mapping[str, Any] | None) -> str:
    import yaml

    if pod is None:
        return ""
    masked = without_values(pod)
    metadata = masked["metadata"]
    shown = {key: dict(metadata.get(key) or {}) for key in ("labels", "annotations")}
    return str(yaml.safe_dump({"metadata": shown, "spec": masked["spec"]}, sort_keys=True))


def _text(entries: Sequence[Debugger]) -> str:
    import yaml

    if not entries:
        return ""
    shown = [
        {**container_without_values(entry.manifest, MARK), "state": next(iter(entry.state), "running")}
        for entry in entries
    ]
    return str(yaml.safe_dump(shown, sort_keys=True))
