# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The remote program that reads the target's files: each opened once, proven to be what was listed, then read from there.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

# Between the listing and the open a hostile target can put a link, a fifo or another file in the place of a file. So a file
# is opened, and then the open file itself says what it is: its mount must be one of the target's (a link that leads into
# the debugger's own root is on a mount of the debugger), its inode the listed one. What is read afterwards is
# /proc/self/fd/<n>: the kernel takes that to the very same inode, whatever the name means by now.
#
# `command exec`: a redirection that fails in a plain `exec` would end the shell. Regular files have no short reads, so dd
# with one block reads exactly that much, and leaves the offset that the shell shares with it where it should be.
PROGRAM = rb"""
block=65536
open_as() { # opens file $2 as file descriptor $1
  case $1 in
    3) command exec 3<"$2" ;;
    4) command exec 4<"$2" ;;
    6) command exec 6<"$2" ;;
    7) command exec 7<"$2" ;;
    8) command exec 8<"$2" ;;
    9) command exec 9<"$2" ;;
  esac
}
about() { # sets mount and inode of file descriptor $1
  mount= inode=
  while read -r key value; do
    case $key in mnt_id:) mount=$value ;; ino:) inode=$value ;; esac
  done <"/proc/self/fdinfo/$1"
  # before Linux 5.14 fdinfo has no inode
  [ -n "$inode" ] || inode=$(stat -L -c %i "/proc/self/fd/$1")
}
proven() { # opens file $3, which was listed with inode $2, as file descriptor $1; sets status and mount
  mount=- status=ok
  if [ -h "$3" ]; then status=Replaced
  elif [ ! -e "$3" ]; then status=Missing
  elif [ ! -f "$3" ]; then status=Replaced
  elif ! open_as "$1" "$3" 2>/dev/null; then status=PermissionDenied
  else
    about "$1"
    case " $mounts " in
      *" $mount "*) [ "$inode" = "$2" ] || status=Replaced ;;
      *) status=Escaped ;;
    esac
  fi
  [ $status = ok ]
}
skip() { # moves stdin to offset $1
  [ "$1" -lt $block ] || dd bs=$block skip=$(($1 / block)) count=0 2>/dev/null
  [ $(($1 % block)) = 0 ] || dd bs=$(($1 % block)) count=1 >/dev/null 2>&1
}
take() { # copies $1 bytes of stdin
  [ "$1" -lt $block ] || dd bs=$block count=$(($1 / block)) 2>/dev/null
  [ $(($1 % block)) = 0 ] || dd bs=$(($1 % block)) count=1 2>/dev/null
}
offset_of() { # sets offset of file descriptor $1
  offset=0
  while read -r key value; do
    case $key in pos:) offset=$value ;; esac
  done <"/proc/self/fdinfo/$1"
}
sum_of() { # sha256 of $2 bytes from offset $1 of file descriptor 3, whose size is $3
  if [ "$checksum" = no ]; then echo -
  elif [ "$1" = 0 ] && [ "$2" = "$3" ]; then sha256sum </proc/self/fd/3
  else { skip "$1"; take "$2"; } </proc/self/fd/3 | sha256sum
  fi
}
one() { # file number $1 with inode $2: $4 bytes from offset $3 of file $5, hashed while they are sent
  if ! proven 3 "$2" "$5"; then
    printf 'end %s %s %s 0 0 -\n' "$1" $status "$mount"
    return
  fi
  size=$(stat -L -c %s /proc/self/fd/3)
  if [ "$sending" = yes ]; then
    printf 'begin %s %s %s\n' "$1" "$4" "$mount"
    exec 5>&1
    sum=$(
      sum_of "$3" "$4" "$size" &
      { skip "$3"; take "$4"; } <&3 >&5
      wait
    )
    offset_of 3
    sent=$((offset - $3))
    size=$(stat -L -c %s /proc/self/fd/3)
    if [ $sent -lt "$4" ]; then
      status=Shrunk
      [ "$size" -lt $(($3 + $4)) ] || status=ReadError
      # the frame is as long as was said
      take $(($4 - sent)) </dev/zero
    fi
    exec 5>&-
  else
    sum=$(sum_of "$3" "$4" "$size")
    [ "$size" -ge $(($3 + $4)) ] || status=Shrunk
  fi
  printf 'end %s %s %s %s %s %s\n' "$1" $status "$mount" "$4" "$size" "${sum%% *}"
  exec 3<&-
}
add() { # file number $2 with inode $3, file $4, to a group that is read together, as file descriptor $1
  if proven "$1" "$3" "$4"; then
    group="$group /proc/self/fd/$1"
    printf 'in %s %s %s\n' "$1" "$2" "$mount"
  else
    printf 'end %s %s %s 0 0 -\n' "$2" $status "$mount"
  fi
}
together() { # the group: sizes, hashes, and then all bytes as one piece whose length is said before
  if [ -n "$group" ]; then
    sizes=$(stat -L -c %s $group)
    total=0
    for size in $sizes; do total=$((total + size)); done
    [ "$checksum" = no ] || sha256sum $group 2>/dev/null
    if [ "$sending" = yes ] && [ $total -le $most ]; then
      printf 'bytes %s %s\n' $total "$(echo $sizes)"
      # a file that shrinks in this moment is filled up, one that grows is cut: its hash will not be the one above
      [ $total = 0 ] || cat $group | dd bs=$total count=1 iflag=fullblock conv=sync 2>/dev/null
    else
      printf 'sizes %s %s\n' $total "$(echo $sizes)"
    fi
    group=
  fi
  exec 3<&- 4<&- 6<&- 7<&- 8<&- 9<&-
  echo done
}
group=
"""

# what a group reads as: 5 is the job's own stdout while a single file is sent
GROUP_DESCRIPTORS = (3, 4, 6, 7, 8, 9)
# a file up to this size is read in a group, and a group is dd's one block in the debugger's memory
SMALL = 64 << 10
MOST_TOGETHER = 2 * len(GROUP_DESCRIPTORS) * SMALL
