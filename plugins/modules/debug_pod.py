#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a debuggable copy of a pod that cannot be looked into as it is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: debug_pod
short_description: Make a debuggable copy of a pod that crashes, has finished or is static
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Makes a copy of a pod with a debug container in it, as C(kubectl debug --copy-to) does, for pods that take no ephemeral
    container, those that crash at once, have finished, or are static.
  - The copy has neither the labels nor the owners of the original, so that no Service sends traffic to it and no controller
    counts it. It ends by itself after O(ttl), also when the play was killed.
  - The result RV(targets) goes to the other modules of the collection. It names the target container where that one runs in
    the copy. A container that crashes in the copy as it did in the original cannot be looked into. RV(targets) then names the
    debug container, which has the volumes of the target read-only, and a warning says so.
  - O(hold=true) makes any target stay, whatever its image holds, and shows the files of its image as its program would see
    them, with its user, environment and volumes.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
  - incident.distroless.cluster.progress
  - incident.distroless.selection
  - incident.distroless.debugger
options:
  pod:
    description:
      - The name of the pod. It may crash, have finished, wait for a node, or be static.
      - With O(state=absent) the name of a copy, or of the original, which may be gone.
    type: str
  workload:
    description:
      - A workload with exactly one pod, as V(kind/name).
      - Kinds are deployment, statefulset, daemonset, replicaset, job and cronjob, and kubectl's short names for them.
    type: str
  label_selectors:
    description:
      - Label selectors that exactly one pod matches.
    type: list
    elements: str
  targets:
    description:
      - The list RV(ignore:targets) that an earlier task of this collection returned, with one entry.
      - With O(state=absent) any number of entries, of copies or of originals.
    type: list
    elements: dict
  container:
    description:
      - The target container, of which the copy shall show something. An init container cannot be one, but for a sidecar.
      - The default is the one that the annotation C(kubectl.kubernetes.io/default-container) names, else the pod's first.
    type: str
    aliases: [target]
  max_pods:
    description:
      - With O(state=absent), the most pods that a workload or selectors may match. A copy is made of one pod only.
    type: int
    default: 10
  concurrency:
    description:
      - With O(state=absent), how many copies are deleted at once.
    type: int
    default: 8
  continue_on_error:
    description:
      - With O(state=absent), whether the failure of one copy leaves the task successful, as long as another one was deleted.
    type: bool
    default: false
  allow_elevated:
    description:
      - Whether V(auto) of O(identity) may take V(elevated) where the API does not say who the target runs as.
    type: bool
    default: false
  custom:
    description:
      - Fields of a container that are merged into the debug container, as C(kubectl debug --custom) does. C(resources) are
        needed where a quota asks for them.
      - V(null) removes a field. C($patch) with the value V(replace) or V(delete) does in a map, or in an entry of C(env) or
        C(volumeMounts), what it does in a strategic merge patch; other directives are refused.
    type: dict
    default: {}
  ttl:
    description:
      - After how many seconds the copy ends by itself (its C(activeDeadlineSeconds), counted by the node that runs it). Its
        object stays, as Failed, until O(state=absent) or the cluster's garbage collection deletes it.
      - If not set, the environment variable E(INCIDENT_DISTROLESS_TTL) is used.
    type: int
    default: 3600
  wait_timeout:
    description:
      - How many seconds to wait until the copy runs, or is gone. A copy that does not come up is deleted again, unless
        O(replace=true).
    type: int
    default: 120
  state:
    description:
      - V(present) ensures that the copy runs. The same task again finds the copy that it made.
      - V(absent) deletes copies that this collection made, the one that O(copy_to) names, those of the selected pods, or
        those that O(targets) name. It never deletes another pod.
    type: str
    choices: [present, absent]
    default: present
  copy_to:
    description:
      - The name of the copy.
      - The default is C(<pod>-debug-<5>) with five characters derived from the request, so that asking again finds the copy.
    type: str
  set_image:
    description:
      - Images for containers of the copy, by the container's name. V(*) stands for all but the init containers.
    type: dict
    default: {}
  command:
    description:
      - The command of the target container in the copy, in place of its own command and arguments. A container whose
        command stays can be looked into. A string in place of a list is one word, commas and all.
    type: list
    elements: str
  args:
    description:
      - The arguments of the target container in the copy. A string in place of a list is one argument, commas and all.
    type: list
    elements: str
  hold:
    description:
      - Whether the target container waits in the copy in place of running its own program. Nothing is needed of its image.
      - An init container fetches the waiting program, C(busybox), from the debug image into an empty volume that the target
        mounts at C(/.incident-distroless). The debug image needs a statically linked C(busybox), such as that of
        C(busybox:1.37).
      - Cannot be used with O(command) and O(args).
    type: bool
    default: false
  mount_volumes:
    description:
      - Whether the debug container has the target's volumes, read-only and where the target has them.
      - Secrets and tokens are left out, and so are volumes that would hide the debug image's own tools, and those of which
        only the target's environment knows the path (C(subPathExpr)).
    type: bool
    default: true
  share_processes:
    description:
      - Whether the containers of the copy see each other's processes.
    type: bool
    default: true
  same_node:
    description:
      - Whether the copy is to run on the node of the original.
    type: bool
    default: false
  keep_labels:
    description:
      - Whether the copy has the labels of the original. Services and controllers then take it for one of theirs.
    type: bool
    default: false
  keep_annotations:
    description:
      - Whether the copy has the annotations of the original, but for those that mark a static pod.
    type: bool
    default: false
  keep_liveness:
    description:
      - Whether liveness probes are kept.
    type: bool
    default: false
  keep_readiness:
    description:
      - Whether readiness probes are kept.
    type: bool
    default: false
  keep_startup:
    description:
      - Whether startup probes are kept.
    type: bool
    default: false
  keep_init_containers:
    description:
      - Whether the init containers run in the copy too. No debug container starts before they have ended.
    type: bool
    default: true
  replace:
    description:
      - Whether the original is deleted, at once, as soon as the API took the copy.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the copy runs, or with O(state=absent) until it is gone.
    type: bool
    default: true
attributes:
  check_mode:
    description: Sends the same requests as dry runs, which ask admission too.
    support: full
  diff_mode:
    description: Shows in what the copy is not the original, without the values of environment variables.
    support: full
requirements:
  - jsonpatch (for O(patch))
notes:
  - Permissions needed in the namespace are get, create and watch on pods; list on pods (for workloads, selectors and
    O(state=absent)); delete on pods (for O(state=absent), O(replace), and to remove a copy that does not come up); for
    O(workload) also get on its kind. With get on persistentvolumeclaims it says before which claims cannot be shared.
  - Whoever may create pods in a namespace may use every service account and secret of it. Grant it as such.
  - What the original holds that is not in its manifest or on its claims, such as its process, its memory and what it wrote to
    its own root or to empty volumes, is not in the copy.
  - C(kubectl get pods -A -l incident.distroless/debug-copy) lists the copies.
seealso:
  - module: incident.distroless.ephemeral_debug
  - module: incident.distroless.proc_fs_fetch
"""

EXAMPLES = r"""
- name: Make a copy of a crashing pod that stays
  incident.distroless.debug_pod:
    namespace: shop
    pod: api-0
    hold: true
  register: copied

- name: Bring home what its image and its volumes hold
  incident.distroless.proc_fs_fetch:
    targets: "{{ copied.targets }}"
    src: [/etc/app, /app/config]
    dest: ./evidence
    debug: {}

- name: Delete the copy
  incident.distroless.debug_pod:
    targets: "{{ copied.targets }}"
    state: absent

- name: Run the app of a finished job once more, with another image and its own command
  incident.distroless.debug_pod:
    namespace: shop
    workload: job/report
    set_image: {report: "shop/report:debug"}
    command: [/report, --verbose]
    ttl: 600

- name: Delete all copies of a pod, also of one that is gone
  incident.distroless.debug_pod:
    namespace: shop
    pod: api-0
    state: absent
"""

RETURN = r"""
targets:
  description: >-
    The copy, for any other module of the collection. With O(state=absent) the copies that were deleted, with C(namespace),
    C(pod), C(pod_uid), C(copy_of), C(elapsed) and C(warnings) only.
  returned: always
  type: list
  elements: dict
  contains:
    namespace: {description: The copy's namespace., type: str, returned: always, sample: shop}
    pod: {description: The copy's name., type: str, returned: always, sample: api-0-debug-3f9c1}
    pod_uid: {description: The copy's uid., type: str, returned: always, sample: 5c4d3c3f-0f0a-4d4f-9a43-3a5b2f6c7d8e}
    node: {description: The node that the copy runs on., type: str, returned: always, sample: node-1}
    container:
      description: The container to look into, which is the target, or the debug container where the target does not stay up.
      type: str
      returned: always
      sample: api
    container_id: {description: The runtime's id of that container., type: str, returned: always, sample: containerd://4f2b}
    image_id: {description: The digest of that container's image., type: str, returned: always}
    restart_count: {description: How often that container has restarted in the copy., type: int, returned: always, sample: 0}
    target_started_at: {description: When that container started., type: str, returned: always, sample: "2026-11-23T03:00:00Z"}
    copy_of:
      description: The original, C(namespace), C(pod), C(pod_uid) and C(container).
      type: dict
      returned: always
      sample: {namespace: shop, pod: api-0, pod_uid: 0f0a5c4d-3c3f-4d4f-9a43-3a5b2f6c7d8e, container: api}
    debug_container: {description: The name of the debug container., type: str, returned: always, sample: debugger-1f0c9a2e}
    debugger: {description: No ephemeral debugger yet., type: str, returned: always}
    image: {description: The debug image., type: str, returned: always, sample: "busybox:1.37"}
    profile:
      description: The profile of the debug container; none for a copy that was found.
      type: str
      returned: always
      sample: restricted
    reused: {description: Whether a copy of the same request was found., type: bool, returned: always, sample: false}
    started_at: {description: When the debug container started., type: str, returned: always, sample: "2026-11-23T03:12:44Z"}
    expires_at: {description: When the copy ends by itself., type: str, returned: always, sample: "2026-11-23T04:12:43Z"}
    elapsed: {description: How many seconds it took., type: float, returned: always, sample: 1.72}
    commands: {description: Always empty., type: list, elements: dict, returned: always, sample: []}
    warnings:
      description: What the copy shares with the original, lacks, or cannot show. They are the task's warnings too.
      type: list
      elements: str
      returned: always
      sample: []
failed_targets:
  description: >-
    What failed, with C(namespace), C(pod), C(container), C(reason) (a word of a closed list), C(message) and C(hint), which
    says what to do next.
  returned: always
  type: list
  elements: dict
  sample: []
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: copy api-0-debug-3f9c1 of shop/api-0 made
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.debug_pod import run

    run()


if __name__ == "__main__":
    main()
