# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh

# Runs a command and ends it after so many seconds; its status is 143 then. busybox's timeout cannot do that here: it hands the
# process that watches to the first of the PID namespace, which is the target, reaps nothing that is not its own, and has one
# zombie more from then on. So this shell is the parent of both, and has seen both end before it goes on.
# The one that watches tells this shell, which ends the command: the command's id is its own as long as its parent has not
# waited for it. It tells again and again, since a shell that does not wait yet is not woken.
for_at_most() {
  limit=$1
  shift
  read -r shell _ < /proc/self/stat
  trap : ALRM
  # a command in the background would get no stdin otherwise
  { "$@" <&3 3<&- & } 3<&0
  command=$!
  (
    # a child that has only just been forked may miss any other signal
    trap '[ "$!" = "$command" ] || kill -KILL "$!"; wait; exit' TERM
    sleep "$limit" &
    wait "$!"
    while kill -ALRM "$shell"; do
      sleep 1 &
      wait "$!"
    done
  ) < /dev/null > /dev/null 2>&1 &
  watch=$!
  # 128 and the number of that signal: it was told, and the command is still there
  until wait "$command" 2> /dev/null; status=$?; [ "$status" -ne 142 ]; do kill "$command" 2> /dev/null; done
  trap '' ALRM
  kill "$watch"
  wait "$watch" 2> /dev/null
  trap - ALRM
  return "$status"
}
