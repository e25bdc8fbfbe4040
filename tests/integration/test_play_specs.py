# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument spec beside each playbook is one by which ansible-core validates a play that asks for it, before its first task.

Our own plays cannot ask: ansible-core 2.18 and 2.19 refuse a play with that word.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CHECKOUT, as_user, bulk
from .patience import PATIENCE

PLAYBOOKS = CHECKOUT / "playbooks"
# of evidence_verify every value is text; awx_setup is not even parsed where awx.awx is not
LEFT_OUT = ("awx_setup", "evidence_verify")
NAMES = [name for path in sorted(PLAYBOOKS.glob("*.yml")) if (name := path.stem) not in LEFT_OUT]


def refusing(name: str) -> str:
    """The first option whose type is not that of a word."""
    spec = yaml.safe_load((PLAYBOOKS / f"{name}.meta.yaml").read_text(encoding="utf-8"))["argument_specs"][name]
    return next(key for key, row in spec["options"].items() if row["type"] in ("int", "bool") or "choices" in row)


def run(folder: Path, name: str, *words: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a copy of a playbook whose first play asks for its spec."""
    text = (PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8")
    asking = text.replace("\n  hosts:", f"\n  validate_argspec: {name}\n  hosts:", 1)
    (folder / f"{name}.yml").write_text(asking, encoding="utf-8")
    shutil.copy(PLAYBOOKS / f"{name}.meta.yaml", folder)
    command = ["ansible-playbook", f"{name}.yml", *words, "--extra-vars", json.dumps(variables)]
    return subprocess.run(
        command, cwd=folder, env=as_user(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize("name", [name if name == "pod_triage" else bulk(name) for name in NAMES])
def test_a_value_of_the_wrong_type_is_refused_before_the_first_task(name: str, tmp_path: Path) -> None:
    wrong = refusing(name)
    done = run(tmp_path, name, **{wrong: "many"})
    printed = done.stdout + done.stderr
    assert done.returncode == 2, printed
    assert wrong in printed
    assert printed.count("TASK [") == 1, printed


def test_values_as_they_are_meant_are_let_through(tmp_path: Path) -> None:
    given = {"namespace": "shop", "pod": "api-0", "max_pods": 3, "keep_debugger": False, "debug": {"ttl": 60}}
    # of the play itself no task is asked for but those that always run
    done = run(tmp_path, "pod_triage", "--tags", "none_of_them", **{f"pod_triage_{key}": given[key] for key in given})
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "Validating arguments against arg spec pod_triage" in printed
