# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of what all modules have in common that are actions and work on a case folder."""

from __future__ import annotations


class ModuleDocFragment:
    """What plugin_utils/_actions/case_action.py makes of them."""

    DOCUMENTATION = r"""
options: {}
attributes:
  diff_mode:
    description: Shows no differences.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""

    # of those that seal a folder
    SEALING = r"""
options:
  sign_key:
    description:
      - The key that C(SHA256SUMS) is signed with, into C(SHA256SUMS.sig). For C(ssh-keygen) a private key without a passphrase, or
        a public key whose other half is in the agent.
      - For C(cosign) (2.6 or newer) a private key that it made. Its password comes from the environment variable C(COSIGN_PASSWORD),
        and nothing is uploaded.
      - A relative path is relative to the playbook's directory.
    type: path
  archive:
    description: V(auto) is a tar.zst where the program C(zstd) is here, else a tar.gz.
    type: str
    choices: [auto, gz, zst, none]
    default: auto
"""
