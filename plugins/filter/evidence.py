# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter of the role evidence_bundle; it is documented in a file of its own name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.closing import closing

Result = Mapping[str, Any]


def evidence_closing(sealed: Result, redacted: Result, options: Result, came: Result) -> dict[str, list[str]]:
    """Return what is said when a bundle was sealed."""
    # plain values only: Ansible's own carry tags, and some are made when they are looked at
    return closing(*json.loads(json.dumps([sealed, redacted, options, came], default=str)))


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"evidence_closing": evidence_closing}
