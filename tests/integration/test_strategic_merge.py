# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`custom` merges as Kubernetes' own library merges: random containers and changes, done by kubectl patch --local and by us."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest

from .conftest import Kubectl

CASES = 60
OURS = """
import json, sys
from ansible_collections.incident.distroless.plugins.module_utils._k8s.strategic_merge import strategic_merge
json.dump([strategic_merge(base, change) for base, change in json.load(sys.stdin)], sys.stdout)
"""


def some_entries(dice: random.Random, key: str, names: list[str], *, is_change: bool) -> list[dict[str, Any]]:
    """Entries of env or volumeMounts in random order; a change deletes some of them, and may empty the list first."""
    entries: list[dict[str, Any]] = []
    for name in dice.sample(names, dice.randint(0, len(names))):
        rest = {"value": str(dice.randint(0, 9))} if key == "name" else {"name": "volume", "readOnly": True}
        entries.append({key: name, **({"$patch": "delete"} if is_change and dice.random() < 0.25 else rest)})
    if is_change and dice.random() < 0.15:
        entries.insert(dice.randint(0, len(entries)), {"$patch": "replace"})
    return entries


def some_context(dice: random.Random, *, is_change: bool) -> dict[str, Any]:
    kinds = dice.sample(["add", "drop"], dice.randint(1, 2))
    capabilities: dict[str, Any] = {kind: dice.sample(["X", "Y", "Z"], dice.randint(1, 2)) for kind in kinds}
    context: dict[str, Any] = {"capabilities": capabilities}
    if dice.random() < 0.5:
        context["runAsUser"] = dice.randint(1, 9)
    if is_change and dice.random() < 0.4:
        dice.choice([context, capabilities])["$patch"] = dice.choice(["replace", "delete"])
    elif is_change and dice.random() < 0.3:
        context[dice.choice(["capabilities", "runAsUser"])] = None
    return context


def some_container(dice: random.Random, *, is_change: bool) -> dict[str, Any]:
    # what is to be replaced is always there: without it Kubernetes' library drops the fields that shall replace it
    container: dict[str, Any] = {"name": "x", "securityContext": some_context(dice, is_change=is_change)}
    for field, key, names in (("env", "name", list("ABCDEF")), ("volumeMounts", "mountPath", ["/a", "/b", "/c"])):
        if dice.random() < 0.8:
            container[field] = some_entries(dice, key, names, is_change=is_change)
        elif is_change and dice.random() < 0.3:
            container[field] = None
    if dice.random() < 0.4:
        container["envFrom"] = [{"configMapRef": {"name": dice.choice("pq")}}]
    return container


def by_kubectl(kubectl: Kubectl, base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [base]}}
    patch = json.dumps({"spec": {"containers": [change]}})
    words = ("patch", "--local", "--type=strategic", "-o", "json", "-f", "-", "-p", patch)
    patched = json.loads(kubectl.run(*words, stdin=json.dumps(pod)).stdout)
    container: dict[str, Any] = patched["spec"]["containers"][0]
    return container


def by_us(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", OURS],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.environ["ANSIBLE_COLLECTIONS_PATH"]},
        check=True,
    )
    merged: list[dict[str, Any]] = json.loads(done.stdout)
    return merged


def said(value: Any) -> Any:
    """A container without what says nothing: null, empty lists and maps."""
    if isinstance(value, dict):
        return {key: said(below) for key, below in value.items() if said(below) not in (None, [], {})}
    return value


@pytest.mark.parametrize("seed", [1, 2])
def test_custom_merges_as_kubernetes_own_library(kubectl: Kubectl, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 -- cases, not secrets
    pairs = [(some_container(dice, is_change=False), some_container(dice, is_change=True)) for _case in range(CASES)]
    for (base, change), ours in zip(pairs, by_us(pairs), strict=True):
        assert said(ours) == said(by_kubectl(kubectl, base, change)), (base, change)
