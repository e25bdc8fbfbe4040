# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory file says, in each form in which it may be said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._options.inventory import Asked, name_of, parse
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Refused


def asked(**options: Any) -> Asked:
    return parse(options.get, options)


@pytest.mark.parametrize("is_mapping", [True, False])
def test_a_kubeconfig_alone_is_called_by_the_context_that_it_uses(tmp_path: Path, is_mapping: bool) -> None:
    first, path = tmp_path / "first", tmp_path / "second"
    first.write_text("kind: Config\n", encoding="utf-8")
    path.write_text("current-context: Prod@EU\n", encoding="utf-8")
    kubeconfig = {"current-context": "Prod@EU"} if is_mapping else f"{tmp_path}/none:{first}:{path}"
    (source,) = parse({"clusters": [{"kubeconfig": kubeconfig}]}.get, {}).sources
    assert source.name == "-rod---"
    assert "context" not in source.params


def test_a_kubeconfig_without_a_current_context_needs_a_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("kind: Config\n", encoding="utf-8")
    deep = tmp_path / "deep"
    deep.write_text("[" * 5000, encoding="utf-8")
    for kubeconfig in (str(empty), f"{tmp_path}/none", {"kind": "Config"}, "~nobody-is-called-so/config", str(deep)):
        with pytest.raises(Refused, match="no kubeconfig that has a current one"):
            parse({"clusters": [{"kubeconfig": kubeconfig}]}.get, {})


@pytest.mark.parametrize("given", [["shop", "pay-*"], "shop, pay-*", "shop\npay-*", '["shop", "pay-*"]'])
def test_a_list_comes_as_a_list_as_text_or_as_json(given: object) -> None:
    assert list(asked(namespaces=given).wanted.namespaces) == ["shop", "pay-*"]


@pytest.mark.parametrize("given", [None, "", " "])
def test_what_is_blank_is_not_given(given: object) -> None:
    found = asked(namespaces=given, label_selectors=given, clusters=given, containers=given, max_hosts=given)
    assert found == asked()
    assert found.wanted.max_hosts == 100_000
    assert [source.name for source in found.sources] == [""]


def test_a_selector_keeps_its_commas_in_parentheses() -> None:
    assert list(asked(label_selectors="app in (a, b), tier=x").wanted.label_selectors) == ["app in (a, b)", "tier=x"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"label_selectors": ["a", ""]}, "label_selectors: entry 2 is blank."),
        ({"field_selectors": [None]}, "field_selectors: entry 1 is blank."),
        ({"namespaces": ["a/b"]}, "namespaces[0]: expected the name of a namespace, or a glob, got the text"),
        ({"namespaces": {"a": 1}}, "namespaces: expected a list, got a mapping."),
        ({"containers": "some"}, "containers: expected one of default, all"),
        ({"max_hosts": 0}, "max_hosts: expected a whole number of 1 or more"),
        ({"validate_certs": "perhaps"}, "validate_certs: expected true or false"),
        ({"clusters": []}, "clusters: expected at least one cluster, got none."),
        ({"clusters": ["prod"]}, "clusters[0]: expected a mapping with a context, a kubeconfig or a host"),
        ({"clusters": [{"name": "a"}]}, "clusters[0]: expected one of kubeconfig, context, host, got none."),
        ({"clusters": [{"host": "https://x"}]}, "clusters[0]: expected a name, or a context to take it from"),
        ({"clusters": [{"name": "..", "host": "https://x"}]}, "clusters[0].name: expected a name of a-z"),
        ({"clusters": [{"name": "a/b", "host": "https://x"}]}, "clusters[0].name: expected a name of a-z"),
        ({"clusters": [{"context": "a", "nmae": "b"}]}, "clusters[0] has no key nmae"),
        ({"clusters": [{"context": "a@b"}, {"context": "a:b"}]}, "clusters: a-b is the name of more than one cluster."),
        ({"clusters": [{"context": "a"}], "api_key": "x"}, "api_key: not beside clusters."),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        asked(**options)
    assert sentence in str(caught.value)


def test_no_refusal_tells_a_credential() -> None:
    for options in ({"api_key": ["s3cr3t"]}, {"clusters": [{"name": "a", "host": "x", "password": ["s3cr3t"]}]}):
        with pytest.raises(Refused) as caught:
            asked(**options)
        assert "s3cr3t" not in str(caught.value)


def test_a_cluster_has_its_own_authentication_and_the_files_kubeconfig_at_most() -> None:
    found = asked(
        kubeconfig="~/.kube/other",
        clusters=[
            {"context": "arn:aws:eks:eu:1:cluster/Prod"},
            {"name": "us", "host": "https://us", "api_key": 4711, "verify_ssl": "no"},
        ],
    )
    eu, us = found.sources
    assert (eu.name, us.name) == ("arn-aws-eks-eu-1-cluster--rod", "us")
    assert eu.params == {"context": "arn:aws:eks:eu:1:cluster/Prod", "kubeconfig": "~/.kube/other"}
    assert us.params == {"host": "https://us", "api_key": "4711", "validate_certs": False}
    assert not eu.uses_environment
    assert not us.uses_environment
    assert len(found.notes) == 1
    assert "4711" not in found.notes[0]


def test_a_cluster_without_a_name_has_the_environments_authentication() -> None:
    (source,) = asked(context="prod", impersonate_groups="a, b").sources
    assert source.params == {"context": "prod", "impersonate_groups": ["a", "b"]}
    assert source.uses_environment


def test_a_name_by_the_context_has_a_dash_for_every_other_character() -> None:
    assert name_of("a.b-C@d/ü") == "a.b---d--"


def test_the_environments_kubeconfig_is_that_of_clusters_without_one() -> None:
    entries = [{"context": "eu"}, {"context": "us", "kubeconfig": "/us"}, {"name": "far", "host": "https://far"}]
    options = {"clusters": entries}
    found = [source.params.get("kubeconfig") for source in parse(options.get, options, "/environments").sources]
    assert found == ["/environments", "/us", None]
    options = {"clusters": entries, "kubeconfig": "/files"}
    assert parse(options.get, options, "/environments").sources[0].params["kubeconfig"] == "/files"
    # of one cluster it is asked where the connection is made
    assert "kubeconfig" not in parse({}.get, {}, "/environments").sources[0].params
