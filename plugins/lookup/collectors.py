# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads collectors from folders of YAML files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: collectors
short_description: Read what to look at in a pod
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Reads the collectors in the YAML files of folders, checks them, and puts them in the order of volatility (RFC 3227).
  - Commands are taken as they are written; braces in them are no templates.
options:
  _terms:
    description:
      - Folders. Of two collectors with the same name the later folder's counts.
      - A relative path is relative to the playbook's directory.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the folder's collectors look at
  ansible.builtin.debug:
    msg: "{{ query('incident.distroless.collectors', 'checks/collectors') | map(attribute='title') }}"
"""

RETURN = r"""
_raw:
  description: >-
    The collectors, each with C(name), C(title), C(volatility), C(command), C(argv), C(api), C(parser) and C(timeout). What was
    not given is null or the default.
  type: list
  elements: dict
"""


from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import as_rows, parse_collectors


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the collectors in the folders that terms name."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            return as_rows(parse_collectors(read_checks([self._loader.path_dwim(term) for term in terms])))
        except (OSError, ValueError) as error:
            raise AnsibleError(f"collectors: {error}") from error
