#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of evidence_seal, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_seal
short_description: Seal a case folder
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Writes C(acquisition.jsonl), C(manifest.json) and C(SHA256SUMS) into the case folder of the role
    P(incident.distroless.evidence_bundle#role), and packs it into an archive beside it.
  - C(acquisition.jsonl) says what was done in which order, by whom, when, with which result. Each of its lines carries the
    sha256 of the line before. Where M(incident.distroless.evidence_log) began it, it is continued; where lines that stand, or files that
    they name, were changed since, nothing is sealed, and the message names the first of them.
  - C(manifest.json) names the case, the cluster, the versions, how far clocks were apart, and what the acquisition changed. C(is_complete)
    is false where the acquisition was cut off, for example since the play was killed; what it took until then is sealed as it is. It also
    says whether the bundle is signed.
  - C(SHA256SUMS) names every other file, and C(sha256sum -c) accepts it.
  - Runs on the controller and contacts neither a host nor a cluster. A folder that is sealed is never sealed again. Where it cannot be
    signed or packed it is not sealed either, and can be later.
extends_documentation_fragment:
  - incident.distroless.case
  - incident.distroless.case.sealing
options:
  path:
    description: The case folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
attributes:
  check_mode:
    description: Says what it would seal, and writes nothing.
    support: full
seealso:
  - module: incident.distroless.evidence_log
  - module: incident.distroless.evidence_verify
"""

EXAMPLES = r"""
- name: Seal a case
  incident.distroless.evidence_seal:
    path: cases/4711
  register: sealed

- name: Say what to write down elsewhere
  ansible.builtin.debug:
    msg: "{{ sealed.sums_sha256 }}"
"""

RETURN = r"""
path:
  description: The case folder.
  returned: success
  type: str
files:
  description: How many files were sealed.
  returned: success
  type: int
is_complete:
  description: Whether the acquisition came to its end.
  returned: success
  type: bool
sums_sha256:
  description: The sha256 of C(SHA256SUMS). Whoever has it from elsewhere can prove the whole bundle with it.
  returned: success
  type: str
archive:
  description: The archive, null where none was asked for.
  returned: success
  type: str
archive_sha256:
  description: Its sha256.
  returned: success
  type: str
msg:
  description: One line that says what was done.
  returned: always
  type: str
"""
