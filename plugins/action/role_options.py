# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of role_options: it needs no host."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import filter_loader, test_loader
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_password
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import Owner, catalog, take

# The class is loaded in the process that forks the workers, as the first of a role: what the worker of each task after it would
# look for and import, it has.
for loader, plugin in ((filter_loader, "incident.distroless.subjects"), (test_loader, "ansible.builtin.changed")):
    # whatever is wrong with one is for the task to say that uses it
    with suppress(Exception):
        loader.get(plugin)


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
        except Failure as failure:
            return {**result, "failed": True, "reason": failure.reason, "msg": f"{failure.message} {failure.hint}"}
        for note in taken.notes:
            self._display.warning(note)
        # what a debugger is told, and where a bundle goes, may be a password
        return {
            **result,
            "changed": False,
            "options": taken.options,
            "settings": taken.settings,
            "msg": f"The options of {owner.name} are what they have to be.",
            "_ansible_no_log": True,
        }

    def _given(self, owner: Owner, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the values of the owner's variables, templates among them resolved as in any task."""
        names = [name for option in owner.options for name in (owner.variable(option), option.alias)]
        return {name: self._templar.template(variables[name]) for name in names if name in variables}

    def _unverified(self) -> list[str]:
        """Return what to say first where nothing proves that the API server is the one that is meant."""
        if os.environ.get("K8S_AUTH_VERIFY_SSL", "").strip().lower() not in ("false", "no", "off", "0", "n", "f"):
            return []
        server = without_password(os.environ.get("K8S_AUTH_HOST", "the API server"))
        warning = f"The certificate of {server} is NOT verified, since K8S_AUTH_VERIFY_SSL says so: whoever answers there gets the token."
        return [f"{warning} AWX says so too where its credential has no certificate authority."]

    def _computed(self, variables: dict[str, Any]) -> dict[str, str]:
        # a playbook of a collection lies where the collection is installed, which is no place for cases
        here = os.environ.get("PWD") or variables.get("playbook_dir", "")
        return {
            "cases": str(Path(here) / "cases"),
            "examiner": str(self._templar.template(variables.get("awx_user_name", os.environ.get("USER", "")))),
        }
