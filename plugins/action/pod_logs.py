# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of pod_logs."""

from __future__ import annotations

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible_collections.incident.distroless.plugins.module_utils._modules.pod_logs import run
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.module_action import Action


class ActionModule(Action):
    """Finds the files that the task names."""

    task = staticmethod(run)
