# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extra variables as AWX 24 hands them to ansible-playbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Unsafe(yaml.SafeDumper):
    """Every text, also that of keys, has the tag !unsafe and is quoted, as by awx/main/utils/safe_yaml.py."""

    def ignore_aliases(self, data: object) -> bool:
        return True


_Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text, style="'"))


def extra_vars(answers: Mapping[str, Any]) -> str:
    """Return the file `env/extravars` of a job with these answers."""
    return yaml.dump(dict(answers), Dumper=_Unsafe, default_flow_style=False, allow_unicode=True)
