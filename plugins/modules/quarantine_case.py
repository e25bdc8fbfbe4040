#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of quarantine_case, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine_case
short_description: Write down what was done to a pod in quarantine
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Continues C(quarantine.jsonl) in the case folder of the role P(incident.distroless.quarantine#role) by one line, and writes
    C(findings.json), C(summary.md) and C(report.html) anew from all of them.
  - Each line has the time of this host's clock, the pod, and the sha256 of the line before. Fails, and writes nothing, where a line was
    changed. Plays that continue one case at the same moment wait for each other.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The case folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
  namespace:
    description: The pod's namespace.
    type: str
    required: true
  pod:
    description: The pod that this was done to. A case can be about several.
    type: str
    required: true
  row:
    description: >-
      What was done, with C(action) (V(begin), V(policy), V(labels), V(policies_deleted), V(judged), V(end)) and what the role has to say of
      it.
    type: json
    required: true
attributes:
  check_mode:
    description: Says where it would write, and writes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Write down which labels the pod had and has
  incident.distroless.quarantine_case:
    path: cases/4711
    namespace: shop
    pod: api-0
    row: "{{ {'action': 'labels', 'before': {'app': 'api'}, 'after': {}} | to_json }}"
"""

RETURN = r"""
path:
  description: The case folder.
  returned: success
  type: str
lines:
  description: How many lines the log has.
  returned: success
  type: int
last:
  description: The sha256 of its last line.
  returned: success
  type: str
report_path:
  description: The page C(report.html).
  returned: success
  type: str
msg:
  description: One line that says what the case says now.
  returned: always
  type: str
"""
