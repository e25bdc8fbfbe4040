#!/usr/bin/python
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings files of the targets' root filesystems home."""

from __future__ import annotations

DOCUMENTATION = r"""
module: proc_fs_fetch
short_description: Fetch files from pods whose images have no shell
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Brings files of the target's root filesystem home, exactly as the target sees them, proven by checksum.
  - One task does the whole job. Where no debugger runs, it injects one.
  - Paths are the target's own. A symlink is resolved inside the target's root, where C(/proc/1/root) read by hand silently
    returns the debugger's own file.
  - A file with holes in it has holes here as well.
  - Nothing is written into the target, and nothing outside O(dest) here, whatever the target answers.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - incident.distroless.cluster
  - incident.distroless.cluster.progress
  - incident.distroless.selection
options:
  debug:
    description:
      - How to inject a debugger where none runs; each key as in M(incident.distroless.ephemeral_debug).
      - Without this option any running debugger of this collection that can read the target serves.
    type: dict
    suboptions:
      image:
        description: The debug image. If not set, the environment variable E(INCIDENT_DISTROLESS_IMAGE) is used.
        type: str
        default: busybox:1.37
      image_pull_policy:
        description: >-
          When the node pulls the image. If not set, the environment variable E(INCIDENT_DISTROLESS_IMAGE_PULL_POLICY) is used.
        type: str
        choices: [Always, IfNotPresent, Never]
      name:
        description: The name of the debugger.
        type: str
        aliases: [debugger]
      profile:
        description: >-
          The security settings of the debugger. If not set, the environment variable E(INCIDENT_DISTROLESS_PROFILE) is used.
        type: str
        choices: [auto, general, baseline, restricted, netadmin, sysadmin]
        default: auto
      identity:
        description: Who the debugger runs as.
        type: str
        choices: [auto, image, match, elevated]
        default: auto
      allow_elevated:
        description: Whether V(auto) may take V(elevated) when nothing less can read the target.
        type: bool
        default: false
      run_as_user:
        description: The uid to run as.
        type: int
      run_as_group:
        description: The gid to run as.
        type: int
      env:
        description: Environment variables of the debugger.
        type: dict
        default: {}
      custom:
        description: Fields of a container that are merged into the debugger.
        type: dict
        default: {}
      patch:
        description: JSON Patch operations on the finished container.
        type: list
        elements: dict
        default: []
      ttl:
        description: >-
          After how many seconds the debugger ends by itself. If not set, the environment variable E(INCIDENT_DISTROLESS_TTL) is
          used.
        type: int
        default: 3600
      wait_timeout:
        description: How many seconds to wait until the debugger runs.
        type: int
        default: 120
  keep_debugger:
    description:
      - Whether a debugger that this task injected goes on running for the next task.
      - V(false) ends it. One that was reused is never ended.
    type: bool
    default: true
  src:
    description:
      - Absolute paths and globs in the target's own view. C(**) matches any number of directories. A string in place of a list is
        one path, commas and all.
      - What exists literally is taken literally, else it is a glob; a backslash escapes. Neither C(~) nor C($) means anything.
      - A directory is taken whole; links in it are kept as links when they stay inside O(dest), and recorded otherwise;
        O(follow) brings what they lead to.
      - A path that is itself a symlink brings the content that it leads to.
      - A plain path that is missing or unreadable fails the task after the rest was fetched; what cannot be read inside a
        directory or a glob is listed, and the task goes on.
    type: list
    elements: str
  src_b64:
    description:
      - Exact bytes of paths in base64, as results print them for names that are not UTF-8. Never globs.
    type: list
    elements: str
  dest:
    description:
      - A directory on the host that the module runs on. It is created if missing. With a local connection a relative path is
        relative to the playbook's directory.
      - Files land at C(dest/<namespace>/<pod>/<container>/<path>), the manifest at
        C(dest/<namespace>/<pod>/<container>.manifest.json).
      - One in a sealed case is refused (C(CaseSealed)).
    type: path
    required: true
  flat:
    description:
      - Whether to drop C(<namespace>/<pod>/<container>), which needs exactly one target. The manifest is
        C(dest/.manifest.json) then.
    type: bool
    default: false
  file_mode:
    description:
      - The permissions of the files here. The target's own are in the manifest.
      - Three octal digits in quotes, or a number as YAML makes it of V(0640) without quotes.
    type: raw
    default: '0600'
  directory_mode:
    description:
      - The permissions of the directories here.
      - Written as O(file_mode) is.
    type: raw
    default: '0700'
  overwrite:
    description:
      - Whether a place whose manifest names another cluster, pod uid or container id may be written over.
    type: bool
    default: false
  exclude:
    description:
      - Globs of paths to leave out. They are listed with the reason V(Excluded).
    type: list
    elements: str
    default: []
  include_secrets:
    description:
      - Whether to bring files on mounts that the pod calls a secret, a projected secret, token or certificate, or an inline CSI volume whose
        driver is not known to hold data, what an injector such as Vault's or a mesh's keeps in a memory volume, secrets of any pod
        that a mount of the kubelet's folders shows, and files below C(/run/secrets) and C(/var/run/secrets).
      - They are left out unless asked for, even by a plain path or through a link, and listed with the reason V(Secret).
    type: bool
    default: false
  follow:
    description:
      - Whether links inside a directory of O(src), or that a glob matches, bring what they lead to in the target's root, at the
        links' own paths. What they lead to is C(resolved).
      - Directories behind links are taken whole, none inside itself; there the reason is C(Loop). C(**) does not walk through
        links to match.
      - Links that lead nowhere are listed as C(failed) and do not fail the task.
    type: bool
    default: false
  open_deleted:
    description:
      - Whether to bring regular files too that a process of the target's container holds open though they are deleted, files in
        memory only (memfd) included.
      - Each is named C(/proc/<pid>/fd/<n>) by the first process that holds it, as the debugger sees its pid; C(resolved) says what
        it was called, such as C(/data/gone.log (deleted)).
      - O(src) may be empty then. Other paths in C(/proc) stay left out. Files on secret mounts need O(include_secrets).
    type: bool
    default: false
  max_size:
    description:
      - Larger files are left out, or fail the task, as O(oversize) says. A number of bytes, or as V(2G) and V(2Gi), both powers
        of 1024. V(0) is no limit.
    type: str
    default: '0'
  max_total_size:
    description:
      - How much the files of all targets of a task may come to together. V(0) is no limit.
    type: str
    default: 20G
  max_files:
    description:
      - How many files all targets of a task may come to together. V(0) is no limit.
    type: int
    default: 100000
  oversize:
    description:
      - What to do with files over O(max_size). V(tail) and V(head) bring that much of the end or the beginning.
    type: str
    choices: [skip, tail, head, fail]
    default: skip
  deadline:
    description:
      - How many seconds the whole task may take, the injection and all targets together. V(0) is no limit.
    type: int
    default: 3600
  retries:
    description:
      - How often a file is begun again when it changed, and how often in a row a stream may break before
        it has brought 16 KiB or a whole file.
      - A file whose stream broke goes on where it stopped, in the same task; the hash at its end is over the whole.
    type: int
    default: 3
  timeout:
    description:
      - After how many seconds without progress a stream is given up.
    type: int
    default: 60
  checksum:
    description:
      - Whether sha256 is compared on both ends.
      - With V(true) a file is unchanged when its sha256 is equal, else when size and time are; O(compare=stat) has a rule of its
        own.
    type: bool
    default: true
  compare:
    description:
      - How a later run knows a file that has not changed since. V(checksum) hashes it on both ends.
      - V(stat) reads nothing of a file whose size, times (that of the last change of its inode included), inode and device are
        what the manifest of an earlier run says, and whose copy has the size, the time and the inode that are noted there. Only
        files that came whole count, of the same start of the container, on overlay, ext4, xfs, btrfs or tmpfs, and whose inode
        had been changed more than two seconds before they were read. All others are read.
      - Such a row keeps the sha256 of the earlier run, and has C(verified=false). A copy that was damaged without a trace in
        these, or a file that a process writes to by way of a memory map, is found by V(checksum) only.
    type: str
    choices: [checksum, stat]
    default: checksum
  compress:
    description:
      - What to compress files by on their way. They are the same here whatever it is, and the sha256 is of the raw bytes.
      - V(auto) measures the line and the tools of the debug image, and compresses what a sample shows to shrink, where a tool is
        faster than the line. Files with holes are compressed wherever a tool is there. Where the pod's CPU limit is under one
        core it compresses nothing.
      - V(gzip) needs C(gzip) in the debug image. V(zstd) needs C(zstd) there, and the Python package C(zstandard) or the program
        C(zstd) here.
    type: str
    choices: [auto, zstd, gzip, none]
    default: auto
attributes:
  check_mode:
    description:
      - With a running debugger it lists what would be fetched and writes nothing.
      - Without one that runs and can read the target it asks for the injection as a dry run; listing needs the debugger.
    support: full
  diff_mode:
    description: Shows new, changed and gone files.
    support: full
requirements:
  - jsonpatch (for O(debug.patch))
  - zstandard, or the program C(zstd) (for O(compress=zstd) only)
notes:
  - Permissions needed in the namespace are those of M(incident.distroless.ephemeral_debug).
seealso:
  - module: incident.distroless.ephemeral_debug
"""

EXAMPLES = r"""
- name: Bring home what the app wrote, in one task
  incident.distroless.proc_fs_fetch:
    namespace: shop
    pod: api-0
    src:
      - /data/app.log
      - /etc/app/*.yaml
    dest: ./evidence
  register: fetched

- name: The same directory of all pods of a deployment, by the debuggers that run
  incident.distroless.proc_fs_fetch:
    namespace: shop
    workload: deployment/api
    src: /var/log/**/*.log
    dest: ./evidence
    max_size: 100M

- name: From the targets of an earlier task, and end the debugger if it had to be injected
  incident.distroless.proc_fs_fetch:
    targets: "{{ debug.targets }}"
    src: /etc/app
    dest: ./evidence
    keep_debugger: false

- name: What is new since the last time, of a tree whose old files need not be hashed again
  incident.distroless.proc_fs_fetch:
    namespace: shop
    pod: api-0
    src: /var/log
    dest: ./evidence
    compare: stat
"""

RETURN = r"""
files:
  description: >-
    At most 200 rows, failed ones first; the rest is in the manifest. C(namespace), C(pod), C(container), C(src) (as asked or
    found), C(resolved) (the target's own path), C(dest), C(type), C(size), C(sha256), C(mode), C(uid), C(gid), C(mtime), C(status)
    (V(fetched), V(unchanged), V(changed_while_reading), V(failed)) and C(reason).
    C(verified) is V(false) where O(compare=stat) took the copy for the file.
    Bytes that are not UTF-8 are shown as C(\xNN), with the exact bytes in C(src_b64), C(resolved_b64) and C(dest_b64).
  returned: always
  type: list
  elements: dict
  sample:
    - namespace: shop
      pod: api-0
      container: api
      src: /data/app.log
      resolved: /data/app.log
      dest: /home/me/evidence/shop/api-0/api/data/app.log
      type: file
      size: 102400
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      mode: '0600'
      uid: 65532
      gid: 65532
      mtime: 1795402364.120931
      status: fetched
      reason: null
skipped_files:
  description: At most 200 rows of what the rules left out, with C(status) V(skipped) and the C(reason).
  returned: always
  type: list
  elements: dict
  sample: []
stats:
  description: >-
    C(files), C(bytes), C(transferred_bytes), C(unchanged), C(changed_while_reading), C(failed), C(skipped), C(codec) (V(none),
    V(gzip) or V(zstd)) and C(elapsed) of all targets together. C(transferred_bytes) are those on the wire, compressed ones as
    they came.
  returned: always
  type: dict
  sample: {files: 2, bytes: 102912, transferred_bytes: 102912, unchanged: 0, changed_while_reading: 0, failed: 0, skipped: 0,
    codec: none, elapsed: 0.21}
manifests:
  description: The path of each target's manifest.
  returned: always
  type: list
  elements: str
  sample: [/home/me/evidence/shop/api-0/api.manifest.json]
targets:
  description: The targets as M(incident.distroless.ephemeral_debug) returns them, without commands.
  returned: always
  type: list
  elements: dict
  sample: []
failed_targets:
  description: The targets that failed, each with C(namespace), C(pod), C(container), C(reason), C(message) and C(hint).
  returned: always
  type: list
  elements: dict
  sample: []
msg:
  description: One line that says what was done.
  returned: always
  type: str
  sample: 1 target, 2 files fetched (100.5 KiB), 0 unchanged
"""


def main() -> None:
    """Runs the module."""
    from ansible_collections.incident.distroless.plugins.module_utils._core.python_version import require_python

    require_python()
    from ansible_collections.incident.distroless.plugins.module_utils._modules.proc_fs_fetch import run

    run()


if __name__ == "__main__":
    main()
