# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When tests give up."""

# seconds after which what a test waits for is taken to hang: far more than anything takes on the busiest machine, and no test
# measures by it
PATIENCE = 900
