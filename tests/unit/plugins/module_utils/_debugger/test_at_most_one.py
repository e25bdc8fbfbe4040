# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks in any order, slow pulls, webhooks and ends between them: what a pod's list of debuggers comes to, which only grows.

The API and its watches are the fake cluster's, by HTTP; who reads whom is the kernel's rule for equal uids and gids.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._debugger import ensure as ensuring
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, is_numbered
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import mark_of
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import Debugger, debuggers
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._modules import ephemeral_debug
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_target
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import FakeCluster, fake_cluster
from ansible_collections.incident.distroless.tests.unit.support.kubelets import NOW, Object, with_running
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

PLAIN = Request("busybox:1.37", None, 3600, {}, {}, (), None, ("auto",))
REQUESTS = {
    "plain": PLAIN,
    "named": replace(PLAIN, name="mine"),
    "another image": replace(PLAIN, image="busybox:1.36"),
    "shorter": replace(PLAIN, ttl=1800),
}
AUTO = IdentityRequest()
# who runs the target, and whether the API says so
TARGETS = {"known": (65532, True), "nonroot, unknown": (65532, False), "unknown": (4321, False), "root": (0, True)}
PULLING = {"waiting": {"reason": "ContainerCreating"}}


def mirrored(pod: Object) -> Object:
    """As a webhook leaves a pod that takes images from a mirror and tells containers where their agent is."""
    for entry in pod["spec"]["ephemeralContainers"]:
        if not entry["image"].startswith("mirror.example/"):
            entry["image"] = f"mirror.example/{entry['image']}"
        if not any(variable["name"] == "DD_AGENT_HOST" for variable in entry["env"]):
            entry["env"] = [{"name": "DD_AGENT_HOST", "value": "10.0.0.7"}, *entry["env"]]
    return pod


class Session:
    """A shell in a debugger, by its name."""

    def __init__(self, name: str) -> None:
        self.name, self.timeout = name, 60.0

    def close(self) -> None:
        """Nothing is open."""


class World:
    """A pod with one target, a kubelet that may be slow, and tasks that want to look into it."""

    def __init__(self, cluster: FakeCluster, patches: pytest.MonkeyPatch, uid: int, *, is_known: bool) -> None:
        self.cluster, self.uid, self.is_slow = cluster, uid, False
        cluster.state.kubelet = self._kubelet
        user = {"uid": uid, "gid": uid} if is_known else None
        cluster.state.put(pod(user=user))
        patches.setattr(ensuring, "open_session", self._session)
        patches.setattr(ensuring, "probe", self._probe)
        patches.setattr(ensuring, "end_debugger", self._end)
        patches.setattr(ephemeral_debug, "open_session", self._session)
        patches.setattr(ephemeral_debug, "end_debugger", self._end)

    def _kubelet(self, written: Object) -> Iterator[Object]:
        names = [entry["name"] for entry in written["spec"].get("ephemeralContainers", ())] if self.is_slow else []
        now = with_running(written, *names)
        for row in now["status"].get("ephemeralContainerStatuses", ()):
            if row["state"].get("running", {}).get("startedAt") == NOW:
                row["state"] = {"running": {"startedAt": rfc3339(time.time())}}
        yield now

    def images_come(self) -> None:
        """The registry answers: what waits for its image starts."""
        self.is_slow = False
        with self.cluster.state.changed:
            for now in self._kubelet(self.cluster.state.get("api-0")):
                self.cluster.state.put(now)

    def _session(self, *words: Any, **_options: Any) -> Any:
        return Session(words[2])

    def _probe(self, session: Any, _target: Target) -> ProbeResult:
        (found,) = [entry for entry in self.entries() if entry.name == session.name]
        context = found.manifest.get("securityContext") or {}
        us = Credentials(context.get("runAsUser", 0), context.get("runAsGroup", 0), (), ())
        return ProbeResult(7, us, Credentials(self.uid, self.uid, (), ()), (us.uid, us.gid) == (self.uid, self.uid))

    def _end(self, session: Any) -> None:
        self.end(session.name)

    def end(self, name: str) -> None:
        """A debugger's main process ends."""
        with self.cluster.state.changed:
            now = self.cluster.state.get("api-0")
            for row in now["status"]["ephemeralContainerStatuses"]:
                if row["name"] == name:
                    began = row["state"]["running"]["startedAt"]
                    row["state"] = {"terminated": {"startedAt": began, "exitCode": 143, "reason": "Error"}}
            self.cluster.state.put(now)

    def entries(self) -> list[Debugger]:
        """Return the pod's debuggers."""
        return debuggers(self.cluster.state.get("api-0"))

    def running(self) -> list[str]:
        """Return the names of those that run."""
        return [entry.name for entry in self.entries() if entry.is_running]

    def target(self, debugger: str | None = None) -> Target:
        """Return the target as a task finds it."""
        return replace(make_target(self.cluster.state.get("api-0"), None), debugger=debugger)

    def ensure(self, request: Request, debugger: str | None = None) -> ensuring.Attached:
        """A task that waits; where the image does not come, not for long."""
        client = self.cluster.client(0.4 if self.is_slow else 60)
        return ensuring.ensure(client, self.target(debugger), request, AUTO)

    def ask(self, request: Request) -> ensuring.Attached:
        """A task that does not wait."""
        return ensuring.ensure_requested(self.cluster.client(60), self.target(), request, AUTO)

    def absent(self, name: str | None = None, *, wait: bool = True) -> ephemeral_debug.Ended:
        """A task that ends debuggers."""
        client = self.cluster.client(0.4 if self.is_slow else 60)
        return ephemeral_debug.end_debuggers(client, self.target(), name, is_check=False, wait=wait)


class Tasks(RuleBasedStateMachine):
    """What may happen to one pod, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.patches = self.closing.enter_context(pytest.MonkeyPatch.context())
        self.asked: set[str] = set()
        self.handed_on: list[str] = []
        self.ends = self.owners = self.unlooked = 0

    @initialize(who=st.sampled_from(sorted(TARGETS)))
    def begin(self, who: str) -> None:
        uid, is_known = TARGETS[who]
        self.world = World(self.closing.enter_context(fake_cluster()), self.patches, uid, is_known=is_known)

    def teardown(self) -> None:
        self.closing.close()

    def _counted(self, work: Any) -> ensuring.Attached | None:
        """Does work, and counts the debuggers that ran before and do not any more."""
        before = set(self.world.running())
        done = None
        with suppress(Failure):
            done = work()
        self.ends += len(before - set(self.world.running()))
        return done

    @rule(which=st.sampled_from(sorted(REQUESTS)))
    def a_task_waits(self, which: str) -> None:
        self.asked.add(which)
        attached = self._counted(lambda: self.world.ensure(REQUESTS[which]))
        if attached is not None:
            self.handed_on.append(attached.debugger.name)
        elif not self.world.is_slow:
            raise AssertionError(f"{which} got none")

    @rule(which=st.sampled_from(sorted(REQUESTS)))
    def a_task_does_not_wait(self, which: str) -> None:
        self.asked.add(which)
        entries = len(self.world.entries())
        self.handed_on.append(self.world.ask(REQUESTS[which]).debugger.name)
        self.unlooked += len(self.world.entries()) - entries

    @precondition(lambda self: self.handed_on)
    @rule(data=st.data())
    def a_task_gets_targets(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(set(self.handed_on))))
        self._counted(lambda: self.world.ensure(PLAIN, name))

    @rule()
    def a_task_wants_its_own(self) -> None:
        self.owners += 1
        self._counted(lambda: self.world.ensure(replace(PLAIN, owner=f"o{self.owners}")))

    @rule(name=st.sampled_from([None, "mine"]), wait=st.booleans())
    def absent(self, name: str | None, *, wait: bool) -> None:
        is_slow = self.world.is_slow
        self._counted(lambda: self.world.absent(name, wait=wait))
        left = [entry.name for entry in self.world.entries() if "terminated" not in entry.state]
        meant = [each for each in left if name is None or each == name or is_numbered(name, each)]
        assert is_slow or not meant

    @precondition(lambda self: self.world.running())
    @rule(data=st.data())
    def a_ttl_is_over(self, data: st.DataObject) -> None:
        self._counted(lambda: self.world.end(data.draw(st.sampled_from(sorted(self.world.running())))))

    @rule()
    def images_come_slowly(self) -> None:
        self.world.is_slow = True

    @rule()
    def images_come(self) -> None:
        self.world.images_come()

    @rule(is_on=st.booleans())
    def a_webhook(self, *, is_on: bool) -> None:
        self.world.cluster.state.mutation = mirrored if is_on else lambda pod: pod

    @invariant()
    def at_most_one_of_a_kind_is_there(self) -> None:
        there = [entry for entry in self.world.entries() if "terminated" not in entry.state]
        # one request under a name of its user's and the same without are two
        kinds = Counter((mark_of(entry.manifest), entry.name.startswith("mine")) for entry in there)
        assert max(kinds.values(), default=0) <= 1, kinds

    @invariant()
    def no_more_entries_than_there_was_reason_for(self) -> None:
        entries = len(self.world.entries())
        assert entries <= len(self.asked) + self.owners + self.ends + 1 + self.unlooked


Tasks.TestCase.settings = settings(max_examples=30, stateful_step_count=12, deadline=None, derandomize=True)
TestTasks = Tasks.TestCase


@pytest.fixture(params=sorted(TARGETS))
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    uid, is_known = TARGETS[request.param]
    with fake_cluster() as cluster:
        yield World(cluster, monkeypatch, uid, is_known=is_known)


def test_a_slow_pull_is_waited_for_by_the_next_task_and_by_the_targets_of_the_first(world: World) -> None:
    world.is_slow = True
    for _again in range(3):
        with pytest.raises(Failure) as caught:
            world.ensure(PLAIN)
        assert caught.value.reason == "WaitTimeout"
    asked = world.ask(PLAIN)
    with pytest.raises(Failure):
        world.ensure(PLAIN, asked.debugger.name)
    assert [entry.name for entry in world.entries()] == [asked.debugger.name]
    world.images_come()
    assert world.ensure(PLAIN).seen.root_readable


def test_absent_ends_one_that_starts_while_it_waits(world: World) -> None:
    world.is_slow = True
    asked = world.ask(PLAIN).debugger.name
    said = world.absent(wait=False)
    assert (list(said.names), any("has not started" in words for words in said.row["warnings"])) == ([], True)
    with pytest.raises(Failure) as caught:
        world.absent()
    assert (caught.value.reason, caught.value.changed) == ("WaitTimeout", False)
    world.images_come()
    assert list(world.absent().names) == [asked]
    assert world.running() == []


def test_what_a_webhook_changes_is_found_again_and_taught_once(world: World) -> None:
    world.cluster.state.mutation = mirrored
    first = world.ensure(PLAIN)
    entries = len(world.entries())
    assert entries <= 2
    again = world.ensure(PLAIN)
    assert (again.reused, again.debugger.name, again.debugger.mutated) == (True, first.debugger.name, ("env", "image"))
    world.absent()
    assert world.ensure(PLAIN).seen.root_readable
    assert len(world.entries()) == entries + 1
    other = world.ensure(REQUESTS["another image"])
    assert (other.reused, len(world.entries())) == (False, entries + 2)


def test_a_name_is_found_and_ended_whichever_number_it_has_come_to(world: World) -> None:
    for _again in range(3):
        attached = world.ensure(REQUESTS["named"])
        assert attached.debugger.name == "mine" or is_numbered("mine", attached.debugger.name)
        again = world.ensure(REQUESTS["named"])
        assert (again.reused, again.debugger.name) == (True, attached.debugger.name)
        assert list(world.absent("mine").names) == [attached.debugger.name]
    assert len(world.entries()) <= 4


def test_the_targets_of_a_result_whose_debugger_has_ended_get_one_more_and_no_second(world: World) -> None:
    first = world.ensure(PLAIN).debugger.name
    world.end(first)
    second = world.ensure(PLAIN, first)
    assert not second.reused
    again = world.ensure(PLAIN, first)
    assert (again.reused, again.debugger.name) == (True, second.debugger.name)


def test_one_that_another_task_adds_in_the_same_moment_with_another_ttl_is_shared(world: World) -> None:
    before = world.target()
    first = world.ensure(PLAIN)
    entries = len(world.entries())
    twin = ensuring.ensure(world.cluster.client(60), before, REQUESTS["shorter"], AUTO)
    assert twin.seen.root_readable
    assert (twin.reused, twin.debugger.name, len(world.entries())) == (True, first.debugger.name, entries)
