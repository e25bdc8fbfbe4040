# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pod_triage over the pods of one stored inventory, in jobs side by side that share its hosts as slices of AWX do."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from figures import Sample, Table
from measuring import Contender, Trouble, interleaved, spent
from pods import Namespace, namespace, pod
from ways import Way

KEY = "slices"
PODS, COUNTS, AT_ONCE = 1000, (1, 2, 4), 250
Hosts = Mapping[str, Mapping[str, Any]]


def table(way: Way, audit: Path, scratch: Path, factor: float, runs: int | None, say: Callable[[str], None]) -> Table:
    """Measure each number of slices over the same pods, which nobody schedules; audit is the API server's log of requests."""
    count = max(*COUNTS, round(PODS * factor))
    title = f"{count:,} pods"
    say(f"  {title}")
    asked: dict[str, str] = {}
    with namespace(way) as made:
        waiting = [pod(f"app-{number}") for number in range(count)]
        for entry in waiting:
            entry["spec"]["schedulerName"] = "nobody"
        for start in range(0, count, AT_ONCE):
            items = {"apiVersion": "v1", "kind": "List", "items": waiting[start : start + AT_ONCE]}
            made.kubectl("create", "-f", "-", stdin=json.dumps(items).encode())
        hosts = _stored(made, scratch)
        rows = interleaved(
            [Contender(_named(slices), partial(_run, made, hosts, slices, audit, scratch, asked)) for slices in COUNTS],
            runs or 1,
            say,
        )
    note = f"Requests to the API server: {'; '.join(asked.values())}. Other work on the machine: {_load()}."
    return Table(KEY, title, rows, note=note)


def _named(slices: int) -> str:
    return f"{slices} slices side by side" if slices > 1 else "one job"


def _load() -> str:
    return f"a load of {os.getloadavg()[2]:.1f} in the last 15 minutes on {os.cpu_count()} cores, this included"


def _stored(made: Namespace, scratch: Path) -> Hosts:
    """Return the hosts of an inventory that is asked for once."""
    path = scratch / "bench.pods.yml"
    path.write_text(json.dumps({"plugin": "incident.distroless.pods", "namespaces": [made.name]}), encoding="utf-8")
    words = [*made.way.prefix, str(_program("ansible-inventory")), "-i", str(path), "--list"]
    found: Hosts = json.loads(spent(words, environment=made.way.environment).printed)["_meta"]["hostvars"]
    return found


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _run(made: Namespace, hosts: Hosts, slices: int, audit: Path, scratch: Path, asked: dict[str, str]) -> Sample:
    folder = scratch / "slices"
    shutil.rmtree(folder, ignore_errors=True)
    before, started = audit.stat().st_size, time.perf_counter()
    with ThreadPoolExecutor(slices) as pool:
        samples = list(pool.map(partial(_slice, made, hosts, slices, folder), range(slices)))
    seconds = time.perf_counter() - started
    _check(folder, hosts)
    statuses = _answers(audit, before, made.name)
    refused = statuses.pop(429, 0)
    each = sum(statuses.values())
    asked[_named(slices)] = f"{_named(slices)} {each:,}, {each / seconds:.1f} a second" + (
        f", {refused:,} more put off by 429" if refused else ", none put off by 429"
    )
    return Sample(seconds, peak=max(sample.peak for sample in samples), cpu=sum(sample.cpu for sample in samples))


def _slice(made: Namespace, hosts: Hosts, slices: int, folder: Path, number: int) -> Sample:
    own = folder / str(number)
    own.mkdir(parents=True)
    part = {name: hosts[name] for name in sorted(hosts)[number::slices]}
    script = own / "hosts"
    told = json.dumps({"all": {"hosts": list(part)}, "_meta": {"hostvars": part}})
    script.write_text(f"#!/bin/sh\ncat <<'END-OF-HOSTS'\n{told}\nEND-OF-HOSTS\n", encoding="utf-8")
    script.chmod(0o700)
    given = {"from_inventory": True, "max_pods": len(hosts), "dest": str(own / "cases"), "case_id": "case"}
    variables = json.dumps({f"pod_triage_{name}": value for name, value in given.items()})
    words = [str(_program("ansible-playbook")), "-i", str(script), "incident.distroless.pod_triage", "-e", variables]
    return spent([*made.way.prefix, *words], environment=made.way.environment).sample()


def _check(folder: Path, hosts: Hosts) -> None:
    """Raises Trouble unless each host was looked at once."""
    cases = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/cases/case/findings.json")]
    seen = Counter(
        "/".join(row[key] for key in ("namespace", "pod", "container")) for case in cases for row in case["targets"]
    )
    if seen != Counter(dict.fromkeys(hosts, 1)):
        raise Trouble(
            f"{len(seen)} of {len(hosts)} pods were looked at, {sum(seen.values()) - len(seen)} of them twice"
        )


def _answers(audit: Path, before: int, namespace: str) -> Counter[int]:
    """Return how often the API server answered with each status to requests about a namespace, since its log had that size."""
    found: Counter[int] = Counter()
    with audit.open("rb") as log:
        log.seek(before)
        for line in log:
            if f"/namespaces/{namespace}/".encode() in line and line.endswith(b"\n"):
                entry = json.loads(line)
                if entry.get("stage") == "ResponseComplete":
                    found[int((entry.get("responseStatus") or {}).get("code") or 0)] += 1
    return found
