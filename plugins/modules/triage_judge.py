#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of triage_judge, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: triage_judge
short_description: Judge what was collected of pods
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Reads what the role P(incident.distroless.triage#role) collected into a case folder, judges it by analyzers, and writes
    C(findings.json), C(summary.md), the parsed form of what each collector printed, and the objects of the API.
  - A case that is sealed, or another role's, is refused and stays as it is. In a case of several roles what is on top is written anew.
  - Runs on the controller and contacts neither a host nor a cluster, so that a case can be judged again later, by other
    analyzers.
  - An analyzer is an entry of a YAML file. Its own strings are Jinja templates and run in a sandbox. What was found in a pod
    is data to them, and is never compiled.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The case folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
  role:
    description:
      - Whose look is judged. In a case of several roles it is found in the role's folder; a case without a look of the role is refused.
      - Without it O(path) is the folder of the look itself.
    type: str
  analyzers:
    description:
      - Folders with the YAML files of analyzers. Of two analyzers with the same name the later folder's counts.
    type: list
    elements: str
    required: true
  redact_rules:
    description:
      - Folders with YAML files of rules of your own for what is a secret, beside the collection's; see
        R(the page on redaction,ansible_collections.incident.distroless.docsite.redaction).
      - In what this returns, in C(summary.md) and in C(report.html) each secret is a marker. C(findings.json) and what was collected stay
        as they are.
    type: list
    elements: str
    default: []
  settings:
    description: What expressions of analyzers find in C(settings), such as limits.
    type: dict
    default: {}
  fail_on:
    description:
      - When RV(is_failure) is true. V(fail) is for fail, and for unknown where a target was not looked at at all. V(warn) is for any verdict
        but pass.
    type: str
    choices: [never, fail, warn]
    default: never
attributes:
  check_mode:
    description: Judges, and writes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Judge an old case again, by an analyzer that is new
  incident.distroless.triage_judge:
    path: cases/disk_triage-20261124T221500Z
    analyzers: [checks/analyzers]
  register: judged
"""

RETURN = r"""
verdict:
  description: The worst verdict of all findings, in the order fail, unknown, warn, pass; unknown where there are none.
  returned: success
  type: str
  sample: fail
counts:
  description: How many findings there are of each verdict.
  returned: success
  type: dict
  sample: {fail: 1, unknown: 0, warn: 0, pass: 4}
summary:
  description: At most 20 lines that say what was found, the worst first.
  returned: success
  type: list
  elements: str
stats:
  description: For M(ansible.builtin.set_stats), by C(namespace/pod/container) and role, with the worst findings of each.
  returned: success
  type: dict
failed_targets:
  description: The targets that could not be looked into, as M(incident.distroless.ephemeral_debug) returned them.
  returned: success
  type: list
  elements: dict
reached:
  description: How many targets were looked into.
  returned: success
  type: int
path:
  description: The case folder.
  returned: success
  type: str
findings_path:
  description: The file C(findings.json) in it.
  returned: success
  type: str
report_path:
  description: The page C(report.html) in it.
  returned: success
  type: str
is_failure:
  description: Whether O(fail_on) makes a failure of this verdict.
  returned: success
  type: bool
reason:
  description: The word of the closed list of reasons, V(CaseSealed) or V(CaseConflict), where the case was refused.
  returned: failure
  type: str
  sample: CaseSealed
hint:
  description: What to do about it.
  returned: failure
  type: str
msg:
  description: One line that says what was found.
  returned: always
  type: str
  sample: "disk_triage: fail (1 fail, 4 pass) in 1 target"
"""
