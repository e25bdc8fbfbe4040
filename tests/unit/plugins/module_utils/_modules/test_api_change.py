# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which definitions are taken, and what is said of what was done; the real cluster has the rest."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules.api_change import Named, name_of

POLICY = {"kind": "NetworkPolicy", "metadata": {"name": "shut", "namespace": "shop"}}


def test_a_definition_names_its_object() -> None:
    assert name_of(POLICY, None) == Named("NetworkPolicy", "shop", "shut")
    assert name_of(POLICY, "other").namespace == "shop"
    assert name_of({"kind": "NetworkPolicy", "metadata": {"name": "shut"}}, "other").namespace == "other"
    assert str(name_of({"kind": "Node", "metadata": {"name": "worker"}}, "shop")) == "Node worker"


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({}, "definition.kind: expected one of"),
        ({"kind": "Secret", "metadata": {"name": "x", "namespace": "y"}}, "got 'Secret'"),
        ({"kind": "Pod"}, "definition.metadata.name: expected a name, got None"),
        ({"kind": "Pod", "metadata": "x"}, "expected a name, got None"),
        ({"kind": "Pod", "metadata": {"name": 5}}, "expected a name, got 5"),
        ({"kind": "Pod", "metadata": {"name": "x"}}, "definition.metadata.namespace: expected a namespace"),
    ],
)
def test_what_names_no_object_is_refused(definition: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        name_of(definition, None)
    assert caught.value.reason == "InvalidRequest"
    assert words in caught.value.message
