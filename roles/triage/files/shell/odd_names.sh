# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh

# For files whose names can hold a newline, given one after the other with a NUL behind each: a line of `x`, what stat says of
# the file in the format $1, and its name as hexadecimal digits.
odd_names() {
  # shellcheck disable=SC2016 # it is the shell below that puts them in
  xargs -0 -r sh -c '
    format=$1
    shift
    for file; do
      numbers=$(stat -c "$format" "$file" 2>/dev/null) || continue
      printf "x %s %s\n" "$numbers" "$(printf "%s" "$file" | od -An -v -tx1 | tr -d " \n")"
    done' sh "$1"
}
