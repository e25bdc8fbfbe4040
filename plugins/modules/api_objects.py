#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the API server for objects, several questions in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: api_objects
short_description: Ask the API server for objects, several questions in one task
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Reads what the roles of this collection need of the API, side by side, where M(kubernetes.core.k8s_info) in a loop takes a second
    for each. It goes by the collection's own connection, whose certificate is verified as kubectl does it.
  - It changes nothing in the cluster.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
options:
  requests:
    description:
      - What to ask for, each with C(kind) (C(EndpointSlice), C(Event), C(NetworkPolicy), C(Node), C(Pod), C(PodDisruptionBudget),
        C(ResourceQuota) or C(Service)), C(namespace) (of all but nodes), and either C(name) or any of C(field_selectors) and
        C(label_selectors) (lists of text).
      - C(fields) (a list of text, such as C(metadata.name) and C(spec.containers.name)) leaves of each object only what these paths
        lead to, through lists to each of their elements. Without it, all of an object comes back.
      - C(like) with the name of a pod, in place of C(name) and selectors, asks for other pods of its workload, five at most, those first
        that are ready.
      - C(api) is a word of your own, which is given back.
    type: list
    elements: dict
    required: true
  namespace:
    description: The namespace of the requests that name none.
    type: str
  continue_on_error:
    description: Whether a request that is not answered is no failure as long as another one is.
    type: bool
    default: false
  concurrency:
    description: How many requests are made at once.
    type: int
    default: 8
  timeout:
    description: Seconds for each request.
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
  - Permissions needed are get on the kinds that are asked for by name, and list on the others.
  - The values of environment variables in pods are left out.
"""

EXAMPLES = r"""
- name: Ask for a pod, and for what happened to it
  incident.distroless.api_objects:
    namespace: shop
    requests:
      - {kind: Pod, name: api-0}
      - {kind: Event, field_selectors: [involvedObject.name=api-0]}
  register: asked

- name: Show the pod's phase
  ansible.builtin.debug:
    msg: "{{ asked.answers[0].resources | map(attribute='status.phase') }}"
"""

RETURN = r"""
answers:
  description: >-
    A row for each request, in the same order, with C(item) (the request), C(resources) (the objects, an empty list where there is
    none, null where the API did not answer), C(reason) and C(msg) (null where it did).
  returned: when the requests are valid
  type: list
  elements: dict
clock_offset:
  description: The seconds by which the clock of the API server, whose times the objects have, is ahead of this machine's; 0 for less than 2.
  returned: when the requests are valid
  type: int
  sample: 0
targets:
  description: Always empty.
  returned: always
  type: list
  elements: dict
failed_targets:
  description: The requests that were not answered, each with C(namespace), C(pod), C(container), C(reason), C(message) and C(hint).
  returned: always
  type: list
  elements: dict
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: 2 of 2 requests answered
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.api_objects import run

    run()


if __name__ == "__main__":
    main()
