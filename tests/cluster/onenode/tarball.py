# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container images as bytes: file trees to layers, layers to one OCI archive. The same input always gives the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as the kernel says -> as OCI says


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a layer. `kind` is a type of tarfile; `path` has no leading slash and may be any bytes but NUL."""

    path: bytes
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: bytes = b""


def directory(path: str, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path.encode(), tarfile.DIRTYPE, mode, *owner)


def file(path: str | bytes, content: bytes | str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Entry:
    name = path.encode() if isinstance(path, str) else path
    return Entry(name, tarfile.REGTYPE, mode, *owner, content=content.encode() if isinstance(content, str) else content)


def link(path: str, target: str, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path.encode(), tarfile.SYMTYPE, 0o777, *owner, target=target.encode())


def fifo(path: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Entry:
    return Entry(path.encode(), tarfile.FIFOTYPE, mode, *owner)


def layer(entries: Iterable[Entry]) -> bytes:
    """A layer's tar: sorted, so that a folder comes before what is in it, and without times, so that nothing depends on the day."""
    whole = io.BytesIO()
    # surrogateescape carries names that are not UTF-8
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for entry in sorted(entries, key=lambda entry: entry.path):
            info = tarfile.TarInfo(entry.path.decode(errors="surrogateescape"))
            info.type, info.mode, info.uid, info.gid = entry.kind, entry.mode, entry.uid, entry.gid
            info.size, info.linkname = len(entry.content), entry.target.decode(errors="surrogateescape")
            tar.addfile(info, io.BytesIO(entry.content))
    return whole.getvalue()


@dataclass(frozen=True, slots=True)
class Image:
    """`name` is a full reference; `layers` are tars, lowest first; `config` holds the OCI keys User, Env, Entrypoint, Cmd ..."""

    name: str
    layers: tuple[bytes, ...]
    config: Mapping[str, object] = field(default_factory=dict)


def archive(images: Sequence[Image], out: BinaryIO) -> dict[str, str]:
    """Write one OCI archive with all `images`; returns name -> digest of its manifest. Equal layers are stored once."""
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    manifests: list[dict[str, object]] = []
    for image in images:
        layers = [blob("layer.v1.tar", content) for content in image.layers]
        config = {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": dict(image.config),
            "rootfs": {"type": "layers", "diff_ids": [row["digest"] for row in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("config.v1+json", _json(config)),
            "layers": layers,
        }
        names = {"io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name}
        manifests.append({**blob("manifest.v1+json", _json(manifest)), "annotations": names})
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    entries = [file(f"blobs/sha256/{digest}", content) for digest, content in blobs.items()]
    entries += [directory("blobs"), directory("blobs/sha256")]
    entries += [file("index.json", _json(index)), file("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))]
    out.write(layer(entries))
    return {image.name: str(row["digest"]) for image, row in zip(images, manifests, strict=True)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
