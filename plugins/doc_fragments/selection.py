# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that select targets, the same in every module."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of _options.selection_spec()."""

    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - The namespace of the pods.
      - Needed with O(pod), O(workload), O(label_selectors) and O(field_selectors); ignored with O(targets).
      - It may come from C(module_defaults) of the action group C(incident.distroless.k8s).
    type: str
  pod:
    description:
      - The name of one pod. It must run.
      - Exactly one of O(pod), O(workload), O(label_selectors) and/or O(field_selectors), and O(targets) is needed. What is null, an
        empty string or an empty list is not given, and nothing given is an error.
    type: str
  workload:
    description:
      - The pods of a workload, as V(kind/name).
      - Kinds are deployment, statefulset, daemonset, replicaset, job and cronjob, and kubectl's short names for them.
      - Finished and terminating pods are left out, with a warning.
    type: str
  label_selectors:
    description:
      - The pods that match all of these label selectors. An empty entry is an error, and never every pod.
      - Finished and terminating pods are left out, with a warning.
    type: list
    elements: str
  field_selectors:
    description:
      - The pods that match all of these field selectors. An empty entry is an error, and never every pod.
    type: list
    elements: str
  targets:
    description:
      - The list RV(ignore:targets) that an earlier task of this collection returned. C(namespace) and C(pod) alone are enough; the
        container is then the default one. What is named twice is worked on once.
      - A target whose debugger has ended is injected again as it was.
      - An empty list selects nothing, which fails with C(NoTarget); where a state V(absent) is asked for, nothing is what has to be done.
    type: list
    elements: dict
  container:
    description:
      - The target container, the one to look into. It is never left out, so that the debugger shares its processes.
      - An init container or a sidecar that runs can be named too.
      - The default is the one that the annotation C(kubectl.kubernetes.io/default-container) names, else the pod's first.
    type: str
    aliases: [target]
  max_pods:
    description:
      - The most pods that a workload or selectors may match. More fail the task before anything is changed.
    type: int
    default: 10
  concurrency:
    description:
      - How many pods are worked on at once.
    type: int
    default: 8
  continue_on_error:
    description:
      - Whether the failure of one pod leaves the task successful, as long as another pod succeeded.
      - The failures are in RV(ignore:failed_targets) either way.
    type: bool
    default: false
"""
