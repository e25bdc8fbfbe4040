# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bill of materials of a release (CycloneDX 1.6): the collection, the one that it needs, and the Python packages that it was tried with."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

# what makes an environment and is used by nothing in it
TOOLS = frozenset(("pip", "setuptools", "wheel"))
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "incident.distroless")


def of(version: str, sha256: str, kubernetes_core: Mapping[str, Any], inspected: Mapping[str, Any]) -> dict[str, Any]:
    """Return the bill. kubernetes_core: the collection_info of its manifest; inspected: what `pip inspect` says of the environment.

    The same tarball and environment make the same bill: it has no time and no random number.
    """
    packages = sorted(
        (row["metadata"] for row in inspected["installed"] if _name(row["metadata"]["name"]) not in TOOLS),
        key=lambda metadata: _name(metadata["name"]),
    )
    ours = _collection("incident", "distroless", version, "GPL-3.0-or-later")
    theirs = _collection("kubernetes", "core", str(kubernetes_core["version"]), "GPL-3.0-or-later")
    python = [_package(metadata) for metadata in packages]
    known = {
        _name(metadata["name"]): component["bom-ref"] for metadata, component in zip(packages, python, strict=True)
    }
    needs = [known[name] for name in ("ansible-core", "jsonpatch", "kubernetes")]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, sha256)}",
        "version": 1,
        "metadata": {"component": {**ours, "hashes": [{"alg": "SHA-256", "content": sha256}]}},
        "components": [theirs, *python],
        "dependencies": [
            {"ref": ours["bom-ref"], "dependsOn": [theirs["bom-ref"], *needs]},
            *({"ref": known[_name(metadata["name"])], "dependsOn": _needs(metadata, known)} for metadata in packages),
        ],
    }


def _collection(namespace: str, name: str, version: str, licence: str) -> dict[str, Any]:
    reference = f"pkg:generic/{namespace}/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": reference,
        "group": namespace,
        "name": name,
        "version": version,
        "purl": reference,
        "licenses": [{"license": {"id": licence}}],
    }


def _package(metadata: Mapping[str, Any]) -> dict[str, Any]:
    reference = f"pkg:pypi/{_name(metadata['name'])}@{metadata['version']}"
    component = {
        "type": "library",
        "bom-ref": reference,
        "name": metadata["name"],
        "version": metadata["version"],
        "purl": reference,
    }
    # an expression is of SPDX; the older field can be a whole text
    expression = metadata.get("license_expression")
    return {**component, "licenses": [{"expression": expression}]} if expression else component


def _needs(metadata: Mapping[str, Any], known: Mapping[str, str]) -> list[str]:
    """The packages of this environment that one asks for, but for its extras."""
    asked = [line for line in metadata.get("requires_dist", ()) if "extra ==" not in line]
    names = [_name(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in asked]
    return sorted({known[name] for name in names if name in known})


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
