# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is compressed on the wire: asked for by name, or decided by what the line and the tools can do. Decides only.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry

Codec = Literal["none", "gzip", "zstd"]
Compress = Literal["auto", "zstd", "gzip", "none"]

# the better first
TOOLS: tuple[Codec, ...] = ("zstd", "gzip")
# what compression must gain to be worth the pod's CPU
_GAIN = 1.2
# below this much in all nothing is gained that a measurement would not cost
WORTH_ASKING = 1 << 20
# a file whose blocks hold less than this part of its size has holes that are worth leaving out
_DENSE = 0.75

# `sh` functions of the remote side. One thread, and a window that fits in a pod's memory: zstd takes 5 MiB like this.
PROGRAM = rb"""
packed() { # stdin, compressed by $1
  case $1 in
    zstd) zstd -1 -q -c --single-thread --zstd=wlog=19 ;;
    gzip) gzip -1 -c ;;
    *) cat ;;
  esac
}
"""


@dataclass(frozen=True, slots=True)
class Packing:
    """What to compress by which codec: groups of small files, single files, and those with holes in them.

    is_sampled: single files only where a sample of theirs shrinks.
    """

    groups: Codec = "none"
    files: Codec = "none"
    sparse: Codec = "none"
    is_sampled: bool = False

    @property
    def tool(self) -> Codec:
        """The one codec that can come of it."""
        return self.files if self.files != "none" else self.sparse

    def word(self, entry: Entry) -> bytes:
        """The codec for a file as the remote program takes it; a question mark: only where a sample shrinks."""
        if self.sparse != "none" and has_holes(entry):
            return self.sparse.encode()
        if self.files != "none" and self.is_sampled:
            return self.files.encode() + b"?"
        return self.files.encode()


NOTHING = Packing()


def has_holes(entry: Entry) -> bool:
    """Whether a file takes much less room than its size says."""
    return entry.blocks * 512 < entry.size * _DENSE


def by_name(compress: Codec, *, here: Iterable[Codec], there: Iterable[Codec]) -> Packing:
    """All by the codec that was asked for. Raises Failure where one of the two sides lacks the tool."""
    if compress == "none":
        return NOTHING
    if compress not in here:
        raise Failure(
            "InvalidRequest",
            f"compress: {compress} is not possible: this host has neither the Python package zstandard nor the program zstd.",
            "Install one of them on the host that the module runs on, or leave compress at auto.",
        )
    if compress not in there:
        raise Failure(
            "ImageHasNoShell",
            f"compress: {compress} is not possible: the debug image has no working {compress}.",
            f"Use a debug image with {compress}, or leave compress at auto.",
        )
    return Packing(compress, compress, compress)


def by_measure(rate: float, speeds: Mapping[Codec, float], *, there: Iterable[Codec]) -> Packing:
    """What pays on a line of `rate` bytes a second, where a tool takes in `speeds` bytes a second; there are all usable tools.

    A tool that is no faster than the line holds it up, whatever it makes of the bytes.
    """
    usable = [tool for tool in TOOLS if tool in there]
    if not usable:
        return NOTHING
    chosen: Codec = next((tool for tool in usable if speeds.get(tool, 0.0) > _GAIN * rate), NOTHING.tool)
    # one tool for all: the other side can only send what it was asked for
    return Packing(chosen, chosen, usable[0] if chosen == "none" else chosen, is_sampled=True)
