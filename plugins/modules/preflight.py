#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Says before it is needed what will work in namespaces."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Say before it is needed what will work in namespaces
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Asks the API server, for each use and namespace, which permissions are missing, and for a pod of each namespace what Pod
    Security, policies and webhooks answer to a debugger of each profile, by dry runs of the very requests that
    M(incident.distroless.ephemeral_debug) and M(incident.distroless.debug_pod) send.
  - Says whether the pod's node has the debug image, whether versions are those of the documentation, whether the clocks agree, and
    until when the server's certificate is valid.
  - Returns the Role that is missing and exceptions from policies as manifests. It applies nothing and changes nothing.
  - What could not be asked is V(unknown), with the permission that asking needs. It works with credentials that may do nothing.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
options:
  namespaces:
    description:
      - The namespaces of the pods, twenty at most.
    type: list
    elements: str
  namespace:
    description:
      - The only namespace, where O(namespaces) is not given.
    type: str
  uses:
    description:
      - What is meant to be done there.
      - V(look) is M(incident.distroless.ephemeral_debug) and the triage roles, V(fetch) M(incident.distroless.proc_fs_fetch), V(copy)
        M(incident.distroless.debug_pod), V(quarantine) and V(evidence) the roles C(quarantine) and C(evidence_bundle).
    type: list
    elements: str
    choices: [look, fetch, copy, quarantine, evidence]
    default: [look, fetch]
  pod:
    description:
      - The pod to ask admission about, with a single namespace. It is not changed.
      - By default the first pod of each namespace that runs and could be looked into, ready ones first, for which list on pods is
        needed.
    type: str
  image:
    description:
      - The debug image.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_IMAGE) is used.
    type: str
    default: busybox:1.37
  concurrency:
    description:
      - How many questions are asked at once.
    type: int
    default: 8
  timeout:
    description:
      - Seconds for all of it.
    type: int
    default: 60
attributes:
  check_mode:
    description: Asks as well, since nothing is changed.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
notes:
  - What is allowed and let in now may be refused in the night; what is said of a pod is true of that pod and of those like it.
  - Of quarantine the permissions are asked, and no dry run of its changes is made. A pod that takes no debugger is isolated all the
    same.
  - Evidence is what the API and the pod's kernel say, both; without a debugger the role keeps the former alone.
  - The profile of E(INCIDENT_DISTROLESS_PROFILE), else V(auto), is the one that a use needs; the others are for information.
seealso:
  - module: incident.distroless.ephemeral_debug
"""

EXAMPLES = r"""
- name: Ask what will work
  incident.distroless.preflight:
    namespaces: [shop]
    uses: [look, fetch, evidence]
  register: preflight

- name: Say it
  ansible.builtin.debug:
    msg: "{{ preflight.table }}"

- name: Keep the Role for whoever may apply it
  ansible.builtin.copy:
    content: "{{ preflight.role }}"
    dest: ./role.yml
    mode: "0644"
"""

RETURN = r"""
uses:
  description: >-
    A row for each namespace and use, with C(namespace), C(use), C(status) (V(missing), V(denied), V(unknown) or V(ok), the worst of
    what the use needs) and C(because), the checks that are no better.
  returned: always
  type: list
  elements: dict
  sample: [{namespace: shop, use: look, status: missing, because: permissions}]
checks:
  description: >-
    What was looked at, with C(namespace), C(use) (null for what is the same for all), C(check), C(status), C(needed) (whether a use is
    not possible without it), C(message) and C(next), what to do.
  returned: always
  type: list
  elements: dict
  sample:
    - namespace: shop
      use: look
      check: permissions
      status: missing
      needed: true
      message: "not allowed: patch on pods/ephemeralcontainers"
      next: Apply the Role in `role`, which the playbook prints.
table:
  description: The same as lines for people.
  returned: always
  type: list
  elements: str
  sample: ["missing look in shop: permissions"]
role:
  description: >-
    A Role in each namespace with exactly what the uses cannot do without, as YAML, and where it is known who asks, the RoleBinding.
  returned: always
  type: str
exceptions:
  description: >-
    For each namespace and each of ValidatingAdmissionPolicy, Kyverno and Gatekeeper the C(engine), the C(policies) that have denied,
    whether there are any (C(needed)), whether the tests of this collection have applied such a manifest (C(tested), V(run) or
    V(not run)), and the C(manifest), as YAML, for this namespace, who asks, pods/ephemeralcontainers and the image's repository.
  returned: always
  type: list
  elements: dict
subject:
  description: Who the API server takes the credentials for, null where it does not say.
  returned: always
  type: str
  sample: system:serviceaccount:oncall:ansible
targets:
  description: Always empty.
  returned: always
  type: list
  elements: dict
failed_targets:
  description: >-
    Empty, or where nothing could be asked at all one row with C(namespace), C(pod), C(container), C(reason), C(message) and C(hint).
  returned: always
  type: list
  elements: dict
msg:
  description: One line that says what is possible.
  returned: always
  type: str
  sample: "2 uses asked about: 1 possible, 1 not possible, 0 not known"
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.preflight import run

    run()


if __name__ == "__main__":
    main()
