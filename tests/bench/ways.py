# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A way to the API server: the loopback of this machine, or the slow link of link.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from measuring import Spent, spent


@dataclass(frozen=True, slots=True)
class Way:
    """`prefix`: the words before each command that takes this way; `kubeconfig`: names the server as seen from there."""

    kubectl: str
    kubeconfig: Path
    prefix: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.kubeconfig), "K8S_AUTH_KUBECONFIG": str(self.kubeconfig)}

    def kubectl_words(self, namespace: str, *words: str) -> list[str]:
        """A kubectl command in a namespace."""
        return [*self.prefix, self.kubectl, "--namespace", namespace, *words]

    def run_kubectl(self, namespace: str, *words: str) -> Spent:
        """Runs it. Raises Trouble."""
        return spent(self.kubectl_words(namespace, *words), environment=self.environment)
