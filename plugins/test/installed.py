# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether what a role can do without is here."""

from __future__ import annotations

DOCUMENTATION = r"""
name: installed
short_description: Whether a module is installed
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Asks whether Ansible finds a module, so that a role can say what to install before it begins.
options:
  _input:
    description: The full name of the module.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what cannot be done
  ansible.builtin.fail:
    msg: Install the collection amazon.aws first.
  when: "'amazon.aws.s3_object' is not incident.distroless.installed"
"""

RETURN = r"""
_value:
  description: Whether it is found.
  type: bool
"""

from collections.abc import Callable

from ansible.plugins.loader import module_loader


def installed(module: str) -> bool:
    """Return whether Ansible finds a module of that full name."""
    return bool(module_loader.find_plugin_with_context(module).resolved)


class TestModule:
    """The test."""

    def tests(self) -> dict[str, Callable[[str], bool]]:
        """Return the test by its name."""
        return {"installed": installed}
