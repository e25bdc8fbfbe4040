#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keeps what the API says of pods as files, with a record of the requests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_api
short_description: Keep what the API says of pods, as evidence
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Keeps the objects of pods (with C(managedFields)), their owners, events, nodes and logs as files, and a record of who asked
    for what and when.
  - It changes nothing in the cluster. The role P(incident.distroless.evidence_bundle#role) uses it before anything is injected,
    and once more afterwards.
  - Values of environment variables are left out of all objects.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
options:
  namespace:
    description:
      - The namespace of those O(pods) that name none. It may come from C(module_defaults) of the action group
        C(incident.distroless.k8s).
    type: str
  pods:
    description:
      - The pods, each with C(namespace) (O(namespace) where it has none) and C(pod), such as C(targets) and C(failed_targets) of a
        result.
    type: list
    elements: dict
    required: true
  dest:
    description:
      - The folder that the files go to, on the host that the module runs on. With a local connection a relative path is relative
        to the playbook's directory.
      - C(<namespace>/<pod>/pod.json), C(owner_1.json), C(events.json), C(node.json), C(<container>.log) and
        C(<container>.previous.log), and C(record.json) for all.
      - One in a sealed case is refused (C(CaseSealed)).
    type: path
    required: true
  what:
    description:
      - What to ask for. The pod itself is always asked for.
      - V(who) is a SelfSubjectReview, V(cluster) the version and the uid of the namespace C(kube-system).
    type: list
    elements: str
    choices: [who, cluster, pod, owners, events, node, logs]
    default: [who, cluster, pod, owners, events, node, logs]
  log_lines:
    description: How many lines of each log are kept, its last ones.
    type: int
    default: 10000
  concurrency:
    description: How many pods are asked about at once.
    type: int
    default: 8
  timeout:
    description: Seconds for each request.
    type: int
    default: 120
attributes:
  check_mode:
    description: Asks nothing and writes nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
notes:
  - What the API does not give is no failure but for the pod itself; the record says why, and who has to allow it.
  - Permissions needed are get on pods. Get on pods/log, list on events, get on the owners' kinds, on nodes and on the namespace
    C(kube-system) give more.
"""

EXAMPLES = r"""
- name: Keep what the API says of a pod that was evicted
  incident.distroless.evidence_api:
    pods:
      - namespace: shop
        pod: api-0
    dest: evidence/api-0
"""

RETURN = r"""
who:
  description: Who the API takes the caller for, C(username), C(uid) and C(groups); null where it does not say.
  returned: success
  type: dict
cluster:
  description: The C(server) that was asked, its C(version), and the C(uid) of C(kube-system), by which a cluster is known.
  returned: success
  type: dict
targets:
  description: Always empty.
  returned: always
  type: list
  elements: dict
failed_targets:
  description: The pods that could not be read, each with C(namespace), C(pod), C(container), C(reason), C(message) and C(hint).
  returned: always
  type: list
  elements: dict
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: 1 pod, 9 requests, 1 without an answer
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.evidence_api import run

    run()


if __name__ == "__main__":
    main()
