#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of role_options, which is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_options
short_description: Take in the options of a role of this collection
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Reads the variables of a role, converts each of them once to what the role works with, or refuses it by its name, before anything is done.
  - Values may come as text, as JSON text, as numbers, dates, booleans or null, from a command line, a vars file or AWX. An empty text and null are
    as if the variable was not given.
  - Text for a list is JSON if it is a list, else one entry a line; names, ports and selectors are also separated by commas. Text for a mapping is
    JSON or YAML. A number, a boolean or a date for text is taken in the form in which YAML writes it, with a warning.
  - Where E(K8S_AUTH_VERIFY_SSL) turns verification off it says so first.
  - Roles of this collection begin with it. It runs on the controller and contacts neither a host nor a cluster.
options:
  role:
    description: Whose options.
    type: str
    required: true
    choices:
      [awx_setup, crashloop_triage, disk_triage, evidence_bundle, evidence_verify, fetch_files, network_triage, pod_triage, preflight,
      process_triage, quarantine]
attributes:
  check_mode:
    description: Does the same.
    support: full
"""

EXAMPLES = r"""
- name: Take the options in
  incident.distroless.role_options:
    role: disk_triage
  register: disk_triage_given
"""

RETURN = r"""
options:
  description: The value of each option by its name without the role's. Not shown, since there may be a password in it.
  returned: success
  type: dict
settings:
  description: Those that analyzers and collectors find in their settings, lists as words and flags as 1 or 0. Not shown.
  returned: success
  type: dict
gathered:
  description: >-
    What a host looks at where hosts are pods, by the name of the host that does so for its cluster; each has C(targets), C(cluster) (options of
    authentication), C(case_id) and C(inventory). Empty where hosts are none. Not shown.
  returned: success
  type: dict
reason:
  description: The word of the closed list of reasons.
  returned: failure
  type: str
  sample: InvalidRequest
msg:
  description: What was refused and why, a sentence for each option.
  returned: always
  type: str
  sample: "disk_triage_max_pods: expected a whole number of 1 or more, got the text \"ten\". Correct the option that the message names."
"""
