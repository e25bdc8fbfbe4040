# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import check_image

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "busybox:1.37",
        "library/busybox",
        "Registry/busybox",
        "localhost/tools:V1_2.x-y",
        "registry.example.com:5000/team/debug-tools__x/y.z:latest",
        "[2001:db8::1]:5000/x",
        f"busybox@sha256:{HASH}",
        f"docker.io/library/busybox:1.37@sha256:{HASH}",
        "a" * 200,
    ],
)
def test_a_reference_is_taken_in_every_form(image: str) -> None:
    check_image(image)


@pytest.mark.parametrize(
    "image",
    [
        "Busybox",
        "registry.example.com/Team/x",
        "Not An Image",
        "Not:An:Image",
        "busybox:",
        "busybox:-x",
        "busybox:" + "t" * 129,
        "busybox@sha256:short",
        "/busybox",
        "team//x",
        "team/x/",
        "-x",
        "x-",
        "a..b",
        "a___b",
        "bücher",
        "busybox\n",
        "https://registry.example.com/x",
        HASH,
    ],
)
def test_what_is_no_reference_is_refused_in_its_words(image: str) -> None:
    with pytest.raises(Failure) as caught:
        check_image(image)
    assert caught.value.reason == "ImagePullFailed"
    assert repr(image) in caught.value.message
