# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of role_options: it needs no host."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_password
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import (
    Owner,
    Taken,
    anchored,
    catalog,
    roles,
    take,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Refused, is_given
from ansible_collections.incident.distroless.plugins.plugin_utils._options.play_hosts import (
    LISTED,
    PREFIX,
    WAYS_IN,
    Gathered,
    check_count,
    gather,
)

# The class is loaded in the process that forks the workers, as the first of a role: what the worker of each task after it would
# look for and import, it has.
for loader, plugin in ((filter_loader, "incident.distroless.subjects"), (test_loader, "ansible.builtin.changed")):
    # whatever is wrong with one is for the task to say that uses it
    with suppress(Exception):
        loader.get(plugin)

FROM_INVENTORY = "from_inventory"
# what says otherwise which pods are meant
SELECTING = ("namespace", "pod", "workload", "label_selectors", "field_selectors", "targets", "container")
AS_WRITTEN = tuple(f"{PREFIX}{name}" for name in ("namespace", "pod", "container"))


class ActionModule(ActionBase):  # type: ignore[misc]
    """Takes in the options of a role."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            argument_spec={"role": {"type": "str", "required": True, "choices": sorted(catalog())}}
        )
        owner = catalog()[arguments["role"]]
        variables = task_vars or {}
        # said before anything else is, a refusal as well
        for warning in self._unverified():
            self._display.warning(warning)
        try:
            taken = take(owner, self._given(owner, variables), self._computed(variables))
            gathered = self._gathered(owner, taken, variables)
        except Failure as failure:
            return {**result, "failed": True, "reason": failure.reason, "msg": f"{failure.message} {failure.hint}"}
        for note in taken.notes:
            self._display.warning(note)
        # what a debugger is told, and where a bundle goes, may be a password
        return {
            **result,
            "changed": False,
            "options": self._placed(owner, taken.options, variables),
            "settings": taken.settings,
            "gathered": gathered,
            "msg": f"The options of {owner.name} are what they have to be.",
            "_ansible_no_log": True,
        }

    def _given(self, owner: Owner, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the owner's variables, templates among them resolved as in any task."""
        names = [name for option in owner.options for name in (owner.variable(option), option.alias)]
        return {name: self._templar.template(variables[name]) for name in names if name in variables}

    def _gathered(self, owner: Owner, taken: Taken, variables: dict[str, Any]) -> dict[str, Any]:
        """Return by the host that looks for its cluster what it looks at, where the hosts of the play are that; else nothing.

        Raises Failure InvalidRequest and TooManyPods.
        """
        here, options = variables.get("inventory_hostname", ""), taken.options
        selecting = [name for name in SELECTING if options.get(name)]
        if options.get(FROM_INVENTORY):
            if selecting:
                beside = ", ".join(f"{owner.name}_{name}" for name in selecting)
                raise Failure(
                    "InvalidRequest", f"{beside}: not beside {owner.name}_{FROM_INVENTORY}: the hosts are the pods."
                )
            names = variables["ansible_play_batch"]
        elif FROM_INVENTORY in options and not selecting and is_given(variables.get(f"{PREFIX}pod")):
            # the host itself
            names = [here]
        else:
            return {}
        if self._connection.transport != "local":
            raise Failure(
                "InvalidRequest",
                f"The connection of the play's hosts is {self._connection.transport}, and this role runs where the API server is reached.",
                "Set connection: local in the play.",
            )
        notes: list[str] = []
        try:
            clusters = gather({name: self._said_of(name, variables) for name in names}, os.environ, notes)
        except Refused as refused:
            raise Failure("InvalidRequest", str(refused)) from refused
        for note in notes:
            self._display.warning(note)
        check_count(clusters, options["max_pods"], f"{owner.name}_max_pods")
        return {
            cluster.leader: _of_leader(cluster, case_id) for cluster, case_id in _cases(clusters, options["case_id"])
        }

    def _said_of(self, host: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return what a host's variables say of it. Only what says how to reach its cluster is resolved where it is a template: the
        rest is the API's words, and a stored inventory no longer tells whose a text is."""
        known = variables["hostvars"].raw_get(host)
        as_written = {name: known[name] for name in (*AS_WRITTEN, LISTED) if name in known}
        return {**as_written, **{name: variables["hostvars"][host][name] for name in WAYS_IN if name in known}}

    def _placed(self, owner: Owner, options: Mapping[str, Any], variables: dict[str, Any]) -> Mapping[str, Any]:
        """Return options with the places that their user means: a playbook of this collection lies where that is installed, and who runs
        one by its name may not know where that is. The tasks of other playbooks take relative ones as from the playbook's directory."""
        playbooks = Path(variables.get("playbook_dir", ""))
        is_ours = owner in roles() and playbooks.resolve() == Path(__file__).resolve().parents[2] / "playbooks"
        return anchored(owner, options, Path(self._here(variables))) if is_ours else options

    def _here(self, variables: dict[str, Any]) -> str:
        # a playbook of a collection lies where the collection is installed, which is no place for cases
        return os.environ.get("PWD") or str(variables.get("playbook_dir", ""))

    def _unverified(self) -> list[str]:
        """Return what to say first where nothing proves that the API server is the one that is meant."""
        if os.environ.get("K8S_AUTH_VERIFY_SSL", "").strip().lower() not in ("false", "no", "off", "0", "n", "f"):
            return []
        server = without_password(os.environ.get("K8S_AUTH_HOST", "the API server"))
        warning = f"The certificate of {server} is NOT verified, since K8S_AUTH_VERIFY_SSL says so: whoever answers there gets the token."
        return [f"{warning} AWX says so too where its credential has no certificate authority."]

    def _computed(self, variables: dict[str, Any]) -> dict[str, str]:
        return {
            "cases": str(Path(self._here(variables)) / "cases"),
            "examiner": str(self._templar.template(variables.get("awx_user_name", os.environ.get("USER", "")))),
        }


def _cases(clusters: Sequence[Gathered], case_id: str) -> Iterator[tuple[Gathered, str]]:
    """Yield each cluster with the name of its case. A case is one look's: of several clusters each has its own."""
    names = [cluster.prefix for cluster in clusters]
    if len({*filter(None, names)}) < len(names):
        names = [str(number) for number in range(1, len(names) + 1)]
    for cluster, name in zip(clusters, names, strict=True):
        yield cluster, f"{case_id}-{name}" if case_id and len(names) > 1 else case_id


def _of_leader(cluster: Gathered, case_id: str) -> dict[str, Any]:
    """Return what one host looks at for its cluster."""
    return {
        "targets": [*cluster.targets],
        "cluster": {**cluster.params},
        "case_id": case_id,
        "inventory": cluster.inventory(),
    }
