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
PROGRAM = rb"""
block=65536
# dash reads one digit before a redirection and no more; 5 is stdout while a single file is sent
descriptors='3 4 6 7 8 9'
if (command exec 20</dev/null && [ -e /proc/self/fd/20 ]) 2>/dev/null; then
  descriptors= fd=20
  while [ $fd -lt 84 ]; do descriptors="$descriptors $fd" fd=$((fd + 1)); done
fi
open_as() { # opens file $2 as file descriptor $1
  eval "command exec $1<\"\$2\""
}
opened() { # opens file $2 as file descriptor $1; sets status
  status=ok
  if [ -h "$2" ]; then status=Replaced
  elif [ ! -e "$2" ]; then status=Missing
  elif [ ! -f "$2" ]; then status=Replaced
  else open_as "$1" "$2" 2>/dev/null || status=PermissionDenied
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
sum_of() { # sha256 of $2 bytes from offset $1 of file descriptor 3, whose size is $3
  if [ "$checksum" = no ]; then echo -
  elif [ "$1" = 0 ] && [ "$2" = "$3" ]; then sha256sum </proc/self/fd/3
  else { skip "$1"; take "$2"; } </proc/self/fd/3 | sha256sum
  fi
}
one() { # file number $1, device:inode $2: $4 bytes from offset $3 of file $5, hashed while they are sent
  mount=- size=0 count=0 sum=-
  if opened 3 "$5"; then
    mount=$(sed -n 's/^mnt_id:[^0-9]*//p' /proc/self/fdinfo/3)
    set -- "$@" $(stat -L -c '%d:%i %s' /proc/self/fd/3)
    prove "$mount" "$6" "$2"
  fi
  if [ $status = ok ]; then
    size=$7 count=$4
    if [ "$size" -lt $(($3 + count)) ]; then
      status=Shrunk count=$((size > $3 ? size - $3 : 0))
    fi
    if [ "$sending" = yes ]; then
      printf 'begin %s %s %s\n' "$1" "$count" "$mount"
      exec 5>&1
      sum=$(
        sum_of "$3" "$count" "$size" &
        { skip "$3"; take "$count"; } <&3 >&5
        wait
      )
      sent=$(($(sed -n 's/^pos:[^0-9]*//p' /proc/self/fdinfo/3) - $3))
      size=$(stat -L -c %s /proc/self/fd/3)
      if [ $sent -lt "$count" ]; then
        status=Shrunk
        [ "$size" -lt $(($3 + count)) ] || status=ReadError
        # the frame is as long as was said
        take $((count - sent)) </dev/zero
      fi
      exec 5>&-
    else
      sum=$(sum_of "$3" "$count" "$size")
    fi
    # the hash opens the file anew, which its owner can forbid by now
    if [ -z "$sum" ]; then
      sum=-
      [ $status != ok ] || status=ReadError
    fi
  fi
  printf 'end %s %s %s %s %s %s\n' "$1" $status "$mount" "$count" "$size" "${sum%% *}"
  exec 3<&-
}
free=$descriptors group=
add() { # file number $1, device:inode $2, size $3, file $4, to a group that is read together
  [ -n "$free" ] || together
  set -- "$@" $free
  if opened "$5" "$4"; then
    printf 'in %s %s\n' "$5" "$1"
    eval "index_$5=$1 inode_$5=$2 size_$5=$3"
    group="$group $5"
    shift 5
    free=$*
  else
    printf 'end %s %s - 0 0 -\n' "$1" $status
  fi
}
together() { # the group: proofs, hashes, and then all bytes as one piece whose length is said before
  infos= files= total=0
  for fd in $group; do
    infos="$infos /proc/self/fdinfo/$fd" files="$files /proc/self/fd/$fd"
  done
  if [ -n "$group" ]; then
    ids=$(sed -n 's/^mnt_id:[^0-9]*//p' $infos)
    set -- $(stat -L -c '%d:%i %s' $files)
    files=
    for fd in $group; do
      eval "index=\$index_$fd inode=\$inode_$fd size=\$size_$fd"
      mount=${ids%%[!0-9]*} ids=${ids#*[!0-9]}
      prove "$mount" "$1" "$inode"
      if [ $status = ok ]; then
        # one of another size is left to be read alone: it may be endless by now
        if [ "$2" = "$size" ]; then
          printf 'ok %s %s %s\n' "$fd" "$mount" "$2"
          files="$files /proc/self/fd/$fd" total=$((total + $2))
        fi
      else
        printf 'end %s %s %s 0 0 -\n' "$index" $status "$mount"
      fi
      shift 2
    done
  fi
  if [ -n "$files" ]; then
    # always: one that grows or shrinks from here on moves the bytes of all behind it, and only their hashes tell
    sha256sum $files 2>/dev/null
    if [ "$sending" = yes ] && [ $total -le $most ]; then
      echo "bytes $total"
      # a file that shrinks in this moment is filled up, one that grows is cut: its hash will not be the one above
      [ $total = 0 ] || cat $files | dd bs=$total count=1 iflag=fullblock conv=sync 2>/dev/null
    else
      echo "sizes $total"
    fi
  fi
  for fd in $group; do eval "exec $fd<&-"; done
  free=$descriptors group=
  echo done
}
"""

# a file up to this size is read in a group; a group of 64 is dd's one block in the debugger's memory
SMALL = 32 << 10
MOST_TOGETHER = 64 * SMALL
