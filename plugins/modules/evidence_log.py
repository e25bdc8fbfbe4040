#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of evidence_log, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_log
short_description: Write down what an acquisition did so far
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Continues C(acquisition.jsonl) in the case folder of the role P(incident.distroless.evidence_bundle#role), from what its tasks left
    there so far. Where nothing comes after it, since the play was killed, the log stands as far as it goes.
  - Each line carries the sha256 of the line before. The file is replaced as a whole, and is on the disk when the task ends.
  - Fails where lines that stand, or what they were made of, were changed meanwhile, and where the case is sealed.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The case folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
  collected:
    description: The content of C(collected.json), which is written first. Without it the one that is there stays.
    type: json
  fetch:
    description: >-
      When files were fetched and what came of it, the content of C(fetched_files/fetch.json), which is written first. Without it the one
      that is there stays, if there is one.
    type: json
attributes:
  check_mode:
    description: Says where it would write, and writes nothing.
    support: full
seealso:
  - module: incident.distroless.evidence_seal
"""

EXAMPLES = r"""
- name: Write down that files are fetched now
  incident.distroless.evidence_log:
    path: cases/4711
    fetch: "{{ {'start': now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ'), 'end': none} | to_json }}"
"""

RETURN = r"""
path:
  description: The log.
  returned: success
  type: str
lines:
  description: How many lines it has.
  returned: success
  type: int
last:
  description: The sha256 of its last line, which the next one will carry. Whoever has it from elsewhere can prove all lines until then.
  returned: success
  type: str
msg:
  description: One line that says what was done.
  returned: always
  type: str
"""
