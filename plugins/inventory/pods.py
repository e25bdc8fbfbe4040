# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers of pods as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pods
short_description: Containers of pods as hosts, of one or more clusters
version_added: 0.1.0
author: incident.distroless maintainers (@incident-distroless)
description:
  - Lists the pods of one or more Kubernetes clusters. Each container is a host, the default one of each pod alone or all of them.
  - A host is called C(<namespace>/<pod>/<container>), with O(clusters) C(<cluster>/<namespace>/<pod>/<container>).
  - Its groups are C(cluster_*), C(namespace_*), C(workload_*) (such as C(workload_deployment_api)), C(node_*), C(phase_*) (such as
    C(phase_Running)), and C(ready) or C(not_ready). Characters that groups cannot have are C(_) in them.
  - Its variables are C(ansible_debugger_namespace), C(ansible_debugger_pod), C(ansible_debugger_container), C(k8s_labels), C(k8s_owner)
    (the workload, such as C(deployment/api)), C(k8s_phase), C(k8s_restarts) and C(k8s_listed_at) (when the API was asked, RFC 3339 in
    UTC, also of what comes from a cache), with O(annotations) C(k8s_annotations), and those options that say which cluster it is in and
    are no secrets, such as C(ansible_debugger_context). Environment variables, arguments of containers and other annotations are not told.
  - The name of a configuration file ends in V(pods.yml) or V(pods.yaml).
notes:
  - How hosts are reached is not said. With C(connection=local) a task has the pod's names as variables, and with the connection
    P(incident.distroless.debugger#connection) it runs in the debugger of each.
  - What comes from the API is never taken for a template, whatever a pod's author wrote.
  - One list is asked for each namespace that is named, or one for all of them, page by page.
  - A cluster that does not answer costs its own hosts and a warning, and so does a namespace that may not be listed among others. Where
    no cluster answers, or with O(strict), it is an error.
  - With O(clusters) no E(K8S_AUTH_HOST), E(K8S_AUTH_API_KEY) and the like are used, but for E(K8S_AUTH_KUBECONFIG) where an entry has
    no O(clusters[].kubeconfig) and no O(clusters[].host).
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML >= 3.11
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is one of this plugin.
    type: str
    required: true
    choices:
      - incident.distroless.pods
  namespaces:
    description:
      - Names of namespaces, or globs such as V(shop-*). With globs namespaces are listed, which needs that permission.
      - Without it and without O(namespace_selectors) all namespaces are asked for at once.
      - A list; as text a JSON list, or its entries separated by lines or commas. So are the selectors.
    type: raw
  namespace_selectors:
    description: Label selectors that a namespace meets, all of them. With O(namespaces) it meets both.
    type: raw
  label_selectors:
    description: Label selectors that a pod meets, all of them.
    type: raw
  field_selectors:
    description: Field selectors that a pod meets, all of them, such as V(status.phase=Running).
    type: raw
  containers:
    description:
      - V(default) is the container of the annotation C(kubectl.kubernetes.io/default-container), else the pod's first.
      - V(all) are its containers and sidecars.
    type: str
    choices:
      - default
      - all
    default: default
  annotations:
    description: The names of annotations to tell in the variable C(k8s_annotations).
    type: raw
  clusters:
    description:
      - The clusters to ask. Without it the options of authentication beside it are those of the one cluster.
      - A list of mappings, each with options of authentication, of which O(clusters[].kubeconfig),
        O(clusters[].context) or O(clusters[].host) is needed.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - What the hosts of the cluster begin with, of C(a-z), C(0-9), C(.) and C(-).
          - Its default is the context, or that which the kubeconfig uses where none is named, with C(-) for every other character.
            Two equal ones are an error.
        type: str
      kubeconfig:
        description: A path, or the content as a mapping.
        type: raw
      context:
        description: The name of a context of the kubeconfig.
        type: str
      host:
        description: The URL of the API server. Any other option of authentication can be given as well, by its name.
        type: str
  max_hosts:
    description: More hosts are an error.
    type: int
    default: 100000
  timeout:
    description: Seconds that one cluster has for all its answers.
    type: int
    default: 120
"""

EXAMPLES = r"""
# shop.pods.yml: the one cluster of the kubeconfig, running pods of two namespaces
plugin: incident.distroless.pods
namespaces: [shop, pay]
field_selectors: [status.phase=Running]

---
# all.pods.yml: two clusters, each container of the pods of a team's namespaces
plugin: incident.distroless.pods
clusters:
  - context: prod-eu
  - name: us
    host: https://us.example:6443
    api_key: "{{ lookup('ansible.builtin.env', 'US_TOKEN') }}"
    ca_cert: ~/us-ca.pem
namespace_selectors: [team=shop]
containers: all
annotations: [example.org/tier]
compose:
  tier: k8s_annotations['example.org/tier'] | default('none')
keyed_groups:
  - prefix: app
    key: k8s_labels['app.kubernetes.io/name']
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/pods
"""


import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import ansible_collections.incident.distroless.plugins.plugin_utils._actions.bytecode  # noqa: F401 - before any helper # pylint: disable=unused-import
from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.cache import BaseFileCacheModule
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import Host, Source, list_all
from ansible_collections.incident.distroless.plugins.plugin_utils._options.inventory import (
    ALIASES,
    AUTHENTICATION,
    OPTIONS,
    Asked,
    name_of,
    parse,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Refused

Row = dict[str, Any]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """The inventory."""

    NAME = "incident.distroless.pods"
    # whatever TRANSFORM_INVALID_GROUP_CHARS says: the names of groups are part of what is promised
    _sanitize_group_name = staticmethod(partial(to_safe_group_name, force=True, silent=True))

    def verify_file(self, path: str) -> bool:
        """Return whether a file is one of this plugin, by its name."""
        return path.endswith(("pods.yml", "pods.yaml")) and bool(super().verify_file(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts. Raises AnsibleParserError."""
        super().parse(inventory, loader, path, cache)
        written = self._read_config_data(path)
        try:
            # of the environment no option knows, as in kubernetes.core, which asks it for one cluster
            asked = parse(self._option_of(written), written, os.environ.get("K8S_AUTH_KUBECONFIG"))
        except Refused as refused:
            raise AnsibleParserError(str(refused)) from refused
        for note in asked.notes:
            self.display.warning(note)
        for source, rows in zip(asked.sources, self._rows(asked, path, is_cached=cache), strict=True):
            self._add(source, (Host(**row) for row in rows))

    def _option_of(self, written: dict[str, Any]) -> Callable[[str], object]:
        """Return what says an option. In those of the file a user may have written templates."""
        if unknown := {*written} - {*OPTIONS, *self._options, *ALIASES, "plugin"}:
            raise AnsibleParserError(f"{', '.join(sorted(map(str, unknown)))}: not an option of {self.NAME}.")
        self.templar.available_variables = self._vars

        def option(name: str) -> object:
            value = self.get_option(name)
            return self.templar.template(value) if name == "clusters" or name in AUTHENTICATION else value

        return option

    def _rows(self, asked: Asked, path: str, *, is_cached: bool) -> list[list[Row]]:
        """Return the hosts of each cluster, from the cache where they may be."""
        has_cache = self.get_option("cache")
        key = f"{self.get_cache_key(path)}_{_digest(asked)}"
        if has_cache and is_cached:
            try:
                kept: list[list[Row]] = self._cache[key]
            except KeyError:
                pass
            else:
                return kept
        rows, is_whole = self._asked_for(asked)
        if has_cache and is_whole:
            # of a cluster that did not answer the next one shall ask again
            self._cache[key] = rows
        return rows

    def _asked_for(self, asked: Asked) -> tuple[list[list[Row]], bool]:
        """Return the hosts of each cluster, and whether all of them answered in full."""
        try:
            listed = list_all(asked.sources, asked.wanted, self.display.warning)
        except Failure as failure:
            raise AnsibleParserError(f"{failure.message} {failure.hint}") from failure
        said = [
            _said(source, failure)
            for source, found in zip(asked.sources, listed, strict=True)
            for failure in found.failures
        ]
        if said and (self.get_option("strict") or all(found.is_lost for found in listed)):
            raise AnsibleParserError("\n".join(said))
        for sentence in said:
            self.display.warning(sentence)
        # a copy of each, not of the labels that many share
        names = [field.name for field in dataclasses.fields(Host)]
        return [[{name: getattr(host, name) for name in names} for host in found.hosts] for found in listed], not said

    def _add(self, source: Source, hosts: Iterable[Host]) -> None:
        safe = cache(self._safe_group)
        handed_on = {f"ansible_debugger_{name}": value for name, value in source.handed_on().items()}
        cluster = source.name or name_of(source.params.get("context") or "")
        room = _room_for_facts()
        strict = self.get_option("strict")
        constructed = [self.get_option(name) for name in ("compose", "groups", "keyed_groups")]
        for host in hosts:
            name = f"{source.name}/{host.name}" if source.name else host.name
            self.inventory.add_host(name)
            if room:
                Path(f"{room}{name}").parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for group in [*([f"cluster_{cluster}"] if cluster else []), *host.groups()]:
                self.inventory.add_child(safe(group), name)
            for variable, value in {**handed_on, **wrap_var(host.variables())}.items():
                self.inventory.set_variable(name, variable, value)
            if any(constructed):
                self._construct(name, constructed, strict)

    def _safe_group(self, group: str) -> str:
        added: str = self.inventory.add_group(self._sanitize_group_name(group))
        return added

    def _construct(self, name: str, constructed: list[Any], strict: bool) -> None:
        compose, groups, keyed_groups = constructed
        variables = self.inventory.get_host(name).get_vars()
        self._set_composite_vars(compose, variables, name, strict=strict)
        self._add_host_to_composed_groups(groups, variables, name, strict=strict)
        self._add_host_to_keyed_groups(keyed_groups, variables, name, strict=strict)


def _room_for_facts() -> str:
    """Return what stands before the names of hosts in the paths of a cache of files that makes no folders; empty for any other."""
    if hasattr(BaseFileCacheModule, "_sanitize_key") or not constants.CACHE_PLUGIN_CONNECTION:
        # from ansible-core 2.21 on no name of a host is one of a file
        return ""
    is_of_files = constants.CACHE_PLUGIN.rpartition(".")[2] in ("jsonfile", "pickle", "yaml")
    folder = Path(os.path.expandvars(constants.CACHE_PLUGIN_CONNECTION)).expanduser()
    # the setting's own default is not that of the plugins
    prefix, origin = constants.config.get_config_value_and_origin("CACHE_PLUGIN_PREFIX")
    return f"{folder}/{'' if origin == 'default' else prefix}{_schema_of_facts()}" if is_of_files else ""


def _schema_of_facts() -> str:
    """Return what Ansible puts before the name of a host whose facts it keeps; nothing before ansible-core 2.19."""
    try:
        schema: str = import_module("ansible._internal._plugins._cache").PluginInterposer._get_key("")  # noqa: SLF001 - it has no public name
    except (ImportError, AttributeError):
        return ""
    return schema


def _said(source: Source, failure: Failure) -> str:
    where = f"{source.name}: " if source.name else ""
    return f"{where}{failure.message} {failure.hint}"


def _digest(asked: Asked) -> str:
    """Return what tells the answer to one question from that to another one: changed options are another question."""
    sources = [
        [source.name, {key: str(value) for key, value in source.handed_on().items()}] for source in asked.sources
    ]
    text = json.dumps([sources, dataclasses.asdict(asked.wanted)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
