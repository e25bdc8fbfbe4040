#!/bin/sh
# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Prints the path of a Python that can run the tools (3.11 or newer); on a bare Debian as root it installs the distribution's.
look() {
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(print(sys.executable) if sys.version_info >= (3, 11) else 1)' 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

look && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "No Python 3.11 or newer was found; installing the distribution's python3." >&2
    { apt-get update && apt-get install -y --no-install-recommends python3 python3-venv; } >&2 </dev/null
    look && exit 0
fi
echo "Python 3.11 or newer is needed to run this; install it, or name one with PYTHON=<program>." >&2
# make takes this word for the program, and stops there
echo false
