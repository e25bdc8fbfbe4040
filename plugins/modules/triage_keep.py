#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of triage_keep, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: triage_keep
short_description: Keep what was collected of pods
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Writes C(collected.json) into a case folder, which M(incident.distroless.triage_judge) starts from. The file is replaced as a whole,
    and is on the disk when the task ends.
  - Fails where the case is sealed, or another role's.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The case folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
  collected:
    description: The content of C(collected.json).
    type: json
    required: true
attributes:
  check_mode:
    description: Refuses the same, and writes nothing.
    support: full
seealso:
  - module: incident.distroless.case_open
"""

EXAMPLES = r"""
- name: Keep what was collected elsewhere, to judge it here
  incident.distroless.triage_keep:
    path: cases/4711
    collected: "{{ lookup('ansible.builtin.file', 'collected.json') }}"
"""

RETURN = r"""
path:
  description: The case folder.
  returned: success
  type: str
reason:
  description: The word of the closed list of reasons, V(CaseSealed) or V(CaseConflict).
  returned: failure
  type: str
  sample: CaseSealed
hint:
  description: What to do about it.
  returned: failure
  type: str
msg:
  description: One line that says what was done.
  returned: always
  type: str
"""
