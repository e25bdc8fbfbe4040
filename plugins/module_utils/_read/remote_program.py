# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The remote program that reads the target's files: each opened once, proven to be what was listed, then read from there.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

# Between the listing and the open a hostile target can put a link, a fifo or another file in the place of a file. So a file
# is opened, and then the open file itself says what it is: its mount must be one of the target's (a link that leads into
# the debugger's own root is on a mount of the debugger), its device and inode the listed ones. What is read afterwards is
# /proc/self/fd/<n>: the kernel takes that to the very same inode, whatever the name means by now.
#
# `command exec`: a redirection that fails in a plain `exec` would end the shell. Regular files have no short reads, so dd
# with one block reads exactly that much, and leaves the offset that the shell shares with it where it should be.
#
# Whatever a tool says is looked at by its status: `sound` ends the job, and with it the look, after one that was killed or could not
# be started. A path that is read is one of /proc/self/fd, so that a file that went meanwhile gives no other status than 0.
#
# The times of an open file are taken before its first byte and after its last one, and told. Two readers in step would never see
# what changes between them: where times cannot be trusted the hash is of a second reading that begins when the first has ended,
# so that what is equal in both was there at one moment. They cannot on a file system that does not note what is written through
# mmap, nor until what was mapped is written back, for which the kernel takes 30 s.
PROGRAM = rb"""
block=65536 newline='
'
# dash reads one digit before a redirection and no more; 5 is stdout while a single file is sent
first=3 last=9
for try in 83 249; do
  if (eval "command exec $try</dev/null" && [ -e /proc/self/fd/$try ]) 2>/dev/null; then first=20 last=$try; fi
done
opened() { # opens file $2 as file descriptor $1; sets status
  status=ok
  # a path that begins with a slash is one of /proc/<pid>/fd, which leads to the open file itself
  if [ -f "$2" ] && { [ ! -h "$2" ] || [ "${2#/}" != "$2" ]; }; then
    eval "command exec $1<\"\$2\"" || status=PermissionDenied
  elif [ -h "$2" ] && [ "${2#/}" = "$2" ]; then status=Replaced
  elif [ ! -e "$2" ]; then status=Missing
  else status=Replaced
  fi
  [ $status = ok ]
}
prove() { # whether mount $1 is one of the target's and device:inode $2 the listed one, $3; sets status
  case " $mounts " in
    *" $1 "*) if [ "$2" = "$3" ]; then status=ok; else status=Replaced; fi ;;
    *) status=Escaped ;;
  esac
}
skip() { # moves stdin to offset $1
  [ "$1" -lt $block ] || dd bs=$block skip=$(($1 / block)) count=0 2>/dev/null
  [ $(($1 % block)) = 0 ] || dd bs=$(($1 % block)) count=1 >/dev/null 2>&1
}
take() { # copies $1 bytes of stdin
  [ "$1" -lt $block ] || dd bs=$block count=$(($1 / block)) 2>/dev/null
  [ $(($1 % block)) = 0 ] || dd bs=$(($1 % block)) count=1 2>/dev/null
}
info() { # sets value to field $1 of file descriptor $2 as the kernel tells it
  while read -r field value; do [ "$field" != "$1:" ] || return 0; done </proc/self/fdinfo/$2
  value=0
}
sum_of() { # sha256 of $2 bytes from offset $1 of file descriptor 3, whose size is $3; always where the other side has $4
  if [ "$checksum" = no ] && [ "$4" = 0 ]; then echo -
  # it is opened anew, which its owner can forbid by now
  elif ! [ -r /proc/self/fd/3 ]; then return 1
  elif [ "$1" = 0 ] && [ "$2" = "$3" ]; then sha256sum </proc/self/fd/3
  else { skip "$1"; take "$2"; } </proc/self/fd/3 | sha256sum
  fi
}
whole() { # exactly $2 bytes from offset $1 of file descriptor 3: what has become shorter ends in zeros
  { skip "$1"; take "$2"; } <&3
  info pos 3
  got=$((value - $1))
  [ $got -ge "$2" ] || take $(($2 - got)) </dev/zero
}
judge() { # sets codec to $1, of `codec?` what a sample of the $3 bytes from offset $2 says: it must shrink by a fifth
  codec=${1%\?}
  [ "$codec" = "$1" ] || [ "$3" = 0 ] || {
    sample=$(($3 < block ? $3 : block))
    shrunk=$({ skip $(($2 + ($3 - sample) / 2)); take $sample; } </proc/self/fd/3 | packed $codec | wc -c)
    sound $?
    [ $((shrunk * 5)) -lt $((sample * 4)) ] || codec=none
  }
}
examine() { # sets now: device:inode, size and times of file descriptor 3, and then those of $1; see LOOK
  now=$(stat -L -c '%d:%i %s %X %Y %Z|%x|%y|%z' /proc/self/fd/3 $1)
  case $? in
    0) return ;;
    # it dies of a year
    1|13?|14?) ;;
    *) exit 2 ;;
  esac
  now=$(stat -L -c '%d:%i %s %X %Y %Z|||' /proc/self/fd/3 $1)
  sound $?
}
has_moved() { # whether size and times of file descriptor 3 are others than before; its access time is what reading makes of it
  then=${before%%|*} since=${after%%|*}
  [ "${before%% *} ${then#* * }|${before#*|*|}" != "${after%% *} ${since#* * }|${after#*|*|}" ]
}
is_recent() { # whether what examine says of it was written in the last minute, by the clock that also set its times
  clock=${now##*"$newline"} clock=${clock%%|*} then=${now%%|*}
  [ $((${clock##* } - ${then##* })) -lt 60 ]
}
one() { # file number $1, device:inode $2: $4 bytes from offset $3 of file $7, hashed while they are sent, but for the first $5
  # $6: the codec, or `codec?` for where it helps
  mount=- size=0 count=0 sum=- after=-
  if opened 3 "$7"; then
    info mnt_id 3
    # a process has its directory in /proc since it began: that is now
    mount=$value
    examine /proc/self/
    prove "$mount" "${now%% *}" "$2"
  fi
  if [ $status = ok ]; then
    before=${now%%"$newline"*} before=${before#* } size=${before%% *} count=$4 hashed=beside
    case " $volatile " in *" $mount "*) hashed=after ;; *) ! is_recent || hashed=after ;; esac
    if [ "$size" -lt $(($3 + count)) ]; then
      status=Shrunk count=$((size > $3 ? size - $3 : 0))
    fi
    if [ "$sending" = yes ]; then
      left=$((count > $5 ? count - $5 : 0))
      judge "$6" $(($3 + $5)) $left
      printf 'begin %s %s %s %s\n' "$1" "$count" "$mount" $codec
      exec 5>&1
      sum=$(
        [ $hashed = after ] || sum_of "$3" "$count" "$size" "$5" &
        if [ $left = 0 ]; then :
        elif [ $codec = none ]; then { skip $(($3 + $5)); take $left; } <&3 >&5
        else whole $(($3 + $5)) $left | packed $codec >&5
        fi
        wait $!
      )
      sound $?
      info pos 3
      sent=$((value - $3 - $5))
      examine
      after=${now#* }
      size=${after%% *}
      needed=$5
      # a hash beside the reading says nothing of what was written meanwhile, and what only grew needs one to be told
      ! has_moved || { hashed=after needed=1; }
      if [ $hashed = after ] && [ $status = ok ] && [ "$size" -ge $(($3 + count)) ]; then
        sum=$(sum_of "$3" "$count" "$size" "$needed")
        sound $?
      fi
      if [ $left != 0 ] && [ $sent -lt $left ]; then
        status=Shrunk
        [ "$size" -lt $(($3 + count)) ] || status=ReadError
        # the frame is as long as was said
        [ $codec != none ] || take $((left - sent)) </dev/zero
      fi
      exec 5>&-
    else
      sum=$(sum_of "$3" "$count" "$size" 0)
      sound $?
      examine
      after=${now#* }
    fi
    # the hash opens the file anew, which its owner can forbid by now
    if [ -z "$sum" ]; then
      sum=-
      [ $status != ok ] || status=ReadError
    fi
  fi
  printf 'end %s %s %s %s %s %s %s\n' "$1" $status "$mount" "$count" "$size" "${sum%% *}" "${after#* }"
  exec 3<&-
}
empty() { # the group; asked: file number, device:inode and size of each of its files; listed: what stat should say
  next=$first asked= listed= gathered=0 more_asked= more_listed=
}
empty
add() { # file number $1, device:inode $2, size $3, file $4, to a group that is read together
  [ $next -le $last ] && [ $((gathered + $3)) -le $most ] || together
  if opened $next "$4"; then
    more_asked="$more_asked $1 $2 $3" more_listed="$more_listed$2 $3$newline"
    gathered=$((gathered + $3)) next=$((next + 1))
    # a shell copies all of a string to add to it
    [ $((next % 16)) != 0 ] || gather
  else
    printf 'end %s %s - 0 0 -\n' "$1" $status
  fi
}
gather() {
  asked=$asked$more_asked listed=$listed$more_listed more_asked= more_listed=
}
named=
name() { # sets infos, files and closing for the descriptors up to $next
  [ "$named" != $next ] || return 0
  named=$next infos= files= closing= n=$first
  while [ $n -lt $next ]; do
    infos="$infos /proc/self/fdinfo/$n" files="$files /proc/self/fd/$n" closing="$closing $n<&-" n=$((n + 1))
  done
}
are_as_listed() { # whether mounts $1... are all the same, one of the target's, and all files the listed ones
  mount=$1
  for id; do [ "$id" = "$mount" ] || return; done
  prove "$mount" "$seen$newline" "$listed"
  [ $status = ok ]
}
sift() { # judges files one by one; sets proven, total and files
  read_files= total=0 n=$first
  set -- $asked
  while [ $# != 0 ]; do
    mount=${ids%%[!0-9]*} ids=${ids#*[!0-9]} now=${seen%%"$newline"*} seen=${seen#*"$newline"}
    prove "$mount" "${now% *}" "$2"
    if [ $status != ok ]; then printf 'end %s %s %s 0 0 -\n' "$1" $status "$mount"
    # one of another size is left to be read alone: it may be endless by now
    elif [ "${now#* }" = "$3" ]; then
      proven="$proven $n $mount $3" read_files="$read_files /proc/self/fd/$n" total=$((total + $3))
    fi
    n=$((n + 1))
    shift 3
  done
  [ -z "$proven" ] || printf 'ok %s %s %s\n' $proven
}
together() { # the group: proofs, hashes, and then all bytes as one piece whose length is said before
  total=$gathered proven= read_files=
  if [ $next != $first ]; then
    gather
    name
    # they are the next ones that were asked for and did not end
    echo "in $first $((next - first))"
    ids=$(sed -n 's/^mnt_id:[^0-9]*//p' $infos)
    sound $?
    seen=$(stat -L -c '%d:%i %s' $files)
    sound $?
    if are_as_listed $ids; then read_files=$files; echo "all $mount"; else sift; fi
  fi
  if [ -n "$read_files" ]; then
    # always: one that grows or shrinks from here on moves the bytes of all behind it, and only their hashes tell
    sha256sum $read_files 2>/dev/null
    sound $?
    # What that reading did; what cat does after it would be the same. And what they were between both readings: what is equal
    # in both was there at this moment
    reads=$(stat -L -c 'read %s %X %Y %Z|%x|%y|%z' $read_files)
    case $? in
      0) ;;
      1|13?|14?) reads=$(stat -L -c 'read %s %X %Y %Z|||' $read_files); sound $? ;;
      *) exit 2 ;;
    esac
    printf '%s\n' "$reads"
    if [ "$sending" = yes ] && [ $total -le $most ]; then
      echo "bytes $total $group_codec"
      # a file that shrinks in this moment is filled up, one that grows is cut: its hash will not be the one above
      [ $total = 0 ] || {
        if [ $group_codec = none ]; then cat $read_files | dd bs=$total count=1 iflag=fullblock conv=sync 2>/dev/null
        else cat $read_files | dd bs=$total count=1 iflag=fullblock conv=sync 2>/dev/null | packed $group_codec
        fi
      }
    else
      echo "sizes $total"
    fi
  fi
  [ $next = $first ] || eval "exec $closing"
  empty
  echo done
}
"""

# a file up to this size is read in a group; what a group may come to is dd's one block in the debugger's memory
SMALL = 32 << 10
MOST_TOGETHER = 64 * SMALL
