# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of what every module that talks to a cluster needs and does, the same in each."""

from __future__ import annotations


class ModuleDocFragment:
    """What needs the options of kubernetes.core.k8s_auth_options."""

    DOCUMENTATION = r"""
options:
  requests_per_second:
    description:
      - How many requests a second this task sends to the API server at most, however many pods it works on side by side. After a pause five
        seconds' worth go at once.
      - V(0) is no limit. What the API server itself asks for (HTTP 429) is honoured anyway.
    type: float
    default: 0.0
attributes:
  async:
    description: Runs in the background where the task says C(async).
    support: full
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
notes:
  - Runs where the API server is reachable, usually on C(localhost).
  - With a local connection a relative O(kubeconfig) is looked for as other files of a playbook or role are, in C(files/) too,
    and decrypted when it is in an Ansible vault.
"""

    PROGRESS = r"""
options: {}
notes:
  - On a terminal, and with a local connection, it says pod by pod what it is doing while it does it. Nothing of that is printed
    into a pipe, with C(async), or with a callback for machines. Linux controllers only.
"""
