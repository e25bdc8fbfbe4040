# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy for sharing: nothing secret is in it, binaries are as they were, it is sealed, and the original is untouched."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import problems
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import Derived, derive
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import sealed, whats

ELF = b"\x7fELF\x02\x01\x01\0\0\xff\xfe password=hunter2 10.9.8.7"
SECRETS = [b"hunter2", b"10.9.8.7", b"jane@shop.example.com", b"MIIEow", b"VALUES"]


@pytest.fixture
def original(tmp_path: Path) -> Path:
    files = {
        "shop/app.log": b"password=hunter2 from 10.9.8.7\n",
        "shop/jane@shop.example.com.txt": b"nothing",
        "shop/facts.json": json.dumps({"peer": "10.9.8.7", "password": "hunter2"}).encode(),
        "shop/plain.txt": b"nothing here",
        "shop/tool": ELF,
        "shop/wide.txt": "password=hunter2 from 10.9.8.7\n".encode("utf-16-le") * 3,
        "shop/marked.txt": "password=hunter2 from 10.9.8.7\n".encode("utf-16") * 3,
        "shop/broken.txt": "password=hunter2\n".encode("utf-16-le") * 9 + b"\x00\xd8\n\0",
        "shop/other.txt": "\u65e5\u672c\u8a9e".encode("euc-jp") * 20,
        "shop/api-0/app/values.txt": b"VALUES",
        "shop/holes.log": b"\0" * 100_000 + b"mail jane@shop.example.com\n",
    }
    log = ({"action": "run", "command": "connect 10.9.8.7"}, {"action": "open", "who": "jane@shop.example.com"})
    links = {b"shop/link": b"jane@shop.example.com.txt"}
    return sealed(
        tmp_path / "case",
        {name.encode(): data for name, data in files.items()},
        links,
        log,
        who="jane@shop.example.com",
    )


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    derive(original, tmp_path / "copy", b"salt", [{"name": "values", "suffix": "txt", "file": None, "secret": True}])
    return tmp_path / "copy"


def test_nothing_secret_is_in_the_copy_but_in_a_binary_that_it_names(copy: Path) -> None:
    content = read_folder(copy)
    for name in [*content.files, *content.links, *content.links.values()]:
        assert not any(secret in name for secret in SECRETS)
    for name in content.files:
        data = (copy / os.fsdecode(name)).read_bytes()
        data = data.replace(b"\0", b"")
        assert name in (b"shop/tool", b"shop/broken.txt") or not any(secret in data for secret in SECRETS), name
    assert (copy / "shop" / "tool").read_bytes() == ELF
    what = whats(copy)
    assert what.pop("shop/tool") == "binary"
    assert what.pop("shop/broken.txt") == what.pop("shop/other.txt") == "unknown_encoding"
    assert what.pop("shop/wide.txt") == what.pop("shop/marked.txt") == "replaced"
    assert re.search(
        "password=.secret-[0-9a-f]{12}. from .ip-", (copy / "shop/wide.txt").read_text(encoding="utf-16-le")
    )
    assert what.pop("shop/api-0/app/values.txt") == "left_out"
    assert what.pop("shop/plain.txt") == "unchanged"
    assert what.pop("shop/link") == "link"
    assert sorted(what.values()) == ["replaced", "replaced", "replaced", "unchanged"]


def test_the_copy_is_sealed_its_links_lead_where_they_did_and_it_names_its_original(copy: Path, original: Path) -> None:
    content = read_folder(copy)
    assert problems(content) == []
    assert (copy / "shop" / "link").read_bytes() == b"nothing"
    manifest = json.loads((copy / "manifest.json").read_bytes())
    assert manifest["derived_from"] == read_folder(original).files[b"SHA256SUMS"]


def test_the_original_is_as_it_was(original: Path, tmp_path: Path) -> None:
    before = read_folder(original)
    times = {path: path.lstat().st_mtime_ns for path in original.rglob("*")}
    derive(original, tmp_path / "copy", b"salt", [])
    assert read_folder(original) == before
    assert {path: path.lstat().st_mtime_ns for path in original.rglob("*")} == times


def test_a_value_has_one_marker_in_all_files_and_another_with_another_salt(original: Path, tmp_path: Path) -> None:
    def markers(salt: bytes, name: str) -> tuple[str, str, Derived]:
        derived = derive(original, tmp_path / name, salt, [])
        line = (tmp_path / name / "shop" / "app.log").read_text(encoding="utf-8").split()[-1]
        return line, json.loads((tmp_path / name / "shop" / "facts.json").read_bytes())["peer"], derived

    one, same, derived = markers(b"salt", "one")
    other, _same, _derived = markers(b"pepper", "two")
    assert one == same != other
    assert derived.counts["ip"] == 8
