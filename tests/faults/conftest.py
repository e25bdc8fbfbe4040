# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the integration tests: the real cluster and a namespace of the trials' own."""

from __future__ import annotations

from tests.integration.conftest import kubectl, kubectl_program, make_namespace

__all__ = ["kubectl", "kubectl_program", "make_namespace"]
