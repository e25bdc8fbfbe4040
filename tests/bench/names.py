# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of the contenders, as the page shows them."""

from __future__ import annotations

OUR_DEBUG = "ephemeral_debug"
OUR_DEBUG_WIDE = "ephemeral_debug, concurrency: as many as pods"
KUBECTL_DEBUG = "kubectl debug --attach=false, then kubectl wait"
FLOOR = "bare requests side by side and one watch, without any proof"
PROOF_FLOOR = "the same, and an exec in each that reads the target's root"
LOOK_FLOOR = "bare requests, and in each pod as many execs as process_triage has, one after the other"
EMPTY_PLAY = "a play that says a word"
PLAIN_DEBUG = "ephemeral_debug, as a user runs it"
PLAIN_FETCH = "proc_fs_fetch, as a user runs it"
PLAIN_UNHASHED = "proc_fs_fetch, checksum: false, as a user runs it"

OURS = "proc_fs_fetch"
OURS_UNHASHED = "proc_fs_fetch, checksum: false"
OURS_ZSTD = "proc_fs_fetch, debug image with zstd"
AGAIN = "proc_fs_fetch again, nothing changed"
AGAIN_STAT = "proc_fs_fetch again, nothing changed, compare: stat"
FETCH_FLOOR = "one bare exec a pod that lists, hashes and sends, proof and names here"
STAT_FLOOR = "find and stat by one bare exec, lstat of the copies"
EXEC_CAT = "kubectl exec cat, to a file"
COPY = "kubectl cp"
COPY_HASHED = "kubectl cp, then sha256sum on both ends"
DEBUG_TAR = "tar of /proc/1/root in a debugger of kubectl"
K8S_CP = "kubernetes.core.k8s_cp"

EMPTY_MODULE = "a module that only gets kubernetes.core's client"
OUR_MODULES = ("ephemeral_debug", "proc_fs_fetch")

# the first is the row that the others are compared with
ROLES = ("disk_triage", "process_triage", "network_triage", "crashloop_triage", "pod_triage")
# of a crowd's pods, in the same run
ONE_OF_THEM = {role: f"{role}, of one of them" for role in ROLES}

MEMORY_ONE = "ephemeral_debug, one pod"
MEMORY_MANY = "ephemeral_debug, many pods"
MEMORY_LARGE = "proc_fs_fetch, a large file"
MEMORY_TREE = "proc_fs_fetch, a tree of small files"

BY_DEBUGGER = "incident.distroless.debugger"
BY_DEBUGGER_PIPELINED = "incident.distroless.debugger, pipelining"
BY_KUBECTL = "kubernetes.core.kubectl"
BY_KUBECTL_PIPELINED = "kubernetes.core.kubectl, pipelining"
