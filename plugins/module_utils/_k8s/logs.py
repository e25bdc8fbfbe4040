# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kubelet says in place of a log that the runtime has deleted.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

# before it looks and while it does (pkg/kubelet, GetKubeletContainerLogs; cri-client, logs.ReadLogs)
_SAID = ("unable to retrieve container logs for ", "failed to try resolving symlinks in path ")


def is_lost(log: str) -> bool:
    """Return whether that is all there is of a log."""
    return log.startswith(_SAID)
