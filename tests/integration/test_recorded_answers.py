# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster of the unit tests is modelled on: answers of a real API server, asked for again."""

from __future__ import annotations

import base64
import json
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.support.api_questions import RECORDED, Door, Outline, recorded

from .upstream import tls_of


def test_the_api_server_answers_as_was_recorded(kubeconfig: Mapping[str, Any], tmp_path: Path) -> None:
    """RECORD_ANSWERS=yes writes its answers down in their place."""
    cluster = kubeconfig["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    door = Door(cluster["server"], tls_of(kubeconfig, tmp_path), ssl.create_default_context(cadata=authority))
    now = door.ask_all()
    if os.environ.get("RECORD_ANSWERS"):
        RECORDED.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    then = recorded()
    if now["version"] != then["version"]:
        # another release says the same in other words and with more fields
        now, then = _kinds(now), _kinds(then)
    assert {name: said for name, said in now.items() if said != then[name]} == {}
    assert list(now) == list(then)


def _kinds(answers: Mapping[str, Outline]) -> dict[str, Outline]:
    return {name: (answer["status"], answer["body"].get("reason")) for name, answer in answers.items()}
