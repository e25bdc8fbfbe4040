#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of evidence_verify, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_verify
short_description: Check whether a bundle is as it was sealed
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Checks a bundle that M(incident.distroless.evidence_seal) sealed, a folder or an archive, and fails where a byte of a file was changed,
    a file or link was added or taken away, or a line of its log was changed or taken out.
  - Fails for a case that is not sealed too, and says how many lines its log has so far, and whether they, and the files that they name, are
    as they were written.
  - An archive is read as a stream, to its last byte; nothing is unpacked. It has to be in GNU tar's format, as M(incident.distroless.evidence_seal)
    and C(tar) write it. It fails where programs could make other files of it than those that were sealed, for example since a name stands
    in it twice, or something stands behind its end.
  - A signature that was added to a bundle, or taken away from it, is found, since C(manifest.json) says whether it was signed. In a copy
    of M(incident.distroless.evidence_redact) it does not.
  - Runs on the controller and contacts neither a host nor a cluster.
extends_documentation_fragment:
  - incident.distroless.case
options:
  path:
    description: The folder or the archive. A relative path is relative to the playbook's directory.
    type: str
    required: true
  sums_sha256:
    description:
      - The sha256 of C(SHA256SUMS), as it was returned when the bundle was sealed.
      - Without it, whoever changed a file could have sealed the bundle anew.
    type: str
    default: ""
  public_key:
    description:
      - The public key that the bundle must have been signed with. Either a line as C(ssh-keygen) writes it, which needs C(ssh-keygen), or
        a key in PEM as C(cosign) writes it (ECDSA on P-256), which needs no program.
      - With it, a signature that was made after the bundle was sealed is accepted too.
    type: str
    default: ""
attributes:
  check_mode:
    description: Changes nothing anyway.
    support: full
seealso:
  - module: incident.distroless.evidence_seal
"""

EXAMPLES = r"""
- name: Check a bundle against the hash that was written down
  incident.distroless.evidence_verify:
    path: cases/4711.tar.gz
    sums_sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
"""

RETURN = r"""
is_intact:
  description: Whether all is as it was sealed.
  returned: always
  type: bool
problems:
  description: >-
    What is wrong, at most 200; each with C(kind) (V(changed), V(missing), V(extra), V(archive), V(log), V(seal), V(signature)), C(path) (what is
    not printable in it is escaped; empty for the archive) and C(message).
  returned: when the bundle can be read
  type: list
  elements: dict
problem_count:
  description: How many problems there are.
  returned: when the bundle can be read
  type: int
has_signature:
  description: Whether there is a signature, checked or not. Without O(public_key) it is not checked, and RV(msg) says so.
  returned: when the bundle can be read
  type: bool
is_signed:
  description: Whether the signature was checked and is the key's.
  returned: when the bundle can be read
  type: bool
files:
  description: How many files the bundle has.
  returned: when the bundle can be read
  type: int
sums_sha256:
  description: The sha256 of the C(SHA256SUMS) that was found.
  returned: when the bundle can be read
  type: str
path:
  description: What was checked.
  returned: when the bundle can be read
  type: str
msg:
  description: One line that says what was found.
  returned: always
  type: str
"""
