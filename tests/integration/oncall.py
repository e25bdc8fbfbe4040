# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Somebody on call who may do what the Roles of the documentation say, and nothing else."""

from __future__ import annotations

from typing import Any

import yaml

from .conftest import CHECKOUT, Credentials

FILES = CHECKOUT / "playbooks" / "files"


def rules_of(*names: str) -> list[dict[str, Any]]:
    """The rules of Roles in playbooks/files, one after the other."""
    return [rule for name in names for rule in yaml.safe_load((FILES / name).read_text(encoding="utf-8"))["rules"]]


def variables_of(credentials: Credentials, rules: list[dict[str, Any]]) -> dict[str, str]:
    """The environment variables of one who may do exactly that."""
    return as_variables(credentials(rules))


def as_variables(oncall: dict[str, Any]) -> dict[str, str]:
    """The environment variables that say what the options do."""
    return {
        **oncall["environment"],
        "K8S_AUTH_HOST": oncall["host"],
        "K8S_AUTH_API_KEY": oncall["api_key"],
        "K8S_AUTH_SSL_CA_CERT": oncall["ca_cert"],
    }
