#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes, patches or deletes one object of the API."""

from __future__ import annotations

DOCUMENTATION = r"""
module: api_change
short_description: Make, patch or delete one object of the API
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Changes what the quarantine role changes, as M(kubernetes.core.k8s) does it, by the collection's own connection, whose
    certificate is verified as kubectl does it.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
options:
  definition:
    description:
      - The object, or the part of it that is to be as it says here; null removes a label or an annotation.
      - C(kind) is one of those of M(incident.distroless.api_objects); C(metadata.name) is needed.
    type: dict
    required: true
  namespace:
    description: The object's namespace where O(definition) has none.
    type: str
  state:
    description:
      - V(present) makes the object, or patches the one that is there.
      - V(patched) patches one that is there, and fails where there is none.
      - V(absent) deletes it.
    type: str
    choices: [present, patched, absent]
    default: present
  timeout:
    description: Seconds for all of it.
    type: int
    default: 60
attributes:
  check_mode:
    description: Sends the same requests with C(dryRun=All).
    support: full
  diff_mode:
    description: Shows the object before and after, without its status, a pod without its spec.
    support: full
notes:
  - Permissions needed are get on the object's kind, with create and patch, patch, or delete, by O(state).
  - Patches are strategic merge patches.
"""

EXAMPLES = r"""
- name: Take a pod out of its Services by its label
  incident.distroless.api_change:
    state: patched
    definition:
      kind: Pod
      metadata:
        name: api-0
        namespace: shop
        labels:
          app: null
"""

RETURN = r"""
result:
  description: >-
    The object as it is now, or in check mode as it would be, without its status and managed fields, a pod without
    its spec; empty where there is none.
  returned: success
  type: dict
targets:
  description: Always empty.
  returned: always
  type: list
  elements: dict
failed_targets:
  description: A row with C(reason), C(message) and C(hint) where it failed.
  returned: always
  type: list
  elements: dict
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: "Pod shop/api-0: patched"
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.api_change import run

    run()


if __name__ == "__main__":
    main()
