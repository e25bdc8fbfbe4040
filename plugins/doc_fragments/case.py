# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of what all modules have in common that are actions and work on a case folder."""

from __future__ import annotations


class ModuleDocFragment:
    """What plugin_utils/_actions/case_action.py makes of them."""

    DOCUMENTATION = r"""
options: {}
attributes:
  diff_mode:
    description: Shows no differences.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""
