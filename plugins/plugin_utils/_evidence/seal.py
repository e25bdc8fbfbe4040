# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seal of a bundle: how it is made, and whether the bundle is as it was sealed: every byte of every file, no file more or less,
no line of the log changed or gone.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible.release import __version__ as ansible_version
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import broken_links, links
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquired import next_log, read_acquired
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import log_rows, manifest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import (
    LOG,
    MANIFEST,
    SIGNATURE,
    Content,
    read_folder,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS, parse_sums, sums
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signature import check, sign
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable, shown


def unseal(folder: Path) -> None:
    """Take away what sealing by half leaves, also where it was killed: a case without a seal can be sealed again. Raises OSError.

    SHA256SUMS goes first, since a folder that has it is never touched again.
    """
    for name in (SUMS, SIGNATURE, MANIFEST, f".{SUMS}.partial", f".{MANIFEST}.partial"):
        (folder / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed: how many files and bytes, whether the acquisition came to its end, and the hash of SHA256SUMS."""

    files: int
    size: int
    is_complete: bool
    sums_sha256: str


def seal(folder: Path, sign_key: str | None) -> Sealed:
    """Write the log, the manifest and SHA256SUMS of a case, and its signature where there is a key (the path of a private one).

    Raises OSError, and ValueError, LookupError or TypeError for what cannot be sealed.
    """
    case = CaseFolder(folder)
    acquired = read_acquired(case)
    log = next_log(case, acquired)
    case.write_bytes(LOG, log.text, is_durable=True)
    found = read_folder(folder)
    if found.others:
        raise ValueError(f"{found.others[0]!r} is neither file nor link")
    if lost := lost_files(log_rows(acquired), found):
        raise ValueError(f"{lost[0].path}: {lost[0].message}")
    counts = {"files": len(found.files) + 1, "bytes": found.size, "is_signed": bool(sign_key)}
    sealed = {"log": {"lines": log.lines, "last": log.last}, "links": link_rows(found), "sealed": counts}
    about = manifest(acquired, _versions(), sealed)
    text = json.dumps(about, indent=1).encode() + b"\n"
    found.files[MANIFEST.encode()] = case.write_bytes(MANIFEST, text, is_durable=True)
    found.size += len(text)
    sums_sha256 = case.write_bytes(SUMS, sums(found.files), is_durable=True)
    if sign_key:
        sign(folder, sign_key)
    return Sealed(len(found.files), found.size, bool(about["is_complete"]), sums_sha256)


def _versions() -> dict[str, str | None]:
    return {"incident.distroless": _own_version(), "ansible-core": ansible_version, "python": platform.python_version()}


def _own_version() -> str | None:
    """Return the version as the installed collection has it, else as the checkout."""
    root = Path(__file__).parents[3]
    if (root / "MANIFEST.json").is_file():
        return str(json.loads((root / "MANIFEST.json").read_bytes())["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])


# the files that SHA256SUMS cannot name
_BESIDE = {SUMS.encode(), SIGNATURE.encode()}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: kind is changed, missing, extra, archive, seal, log or signature; path (shown, "" for the bundle) and a sentence."""

    kind: str
    path: str
    message: str

    def as_result(self) -> dict[str, str]:
        """Return the problem as a row of a result."""
        return asdict(self)


def problems(content: Content, sums_sha256: str = "", public_key: str = "") -> list[Problem]:
    """Return what is wrong with a bundle; nothing where it is as it was sealed. Of a case that is not sealed yet: that it is not, and
    what is wrong with its log as far as it goes. sums_sha256: the hash that its SHA256SUMS had, as it
    was printed or written down elsewhere; without it whoever changed files could have sealed them anew. public_key: of whoever
    signed it, as ssh-keygen or cosign writes it.

    Raises OSError where ssh-keygen is needed and is not here, and ValueError for a public_key that is none.
    """
    found = [Problem("archive", "", content.fault)] if content.fault else []
    if not content.files.keys() & {SUMS.encode(), MANIFEST.encode()}:
        return [*found, *_of_unsealed(content)]
    found += [
        *_of_seal(content, sums_sha256),
        *_of_files(content),
        *_of_manifest(content, is_key_known=bool(public_key)),
    ]
    return [*_of_signature(content, public_key), *found] if public_key else found


def _of_seal(content: Content, sums_sha256: str) -> Iterator[Problem]:
    found = content.files.get(SUMS.encode())
    if found is None:
        yield Problem("seal", SUMS, "It is not there: this is no sealed bundle.")
    elif sums_sha256 and found != sums_sha256.strip().lower():
        yield Problem("seal", SUMS, f"Its sha256 is {found} and not the one that was given: it was sealed anew.")


def _of_unsealed(content: Content) -> Iterator[Problem]:
    text = content.texts.get(LOG.encode(), b"")
    found = links(text)
    yield Problem("seal", SUMS, f"It is not there: this is no sealed bundle. Its log has {found.lines} lines so far.")
    for sentence in found.breaks:
        yield Problem("log", LOG, sentence)
    if not found.breaks:
        yield from lost_files((json.loads(line) for line in text.splitlines()), content)


def lost_files(rows: Iterable[Mapping[str, Any]], content: Content) -> list[Problem]:
    """Return the files that rows of a log name with their hash, and that are not, or no longer, what the rows say."""
    wanted: dict[bytes, set[str]] = {}
    for row in rows:
        if row.get("path") and row.get("sha256"):
            name = base64.b64decode(str(row["path_b64"])) if row.get("path_b64") else str(row["path"]).encode()
            # one file can be asked for under two names
            wanted.setdefault(name, set()).add(str(row["sha256"]))
    found: list[Problem] = []
    for name, hashes in sorted(wanted.items()):
        now = content.files.get(name)
        if now is None:
            found.append(Problem("missing", shown(name), "The log names it, and it is not there."))
        elif now not in hashes:
            was = " or ".join(sorted(hashes))
            found.append(Problem("changed", shown(name), f"Its sha256 is {now}; when it was taken it was {was}."))
    return found


def _of_signature(content: Content, public_key: str) -> Iterator[Problem]:
    signature = content.texts.get(SIGNATURE.encode())
    if signature is None:
        yield Problem("signature", SIGNATURE, "It is not there: the bundle was not signed.")
    elif said := check(content.texts.get(SUMS.encode(), b""), signature, public_key):
        yield Problem("signature", SIGNATURE, f"It is not the key's: {printable(said)}")


def _of_files(content: Content) -> Iterator[Problem]:
    try:
        sealed = parse_sums(content.texts.get(SUMS.encode(), b""))
    except ValueError as error:
        yield Problem("seal", SUMS, f"It is not understood: {error}.")
        return
    for name in sorted(sealed.keys() | content.files.keys()):
        if name not in content.files:
            yield Problem("missing", shown(name), "It was sealed and is not there.")
        elif name not in sealed:
            if name not in _BESIDE:
                yield Problem("extra", shown(name), "It is there and was not sealed.")
        elif content.files[name] != sealed[name]:
            yield Problem("changed", shown(name), f"Its sha256 is {content.files[name]}; it was {sealed[name]}.")
    for name in sorted(content.others):
        yield Problem("extra", shown(name), "It is neither file nor link, or lies where a bundle has nothing.")


def _of_manifest(content: Content, *, is_key_known: bool) -> Iterator[Problem]:
    text = content.texts.get(MANIFEST.encode())
    if text is None:
        yield Problem("missing", MANIFEST, "Without it nothing can be said of the log and of links.")
        return
    try:
        manifest = json.loads(text)
        links = {base64.b64decode(row["path_b64"]): base64.b64decode(row["link_b64"]) for row in manifest["links"]}
        lines, last = manifest["log"]["lines"], manifest["log"]["last"]
        is_signed = dict(manifest.get("sealed", {})).get("is_signed")
    except (ValueError, TypeError, LookupError, RecursionError):
        yield Problem("changed", MANIFEST, "It is not understood.")
        return
    # the key says more of a signature than the manifest can; a copy for sharing does not say whether it is signed
    if not is_key_known and is_signed is False and SIGNATURE.encode() in content.files:
        yield Problem("extra", SIGNATURE, "It is there, and the bundle was sealed without a signature.")
    if not is_key_known and is_signed is True and SIGNATURE.encode() not in content.files:
        yield Problem("signature", SIGNATURE, "It is not there, and the bundle was signed when it was sealed.")
    for sentence in broken_links(content.texts.get(LOG.encode(), b""), lines, last):
        yield Problem("log", LOG, sentence)
    for name in sorted(links.keys() | content.links.keys()):
        if name not in content.links:
            yield Problem("missing", shown(name), "The link was sealed and is not there.")
        elif name not in links:
            yield Problem("extra", shown(name), "The link is there and was not sealed.")
        elif links[name] != content.links[name]:
            yield Problem("changed", shown(name), "The link leads elsewhere than it did.")


def link_rows(content: Content) -> list[dict[str, Any]]:
    """Return the links as the manifest keeps them."""
    return [
        {
            "path": shown(name),
            "path_b64": base64.b64encode(name).decode("ascii"),
            "link": shown(text),
            "link_b64": base64.b64encode(text).decode("ascii"),
        }
        for name, text in sorted(content.links.items())
    ]
