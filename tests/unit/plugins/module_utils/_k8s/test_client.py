# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that swallows what is sent to it, as a firewall does: no connection is ever made and nothing is refused."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_exec
from kubernetes import client


@pytest.fixture
def black_hole() -> Iterator[Cluster]:
    """A listener whose backlog is full: the kernel drops every further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _number in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        configuration = client.Configuration(host=f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield Cluster(client.ApiClient(configuration), Deadline(1))
        for connection in waiting:
            connection.close()


CALLS: dict[str, Callable[[Cluster], object]] = {
    "get": lambda cluster: cluster.get("/api/v1/pods", "looking"),
    "watch": lambda cluster: cluster.watch("/api/v1/pods", "watching", ()).__enter__(),
    "exec": lambda cluster: open_exec(cluster, "shop", "api-0", "app", ["sh"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_answer_takes_much_longer_than_the_deadline(black_hole: Cluster, call: str) -> None:
    began = time.monotonic()
    with pytest.raises(Failure) as caught:
        CALLS[call](black_hole)
    assert time.monotonic() - began < 20
    # it has never answered: there is nothing that it is slow in
    assert caught.value.reason == "ApiUnreachable"
    assert black_hole.host in caught.value.message


def test_what_a_call_raises_in_time_is_raised_as_it_is() -> None:
    def refuse() -> None:
        raise Failure("NoTarget", "none")

    with pytest.raises(Failure) as caught:
        within(10, refuse)
    assert caught.value.reason == "NoTarget"
    assert within(10, lambda: 7) == 7
