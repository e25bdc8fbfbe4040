# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What our modules cost before they do anything, over a module that only gets kubernetes.core's client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from figures import Sample, Table
from measuring import Contender, Trouble, interleaved
from names import EMPTY_MODULE, OUR_MODULES
from playbook import attempt

RUNS = 7
EMPTY_NAME = "only_a_client"

EMPTY = """
from ansible_collections.kubernetes.core.plugins.module_utils.ansiblemodule import AnsibleModule
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule
from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException

options = {name: {"type": "str"} for name in ("namespace", "pod", "src", "dest")}
module = AnsibleK8SModule(module_class=AnsibleModule, argument_spec={**AUTH_ARG_SPEC, **options})
try:
    get_api_client(module)
except CoreException as error:
    module.fail_json(msg=str(error))
"""


def table(scratch: Path, runs: int | None, say: Callable[[str], None]) -> Table:
    """Runs each module as Ansible does, packed into a file.

    No kubeconfig is there: all of them load the client library, find no cluster and say so.
    """
    library = scratch / "library"
    library.mkdir()
    (library / f"{EMPTY_NAME}.py").write_text(EMPTY, encoding="utf-8")
    target = {"namespace": "x", "pod": "y"}
    tasks: dict[str, dict[str, object]] = {
        EMPTY_MODULE: {EMPTY_NAME: target},
        OUR_MODULES[0]: {"incident.distroless.ephemeral_debug": target},
        OUR_MODULES[1]: {"incident.distroless.proc_fs_fetch": {**target, "src": ["/z"], "dest": str(scratch)}},
    }
    contenders = [Contender(name, partial(_start, task, scratch, library)) for name, task in tasks.items()]
    say("  modules without a cluster")
    rows = interleaved(contenders, runs or RUNS, say)
    return Table("start-up", "Modules without a cluster, start to end", rows)


def _start(task: dict[str, object], scratch: Path, library: Path) -> Sample:
    environment = {
        "ANSIBLE_LIBRARY": str(library),
        "HOME": str(scratch),
        "KUBECONFIG": "",
        "K8S_AUTH_KUBECONFIG": "",
    }
    played = attempt((), environment, scratch, task)
    message = str(played.result.get("msg"))
    # any other answer came at another point, and is not what this compares
    if "No configuration found" not in message:
        raise Trouble(f"said something else: {message}")
    return played.sample
