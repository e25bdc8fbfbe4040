#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures that targets have a running debugger, and runs commands in it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ephemeral_debug
short_description: Get into pods whose images have no shell
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Ensures that each target has a running ephemeral debug container that sees the target's processes and can read its
    root filesystem, and runs commands in it.
  - Where C(kubectl debug) surprises, this does not. The target container is never left out, so PID 1 is the app and not
    the debugger's own shell; the debugger runs as the identity that the kernel lets read the target; and it is found
    again instead of added again.
  - An ephemeral container cannot be removed from a pod, nor restarted. V(absent) of O(state) ends its process; its entry
    stays in the pod's spec for as long as the pod lives. The API offers no way around this.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
  - incident.distroless.cluster.progress
  - incident.distroless.selection
  - incident.distroless.debugger
options:
  state:
    description:
      - V(present) ensures that a debugger runs.
      - V(absent) ends debuggers of this collection, with O(targets) the ones of those, with O(name) that one, else all that
        run for the container. It never ends someone else's, nor the target.
    type: str
    choices: [present, absent]
    default: present
  commands:
    description:
      - Commands to run in the debugger of each target, in this order. A string in place of a list is one command, commas and all.
      - A string is a line for the debugger's C(sh). A dictionary takes exactly one of C(cmd) (a shell line) and C(argv) (a
        list, run without a shell), and C(name), C(stdin), C(env) (a dictionary), C(chdir), C(timeout) (seconds, default 60),
        C(max_output) (bytes kept of each stream in the result, default 65536), C(max_stdout) (the same of stdout alone, 0 for
        none of it), C(dest), C(beside), C(shared) and C(changed) (a boolean, default true). Other keys are an error.
      - A command with C(beside) true begins with the first and runs while the others do, as one that watches.
      - Commands with C(shared) true run in one shell, one after the other, which takes a fraction of the time and of the node's CPU
        that a shell for each takes. Such a command leaves no process behind, and may be run once more where the line to its shell
        is lost.
      - C(stdin) is text of at most 1 MiB, which the command reads exactly as given, without a newline added. It may be less
        where much of it is control characters, single quotes or backslashes, since the debugger holds it in escaped form. It
        travels inside the stream of the exec, touches no disk of the pod, and is shown nowhere. Without it the command reads
        an empty stdin.
      - C(dest) is a file on the host that the module runs on. It gets all of stdout, byte for byte, whatever C(max_output)
        keeps in the result. With a local connection a relative path is relative to the playbook's directory.
      - With O(pod), and with one entry in O(targets), the file is C(dest) itself. With O(workload), selectors or several
        O(targets) the folders C(<namespace>/<pod>/<container>) are put before its name, so that no pod overwrites another's
        file, however many are found; C(out/threads.txt) becomes C(out/shop/api-0/api/threads.txt).
      - The file has mode 0600. It gets its name when the command has ended, whatever its exit code; a lost connection or a
        time-out leave what was there before, and check mode writes nothing. A file that holds the same already is left alone.
      - A C(timeout) ends the command in the pod too.
      - The variables C(TARGET_PID) and C(TARGET_ROOT) are set to the target's main process and its root filesystem.
    type: list
    elements: raw
    default: []
  check_rc:
    description:
      - Whether a command that ends with another code than 0 fails the task, after all commands ran.
    type: bool
    default: true
  finished:
    description:
      - Whether O(workload) and selectors also match pods that have finished or are being deleted, which take no debugger.
      - With V(true) each of them is an entry of RV(failed_targets) that names it, of the pods of a Job the newest ten.
    type: bool
    default: false
  share:
    description:
      - Whether other tasks may reuse the debugger that this task injects.
      - With V(false) it is this task's own, under a name of its own, and no other task takes it for one to reuse, except those that
        get it by O(targets). Set it where the debugger is ended before its ttl, so that a play that runs at the same moment is
        not cut off. A shared debugger that runs already is reused all the same, and none of this play's to end.
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the debugger runs. Without waiting nothing that is learned inside is returned.
      - V(false) together with O(commands) is an error.
    type: bool
    default: true
attributes:
  check_mode:
    description: Sends the same request as a dry run, which asks admission too, and runs no commands.
    support: full
  diff_mode:
    description: Shows the ephemeral containers before and after, without the values of environment variables.
    support: full
requirements:
  - jsonpatch (for O(patch))
notes:
  - Permissions needed in the namespace are get on pods, list on pods (for workloads and selectors), watch on pods, patch on
    pods/ephemeralcontainers, and get and create on pods/exec; for O(workload) also get on its kind.
seealso:
  - module: incident.distroless.proc_fs_fetch
"""

EXAMPLES = r"""
- name: Get into the api container of a pod
  incident.distroless.ephemeral_debug:
    namespace: shop
    pod: api-0
    container: api
  register: debug

- name: See what the app sees, in all pods of a deployment
  incident.distroless.ephemeral_debug:
    namespace: shop
    workload: deployment/api
    commands:
      - ls -l "$TARGET_ROOT/etc"
      - name: limits of the app
        cmd: cat "/proc/$TARGET_PID/limits"
        changed: false
      - name: the process list as a file for each pod
        argv: [ps, -o, "pid,user,args"]
        dest: ./evidence/processes.txt
      - name: a script that stays out of process lists and logs
        argv: [sh]
        stdin: "{{ lookup('file', 'look.sh') }}"
  register: looked

- name: End the debuggers that the first task started
  incident.distroless.ephemeral_debug:
    targets: "{{ debug.targets }}"
    state: absent
"""

RETURN = r"""
targets:
  description: The targets that succeeded. Hand the list to any other module of the collection.
  returned: always
  type: list
  elements: dict
  contains:
    namespace: {description: The pod's namespace., type: str, returned: always, sample: shop}
    pod: {description: The pod's name., type: str, returned: always, sample: api-0}
    pod_uid: {description: The pod's uid., type: str, returned: always, sample: 5c4d3c3f-0f0a-4d4f-9a43-3a5b2f6c7d8e}
    node: {description: The node that the pod runs on., type: str, returned: always, sample: node-1}
    container: {description: The target container., type: str, returned: always, sample: api}
    container_id: {description: The runtime's id of the target container., type: str, returned: always, sample: containerd://4f2b}
    image_id: {description: The digest of the target's image., type: str, returned: always}
    restart_count: {description: How often the target has restarted., type: int, returned: always, sample: 0}
    target_started_at: {description: When the target started., type: str, returned: always, sample: "2026-11-23T03:00:00Z"}
    debugger: {description: The name of the debugger., type: str, returned: always, sample: debugger-1f0c9a2e}
    image: {description: The debug image., type: str, returned: always, sample: "busybox:1.37"}
    profile: {description: The profile that was used., type: str, returned: always, sample: restricted}
    identity:
      description: Who the debugger runs as, read inside it. C(uid), C(gid) and C(supplemental_groups).
      type: dict
      returned: always
      sample: {uid: 65532, gid: 65532, supplemental_groups: [65532]}
    target_identity:
      description: >-
        The target's C(uid), C(gid), C(supplemental_groups) and C(capabilities), the C(missing_groups) that the debugger has
        not, and the C(source) of the knowledge, V(api), V(spec), V(process) or V(unknown).
      type: dict
      returned: always
      sample: {uid: 65532, gid: 65532, supplemental_groups: [65532], capabilities: [], missing_groups: [], source: process}
    isolation:
      description: V(same_uid) when the target could influence the debugger, else V(other_uid).
      type: str
      returned: always
      sample: same_uid
    pid: {description: The target's main process as the debugger sees it., type: int, returned: always, sample: 1}
    root: {description: The target's root filesystem as the debugger names it., type: str, returned: always, sample: /proc/1/root}
    root_readable: {description: Whether that root was read., type: bool, returned: always, sample: true}
    reused: {description: Whether a running debugger was found., type: bool, returned: always, sample: false}
    started_at: {description: When the debugger started., type: str, returned: always, sample: "2026-11-23T03:12:44Z"}
    expires_at: {description: When the debugger ends by itself., type: str, returned: always, sample: "2026-11-23T04:12:44Z"}
    mutated_by_admission: {description: The fields that admission changed., type: list, elements: str, returned: always, sample: []}
    elapsed: {description: How many seconds this target took., type: float, returned: always, sample: 0.61}
    commands:
      description: >-
        What the commands did, C(name), C(cmd), C(rc), C(stdout), C(stderr), C(stdout_lines), C(stderr_lines), C(start),
        C(end), C(delta), C(timed_out), C(stdout_truncated), C(stderr_truncated), C(dest) (the file that was written), C(dest_size)
        (its bytes) and C(dest_sha256). Bytes of the streams that are not UTF-8 are replaced by U+FFFD here, not in the file.
        Where the commands of all targets together are long, C(cmd) of the later ones is their beginning.
      type: list
      elements: dict
      returned: always
      sample: []
    warnings: {description: "What to know about this target, its CPU and memory limits among it.", type: list, elements: str, returned: always, sample: []}
failed_targets:
  description: >-
    The targets that failed, each with C(namespace), C(pod), C(container), C(reason) (a word of a closed list), C(message)
    and C(hint), which says what to do next.
  returned: always
  type: list
  elements: dict
  sample: []
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: 1 target, 1 debugger injected
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.ephemeral_debug import run

    run()


if __name__ == "__main__":
    main()
