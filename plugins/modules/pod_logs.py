#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the ends of many containers' logs in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_logs
short_description: Read the logs of many containers at once
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Reads the last lines of the logs of any number of containers side by side, where M(kubernetes.core.k8s_log) in a loop takes a
    second for each.
  - It changes nothing in the cluster.
  - A log is whatever the container printed. Show it with care.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
options:
  namespace:
    description:
      - The namespace of those O(containers) that name none. It may come from C(module_defaults) of the action group
        C(incident.distroless.k8s).
    type: str
  containers:
    description:
      - The containers, each with C(namespace) (O(namespace) where it has none), C(pod) and C(container); C(previous) (a boolean)
        asks for the run before.
    type: list
    elements: dict
    required: true
  tail_lines:
    description: How many lines of each log are read, its last ones.
    type: int
    default: 1000
  max_bytes:
    description: The most bytes that are kept of each log, its last ones; the first line is then a whole one.
    type: int
    default: 1048576
  concurrency:
    description: How many logs are read at once.
    type: int
    default: 8
  timeout:
    description: Seconds for each log.
    type: int
    default: 60
attributes:
  check_mode:
    description: Reads as well, since nothing is changed.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
notes:
  - A log that cannot be read is no failure as long as another one can.
  - Permissions needed are get on pods/log.
"""

EXAMPLES = r"""
- name: Read what two containers said before they ended
  incident.distroless.pod_logs:
    containers:
      - {namespace: shop, pod: api-0, container: app, previous: true}
      - {namespace: shop, pod: api-1, container: app, previous: true}
    tail_lines: 100
  no_log: true
  register: said
"""

RETURN = r"""
logs:
  description: >-
    A row for each container, in the same order, with C(namespace), C(pod), C(container), C(previous), C(log) (its text, null where
    it could not be read), C(truncated) (whether its beginning was cut off, by O(max_bytes) or since its last lines are longer than 16 MiB), C(cut) (what is
    missing, in words, null where nothing is), C(reason) and C(msg) (null where it was read).
  returned: always
  type: list
  elements: dict
targets:
  description: Always empty.
  returned: always
  type: list
  elements: dict
failed_targets:
  description: The containers whose log could not be read, each with C(namespace), C(pod), C(container), C(reason), C(message) and C(hint).
  returned: always
  type: list
  elements: dict
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: 2 of 2 logs read
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.pod_logs import run

    run()


if __name__ == "__main__":
    main()
