# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`pin.py 1.29.15`: write the pins of an older Kubernetes, releases/1.29.mod and releases/1.29.sum.

They name that release's own requirements and each of its staging modules by the release's own version. `go build -modfile` takes
them for the same sources (kube/main.go), in place of go.mod.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
HEAD = """// Copyright (c) 2026, incident.distroless maintainers
// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Kubernetes {release} by its own requirements; pin.py wrote this.
module incident.test/cluster

go {go}

tool k8s.io/kubernetes/cmd/kubectl

require k8s.io/kubernetes v{release}

replace (
{replaced}
)
"""


def main(release: str) -> None:
    module = json.loads(_go("mod", "download", "-json", f"k8s.io/kubernetes@v{release}"))
    required = Path(module["GoMod"]).read_text(encoding="utf-8")
    version = re.findall(r"^go (\S+)", required, re.MULTILINE)[0]
    staging = sorted(set(re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", required, re.MULTILINE)))
    rows = "\n".join(f"\t{name} => {name} v0.{release.partition('.')[2]}" for name in staging)
    target = HERE / "releases" / f"{release.rpartition('.')[0]}.mod"
    target.write_text(HEAD.format(release=release, go=version, replaced=rows), encoding="utf-8")
    target.with_suffix(".sum").write_text("", encoding="utf-8")
    _go("mod", "tidy", f"-modfile={target}")


def _go(*words: str) -> str:
    # a release of long ago names a Go of long ago; the one that is here builds it
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        ["go", *words], cwd=HERE, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
