#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of evidence_redact, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_redact
short_description: Make a copy of a sealed bundle for sharing
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Makes a copy of a bundle that M(incident.distroless.evidence_seal) sealed, beside it, with C(.redacted) after its name, in
    which keys (PEM), tokens (JWT and those of well-known services), passwords, e-mail and IP addresses are replaced by markers.
  - The same value is the same marker wherever it stands. Without the salt a marker does not tell its value.
  - Names of files are replaced in the same way, and so are names and command lines that collectors sent as hexadecimal digits.
    Where two names would become one, or one too long, the whole name is a marker, such as C([name-3fa9c1d20b7e]).
  - What collectors marked as secret printed is left out, of every target, also of an acquisition that was cut off.
  - C(summary.md) and C(report.html) are made anew, of the findings in which everything was replaced. Of binary files that report shows
    nothing.
  - Binary files, and texts in an encoding that nothing tells, come along as they are; C(redaction.json) in the copy lists them as
    C(binary) and C(unknown_encoding), and how much was replaced in each other file. Look at them before you share the copy.
  - The copy is sealed anew, and names the bundle that it was made of. The bundle itself is only read.
  - It is made in a hidden folder beside the bundle, C(.<name>.redacted.partial), and has its name when it is complete. Of a copy that
    fails nothing stays. What a killed run left is known by a file in that folder, C(.incident-distroless.made-here), and is removed by
    the next run; a folder of that name that has files and not that one is left as it is, and nothing is made.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
  - incident.distroless.case.sealing
options:
  path:
    description: The sealed folder. A relative path is relative to the playbook's directory.
    type: str
    required: true
  salt:
    description:
      - What makes the markers. With the same salt the same value has the same marker in several bundles.
      - By default it is random, and kept nowhere.
    type: str
  rules:
    description:
      - Folders with YAML files of rules of your own, beside the collection's. A relative path is relative to the playbook's directory.
      - What a rule is, and which ones the collection has, is described in
        R(the page on redaction,ansible_collections.incident.distroless.docsite.redaction).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what it would make, and writes nothing.
    support: full
seealso:
  - module: incident.distroless.evidence_seal
  - module: incident.distroless.evidence_verify
"""

EXAMPLES = r"""
- name: Make a copy for the vendor
  incident.distroless.evidence_redact:
    path: cases/4711
  register: shared

# By hand, of a bundle that was sealed before:
# ansible localhost -m incident.distroless.evidence_redact -a path=/srv/cases/4711
"""

RETURN = r"""
path:
  description: The copy.
  returned: success
  type: str
replaced:
  description: How much was replaced of each kind, C(email), C(ip), C(key), C(secret) and C(token).
  returned: success
  type: dict
binaries:
  description: Files in which nothing was replaced, since they are binary; at most 200.
  returned: success
  type: list
  elements: str
sums_sha256:
  description: The sha256 of the copy's C(SHA256SUMS).
  returned: success
  type: str
not_understood:
  description: Those, and files in an encoding that nothing tells; at most 200.
  returned: success
  type: list
  elements: str
archive:
  description: The copy's archive, null where none was asked for.
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
