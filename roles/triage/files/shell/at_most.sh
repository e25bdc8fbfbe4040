# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh

# So many lines, and a line `cut` in the place of the rest.
at_most() { LC_ALL=C sed "$(($1 + 1)){s/.*/cut/;q;}"; }
