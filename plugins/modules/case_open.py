#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of case_open, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: case_open
short_description: Open a case for a look of a role
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Makes the case folder and writes into it, as C(case.json), whom it belongs to. Roles of this collection do so before anything is
    injected or changed. Of two that ask at once one is first.
  - A case belongs to one look of one role. One that is sealed, another role's, or one that the role looked into before is refused, and
    stays as it is.
  - With O(add_to_case=true) the case takes a look each of several roles. Each role's result then lies in a folder of the role's name, and
    C(findings.json), C(summary.md) and C(report.html) on top list them all. What a role that was first left on top is moved into its folder.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The folder that cases are in. A relative path is relative to the playbook's directory.
    type: str
    required: true
  role:
    description: The role that looks.
    type: str
    required: true
  case_id:
    description: The name of the case folder. By default the role's name and the time in UTC, and a number where that is taken.
    type: str
    default: ""
  add_to_case:
    description: Whether the case may be, or become, one of several roles.
    type: bool
    default: false
  collectors:
    description:
      - Folders with YAML files of collectors, which are read and checked before the case is made. Of two with one name the later one counts.
    type: list
    elements: str
    default: []
  borrowed:
    description: Further folders, each with the names of those of its collectors that are taken too, unless O(collectors) has one of that name.
    type: dict
    default: {}
  redact_rules:
    description: Folders with YAML files of rules of redaction, which are checked before the case is made.
    type: list
    elements: str
    default: []
  look:
    description:
      - V(new) is for a look that begins.
      - V(continued) is for one that goes on with what its role did there before, as quarantine does. Where there is nothing, it begins.
      - V(again) only finds the folder of a look that is there, to judge or seal it. Nothing is written.
    type: str
    choices: [new, continued, again]
    default: new
attributes:
  check_mode:
    description: Refuses the same, and writes nothing.
    support: full
seealso:
  - module: incident.distroless.triage_judge
"""

EXAMPLES = r"""
- name: Open a case of several roles
  incident.distroless.case_open:
    path: cases
    case_id: INC-4711
    role: process_triage
    add_to_case: true
  register: opened
"""

RETURN = r"""
case_id:
  description: The name of the case.
  returned: success
  type: str
case_path:
  description: The folder of the case.
  returned: success
  type: str
path:
  description: The folder that the role writes into, which is the case's own or one in it.
  returned: success
  type: str
started:
  description: When that was, in UTC.
  returned: success
  type: str
collectors:
  description: The collectors, in the order of volatility, as P(incident.distroless.collectors#lookup) returns them.
  returned: success
  type: list
  elements: dict
reason:
  description: The word of the closed list of reasons, V(CaseSealed) or V(CaseConflict).
  returned: failure
  type: str
  sample: CaseConflict
hint:
  description: What to do about it.
  returned: failure
  type: str
msg:
  description: One line that says whose the case is.
  returned: always
  type: str
"""
