# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh

# What a pod can choose travels as hexadecimal digits, so that nothing in it can end a word or a line: of what is read, and of
# a word. With builtins as far as that goes: of many names a fork more for each takes longer than all else.
# shellcheck disable=SC2046 # the digits are to become words
hex() { set -- $(od -An -v -tx1); [ "$#" -eq 0 ] || printf '%s' "$@"; }
hex_of() { printf '%s' "$1" | hex; }
