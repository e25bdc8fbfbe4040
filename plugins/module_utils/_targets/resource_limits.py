# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much CPU and memory a pod may use: its debugger spends from the same.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# less than one core: what the debugger computes is taken from the target in plain sight
ONE_CORE = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in millicores or bytes, and whether it is the pod's, which the debugger spends from, or the container's own."""

    amount: int
    is_pods: bool


def cpu_limit(target: Target) -> Limit | None:
    """Return the CPU limit that the target lives under, in millicores; None without one."""
    return _limit(target, "cpu", 1000)


def memory_limit(target: Target) -> Limit | None:
    """Return the memory limit that the target lives under, in bytes; None without one."""
    return _limit(target, "memory", 1)


def cpu_millicores(target: Target) -> int | None:
    """Return the CPU limit's number alone."""
    limit = cpu_limit(target)
    return None if limit is None else limit.amount


def is_throttled(target: Target) -> bool:
    """Return whether the target has less than one core, so that work over there should be little and at a low priority."""
    millicores = cpu_millicores(target)
    return millicores is not None and millicores < ONE_CORE


def limit_warnings(target: Target) -> list[str]:
    """Return the limits found, as a user reads them: those that the debugger spends from, and those that it does not."""
    cpu, memory = cpu_limit(target), memory_limit(target)
    found = [(cpu, f"{cpu.amount}m CPU")] if cpu is not None else []
    found += [(memory, f"{show_size(memory.amount)} memory")] if memory is not None else []
    shared = ", ".join(text for limit, text in found if limit.is_pods)
    own = ", ".join(text for limit, text in found if not limit.is_pods)
    return [
        *([f"the debugger spends from the pod's limits: {shared}"] if shared else []),
        *([f"container {target.container} has limits that the debugger does not count for: {own}"] if own else []),
    ]


def _limit(target: Target, resource: str, unit: int) -> Limit | None:
    """Return the pod's limit as its cgroup has it, else the container's. unit: how many of the result's units are one.

    The kubelet limits a pod as a whole by spec.resources, else by what its containers have together, when each has a limit
    (pkg/kubelet/cm/helpers_linux.go, ResourceConfigForPod).
    """
    spec = target.manifest["spec"]
    together = _amount(spec, resource) or _sum(spec, resource)
    if together is not None:
        return Limit(ceil(together * unit), is_pods=True)
    own = _amount(target.spec, resource)
    return None if own is None else Limit(ceil(own * unit), is_pods=False)


def _sum(spec: Mapping[str, Any], resource: str) -> Decimal | None:
    """Return what a pod's containers may use at most, None when one has no limit.

    Init containers run one by one, but for sidecars, which stay beside all that come after them
    (k8s.io/component-helpers/resource, PodLimits).
    """
    apps = [_amount(container, resource) for container in spec.get("containers") or ()]
    sidecars = highest = Decimal(0)
    for container in spec.get("initContainers") or ():
        amount = _amount(container, resource)
        if amount is None:
            return None
        if container.get("restartPolicy") == "Always":
            sidecars += amount
        else:
            highest = max(highest, sidecars + amount)
    limited = [amount for amount in apps if amount is not None]
    return max(sum(limited, sidecars), highest) if len(limited) == len(apps) else None


def _amount(spec: Mapping[str, Any], resource: str) -> Decimal | None:
    """Return the limit in cores or bytes; None when there is none, which 0 means as well."""
    from kubernetes.utils.quantity import parse_quantity

    parse: Callable[[object], Decimal] = parse_quantity
    return parse(((spec.get("resources") or {}).get("limits") or {}).get(resource, 0)) or None
