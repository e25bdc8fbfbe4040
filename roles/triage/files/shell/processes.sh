# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh

# The processes of the target's container, by their ids, those in cgroups below its own too (docker in docker, systemd), and
# not those of debuggers beside it. With builtins only: of many processes a fork for each takes longer than all else.
newline='
'
processes() {
  know_home
  for process in /proc/[0-9]*; do
    is_of_target "$process" && printf '%s\n' "${process#/proc/}"
  done | sort -n
}
know_home() {
  cgroup_of "/proc/$TARGET_PID"
  home=$cgroup
}
# whether the process of this folder in /proc is one of them
is_of_target() {
  cgroup_of "$1"
  [ -n "$home" ] || return
  if is_below "$cgroup" "$home"; then let_begin "$1"; else is_zombie_of_target "$1"; fi
}
# What a runtime starts in a container, such as the command of a probe, is for moments the runtime's own program, which nobody may
# look at. It is waited for until it is what it is to be, or has ended. One that only calls itself so stays, and is looked at.
let_begin() {
  for _ in 1 2 3; do
    name=
    read -r name 2>/dev/null < "$1/comm"
    case $name in 'runc:['*) sleep 1 ;; *) break ;; esac
  done
  [ -d "$1" ]
}
# version 1 has a process that has ended in the root of its trees (kernel/cgroup, proc_cgroup_show): it is whose its parent is
is_zombie_of_target() {
  stat=
  read -r stat 2>/dev/null < "$1/stat"
  # shellcheck disable=SC2086 # the numbers are to become words
  set -- ${stat##*)}
  [ "$1" = Z ] && [ "$2" != 0 ] || return
  cgroup_of "/proc/$2"
  is_below "$cgroup" "$home"
}
# all lines of the file: version 1 has one for each of its trees, all processes in the same order
cgroup_of() {
  cgroup=
  while read -r line; do cgroup=$cgroup$line$newline; done 2>/dev/null < "$1/cgroup"
}
is_below() {
  [ "$1" != "$2" ] || return 0
  # below the root is everything
  [ "$2" != "0::/$newline" ] || return 1
  lower=$1 upper=$2
  while [ -n "$lower" ] && [ -n "$upper" ]; do
    its=${lower%%"$newline"*} ours=${upper%%"$newline"*}
    case $its in "$ours"|"${ours%/}/"*) ;; *) return 1 ;; esac
    lower=${lower#*"$newline"} upper=${upper#*"$newline"}
  done
  [ -z "$lower$upper" ]
}
