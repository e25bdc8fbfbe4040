# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a name can be that of an image at all: the kubelet says it ten seconds after it knows.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

# github.com/distribution/reference, regexp.go and reference.go, by which the kubelet reads it (k8s.io/kubernetes
# pkg/util/parsers): [domain[:port]/]path[:tag][@digest]
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG = r"\w[\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::{_TAG})?(?:@{_DIGEST})?", re.ASCII)
# a bare id is none, so that nobody takes it for one
_ID = re.compile(r"[a-f0-9]{64}")


def check_image(image: str) -> None:
    """Raises Failure ImagePullFailed for what no registry and no node can have."""
    if _REFERENCE.fullmatch(image) and not _ID.fullmatch(image):
        return
    raise Failure(
        "ImagePullFailed",
        f"image {image!r} is no reference to an image: [registry[:port]/]name[:tag][@digest], the name in lower case.",
        "Correct image (INCIDENT_DISTROLESS_IMAGE sets it where the task does not).",
    )
