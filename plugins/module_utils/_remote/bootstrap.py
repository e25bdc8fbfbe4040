# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that waits in the debugger: takes scripts on stdin, and takes everything it started along when stdin ends.

We live in the target's PID namespace, whose PID 1 is the target: it does not reap what is not its own. A process whose
parent is gone would stay as a zombie for as long as the target lives, so nothing here is ever orphaned. That is why output
has an exec of its own, the outlet, which has no children and so may be killed at any moment.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from ansible_collections.incident.distroless.plugins.module_utils._core.paths import quote

# Every word is plain POSIX sh: busybox ash, dash and bash read it alike. It is short because it travels in the exec's
# URL, which the API's audit log keeps and proxies cut; scripts, names and data travel on stdin.
# `read -r` takes stdin byte by byte, so nothing is read ahead. The main shell always sits in `read`, whatever its job
# does: a dropped connection, which the kubelet turns into the end of stdin, is seen at once.
# The nonce stands in this shell's command line, which every listing of processes shows; the mark that ends an answer comes
# on stdin and is nowhere to be printed from.
# No here-documents anywhere: bash writes them to a file.
# A fork that is refused ends a shell that does not run interactively. Behind `command eval` it is a status other than 0: a pod
# at its limit of processes gets an answer that says so, at once. Each process that a fork made has one of its own: caught by
# that of the shell above, whose input a child has given up, the failure makes busybox's ash look for that input for ever.
# An exec whose line breaks while its output is on the way is killed by SIGKILL, and nothing here can prevent it: the kubelet
# closes its connection to containerd at once; with bytes unread that is a reset, which can discard the frame (SPDY's GOAWAY) by
# which containerd would have known a good end. It then sees a read error, Go's net/http cancels the request, and the exec's
# first process is killed, mostly before stdin has ended. What was its child is PID 1's from then on. So this shell prints
# nothing while it has a child: answers to questions (`ask`) are kept until their processes are reaped, and jobs write to the
# streams of a second exec (see use_outlet), whose one process has no children. Killed, that leaves nothing; this shell, on
# whose own streams nothing is ever unread, is told by the end of its stdin and ends its job as it should.
LOADER = r"""nonce=$1 script= job=
while IFS= read -r line; do
  case $line in
    "$nonce def") command eval "$script"; script= ;;
    "$nonce run")
      wait $job
      command eval 'begin_job </dev/null 3>&- 4>&- &' && job=$! || tell_end 254
      script= ;;
    "$nonce ask") wait $job; ask; script= ;;
    "$nonce end") wait $job; exit ;;
    "$nonce quit") wait $job; exit 0 ;;
    "$nonce kill") script=; [ -z "$job" ] || cancel_job ;;
    *) script=$script$line'
' ;;
  esac
done
[ -z "$job" ] || end_job
exit 0
"""

# How a process tree ends without orphans: stop a process, end what is below it, let it run just long enough to reap
# (another child that it starts in that moment is found in the next round), and kill it only when it has no children.
# This needs nothing of the processes themselves: a user's own script loops as much as it likes. It may begin its next
# command in the microseconds in which it reaps; that is the price of leaving no zombie.
# Only builtins, but for the sleep where a throttled CPU needs seconds; a pid is signalled only while its parent is
# stopped, so that it cannot have become another process's.
PROLOGUE = rb"""
tell_end() { # ends an answer: with status $1
  printf '%s %d\n' "$mark" "$1"
  printf '%s %d\n' "$mark" "$1" >&2
}
begin_job() { # runs the script
  command eval '( trap : PIPE; trap "wait; exit 143" TERM; command eval "$script"; exit $? )'
  set -- $?
  tell_end $1
  exit $1
}
answer() { # prints what the script prints, and a dot; ends with its status
  command eval '( command eval "$script"; exit $? ) </dev/null 2>/dev/null 3>&- 4>&-'
  set -- $?
  printf .
  exit $1
}
ask() { # runs the script, and prints what it printed when no process of it is left
  answer=
  command eval 'answer=$(answer)'
  set -- $?
  printf '%s' "${answer%.}"
  tell_end $1
  answer=
}
look() { # sets state and parent of process $1; state X: gone
  state=X parent= line=
  # the name in brackets may hold anything, ends of lines as well
  while IFS= read -r more || [ -n "$more" ]; do line="$line$more "; done 2>/dev/null </proc/$1/stat
  [ -z "$line" ] || { set -- ${line##*)}; state=$1 parent=$2; }
}
children() { # sets kids of process $1, those that wait to be reaped included
  kids=
  for list in /proc/$1/task/[0-9]*/children; do
    line=
    { read -r line <"$list"; } 2>/dev/null
    kids="$kids$line "
  done
  kids=${kids# }
}
# a kernel without CONFIG_PROC_CHILDREN
[ -r /proc/$$/task/$$/children ] || children() {
  kids= wanted=$1
  for dir in /proc/[0-9]*; do
    look "${dir#/proc/}"
    [ "$parent" != "$wanted" ] || kids="$kids${dir#/proc/} "
  done
}
rest() { # gives the CPU away; not every sleep knows fractions
  sleep 0.01 2>/dev/null || sleep 1
}
await() { # waits until process $1 is in one of the states $2; on a CPU that others fill that can be long
  tries=0
  while look $1; case $2 in *$state*) false ;; esac; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || rest
    [ $tries -lt 3000 ] || return
  done
}
stop() { # stops process $1 and waits until it is: a fork under way has then either happened or been given up
  kill -STOP $1 2>/dev/null
  await $1 TtZXx
}
reaped() { # whether none of the processes $2... is a child of $1 any more
  children $1
  shift
  for old; do
    case " $kids" in *" $old "*) return 1 ;; esac
  done
}
let_reap() { # lets the stopped process $1 run until it has reaped $2..., at first for microseconds: it must not get far
  nap=$((rounds * 7 % (rounds < 16 ? 8 : 61))) rests=0
  while :; do
    n=0
    if [ $nap -eq 0 ]; then
      kill -CONT $1; kill -STOP $1
    else
      kill -CONT $1
      while [ $n -lt $nap ]; do n=$((n + 1)); done
      [ $rests -eq 0 ] || rest
    fi 2>/dev/null
    stop $1
    reaped "$@" && return
    if [ $nap -lt 1000 ]; then nap=$((nap * 2 + 1)); else rests=$((rests + 1)); fi
    [ $rests -lt 300 ] || return 1
  done
}
signals() { # sets deaf: process $1 would live through SIGPIPE, bit 12 of the masks; heeds: it catches SIGTERM, bit 14
  deaf= heeds=
  while read -r key mask; do
    case $key$mask in Sig[BIC][lg][knt]:*[13579bdf]???) deaf=yes ;; esac
    case $key$mask in SigCgt:*[4567cdef]???) heeds=yes ;; esac
  done 2>/dev/null </proc/$1/status
}
end_below() { # ends everything below the stopped process $1, which reaps it and is stopped again
  local kid mine rounds
  rounds=0
  while children $1; mine=$kids; [ -n "$mine" ] && [ $rounds -lt 10000 ]; do
    rounds=$((rounds + 1))
    for kid in $mine; do end_tree $kid; done
    signals $1
    [ -z "$heeds" ] || [ $rounds -gt 1 ] || kill -TERM $1
    # one that does not reap its children now never will
    let_reap $1 $mine || return
  done
}
end_tree() {
  stop $1
  end_below $1
  # of a child ended by SIGPIPE no shell writes `Killed` to the stderr that nobody reads any more: the shell would die of
  # it, its other children not yet reaped
  signals $1
  if [ -n "$deaf" ]; then kill -KILL $1; else kill -PIPE $1; kill -CONT $1; fi 2>/dev/null
  await $1 ZXx
}
is_ours() { # whether the job is there, so that its pid is its own
  look $job
  [ "$parent" = $$ ]
}
cancel_job() { # ends what the job runs; the job itself says so
  is_ours || return
  stop $job
  # one that has only just started has nothing below it yet, one that is through has nothing any more and soon ends
  starts=0
  while children $job; [ -z "$kids" ] && look $job && [ "$state" != Z ] && [ "$state" != X ] && [ $starts -lt 100 ]; do
    starts=$((starts + 1))
    kill -CONT $job
    rest
    stop $job
  done 2>/dev/null
  end_below $job
  kill -CONT $job 2>/dev/null
}
end_job() {
  exec >/dev/null 2>&1
  is_ours && end_tree $job
  wait
}
"""


def be_nice(nonce: str) -> bytes:
    """A script for the loader's main shell, before anything else: it gives way to all others from then on, where the image
    has renice, or nice, by which the shell begins anew with its pid and its stdin."""
    again = b" ".join(quote(word.encode("ascii")) for word in exec_command(nonce))
    return (
        b"renice -n 10 -p $$ >/dev/null 2>&1 || "
        b"{ nice -n 10 true >/dev/null 2>&1 && exec nice -n 10 " + again + b"; }\n"
    )


# The outlet: says its pid and waits for a line or the end of stdin. A runtime gives the streams of an exec to the exec's own
# user (an image that writes to /dev/stdout needs that), so that another process of that user can open them by path.
OUTLET = ("sh", "-c", "echo $$; read -r line")


def can_use_outlet(pid: int) -> bytes:
    """A script that asks whether the outlet's streams can be opened. Its answer is its status."""
    return b"[ -w /proc/%d/fd/1 ] && [ -w /proc/%d/fd/2 ]\n" % (pid, pid)


def use_outlet(pid: int) -> bytes:
    """A script for the main shell: what it and its jobs print goes to the outlet from then on, opened once, by a pid that
    is known to be the outlet's. Its own streams stay open: the kubelet takes their end for the end of the exec."""
    return b"command exec 3>&1 4>&2 >/proc/%d/fd/1 2>/proc/%d/fd/2\n" % (pid, pid)


def exec_command(nonce: str) -> list[str]:
    """The command of the exec that carries a session. Raises ValueError for a nonce that is not plain hexadecimal."""
    if not nonce.isalnum():
        raise ValueError("a nonce is hexadecimal")
    return ["sh", "-c", LOADER, "sh", nonce]
