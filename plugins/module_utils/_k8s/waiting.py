# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""What the kubelet says a container waits for: the words of its own, and which of them no waiting mends.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# pkg/kubelet/images/types.go and k8s.io/cri-api/pkg/errors
NO_IMAGE = frozenset(
    "ErrImageNeverPull ErrImagePull ImageInspectError ImagePullBackOff InvalidImageName RegistryUnavailable SignatureValidationFailed".split()
)
# of them those after which the kubelet tries again by itself: ImagePullBackOff then says that it failed twice
_TRIED_AGAIN = frozenset({"ErrImagePull", "ImageInspectError", "RegistryUnavailable"})
# pkg/kubelet/kuberuntime/kuberuntime_container.go and pkg/kubelet/container/sync_result.go
_NOT_MADE = frozenset(
    "CreateContainerConfigError CreateContainerError PostStartHookError PreCreateHookError PreStartHookError RunContainerError".split()
)


def reason(state: Mapping[str, Any]) -> str:
    """Return the one word for what a container of that state waits for; empty where it does not wait."""
    return str((state.get("waiting") or {}).get("reason") or "")


def lacks_image(state: Mapping[str, Any]) -> bool:
    """Return whether a container waits for an image that could not be had, be it once or for good."""
    return reason(state) in NO_IMAGE


def is_image_refused(state: Mapping[str, Any]) -> bool:
    """Return whether a container waits for an image that will not come."""
    return reason(state) in NO_IMAGE - _TRIED_AGAIN


def is_not_made(state: Mapping[str, Any]) -> bool:
    """Return whether a container waits since it could not be created or started, which no waiting mends."""
    return reason(state) in _NOT_MADE


def is_hopeless(state: Mapping[str, Any]) -> bool:
    """Return whether a container waits for what will not come by itself, its own crashes among it."""
    return is_image_refused(state) or is_not_made(state) or reason(state) == "CrashLoopBackOff"


def words(state: Mapping[str, Any]) -> str:
    """Return the kubelet's own words for why a container waits; empty when it does not."""
    message = (state.get("waiting") or {}).get("message")
    return f"{reason(state)}: {message}" if message else reason(state)
