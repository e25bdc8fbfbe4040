# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod names its files as it likes: whatever it chooses, a copy for sharing has all of them, each under a name that can be."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import packed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import problems
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.redactor import Redactor
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import SharedNames, derive
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import place, sealed, whats

# each becomes more than twice as long
ADDRESSES = b"-".join(b"1.1.1.%d" % number for number in range(2, 30))
DEEP = b"/".join([b"1.1.1.2"] * 90)
DEEPER = b"/".join([b"d"] * 400)


def named() -> SharedNames:
    return SharedNames(Redactor(b"salt"), 20, [b"manifest.json"])


def test_a_name_is_replaced_and_the_same_name_is_the_same_again() -> None:
    names = named()
    found = names.of(b"shop/jane@shop.example/10.9.8.7.log")
    assert re.fullmatch(rb"shop/\[email-[0-9a-f]{12}\]/\[ip-[0-9a-f]{12}\]\.log", found)
    assert names.of(b"shop/jane@shop.example/10.9.8.7.log") == found
    assert names.of(b"shop/jane@shop.example") == found.rpartition(b"/")[0]
    assert names.of(b"shop/plain.txt") == b"shop/plain.txt"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"d/a@shop.io", b"d/A@shop.io"),
        # one is a folder
        (b"d/a@shop.io/x", b"d/A@shop.io"),
        (b"d/a@shop.io/x", b"d/A@shop.io/x"),
        # one is what the other becomes
        (b"d/a@shop.io", b"d/" + Redactor(b"salt").text(b"a@shop.io")),
        (b"d/" + Redactor(b"salt").text(b"a@shop.io"), b"d/a@shop.io"),
    ],
)
def test_two_names_do_not_become_one(one: bytes, other: bytes) -> None:
    names = named()
    first, second = names.of(one), names.of(other)
    assert first != second
    assert not second.startswith(first + b"/")
    assert not first.startswith(second + b"/")
    assert (names.of(one), names.of(other)) == (first, second)


def test_a_marker_that_is_taken_gets_a_number() -> None:
    names = named()
    mark = Redactor(b"salt").mark("name", b"A@shop.io")
    assert names.of(mark) == mark
    assert names.of(b"a@shop.io") != names.of(b"A@shop.io") == mark + b"-2"


@pytest.mark.parametrize(
    "name", [b"d/" + ADDRESSES, ADDRESSES + b"/" + ADDRESSES, DEEP, DEEPER, b"/".join([ADDRESSES] * 16)]
)
def test_no_name_and_no_path_becomes_longer_than_one_can_be(name: bytes) -> None:
    found = named().of(name)
    assert all(len(part) <= 255 for part in found.split(b"/"))
    assert len(found) + 20 < 4096
    assert found.count(b"/") < 100


def test_what_is_too_deep_has_a_place_of_its_own_and_stays_apart_from_its_folders() -> None:
    names = named()
    found = [names.of(DEEPER), names.of(DEEPER + b"/x"), names.of(DEEPER + b"/y"), names.of(b"d/d")]
    assert len(set(found)) == 4
    assert not [pair for pair in pairwise(sorted(found)) if pair[1].startswith(pair[0] + b"/")]


def test_links_lead_to_what_they_led_to_wherever_that_is_now() -> None:
    names = named()
    assert names.link(b"d/link", b"./x/../x/plain") == b"./x/../x/plain"
    assert names.link(b"d/link", b".") == b"."
    names.of(b"d/a@shop.io")
    assert names.link(b"d/link", b"A@shop.io") == names.of(b"d/A@shop.io").removeprefix(b"d/")
    assert names.link(DEEPER, b"../near") == names.of(DEEPER.rpartition(b"/")[0].rpartition(b"/")[0] + b"/near")
    assert names.link(b"d/e/link", b"../../" + DEEPER) == b"../../" + names.of(DEEPER)
    # what leads out is only text, and may be too long
    assert b"10.9.8.7" not in names.link(b"d/link", b"/srv/10.9.8.7")
    assert b"hunter2" not in names.link(b"d/link", b"token=hunter2/../x")
    assert len(names.link(b"d/link", b"/" + b"/".join([b"1.1.1.2"] * 500))) < 4096


def test_a_bundle_of_the_worst_names_has_a_copy_that_holds_all_of_them(tmp_path: Path) -> None:
    files = {
        b"d/a@shop.io": b"1",
        b"d/A@shop.io": b"2",
        b"d/b@shop.io/x": b"3",
        b"d/B@shop.io": b"4",
        b"d/" + ADDRESSES: b"5",
        DEEP + b"/x": b"6",
        DEEPER[:601] + b"/x": b"7",
        b"d/1.2.3.4\n\xff": b"8",
    }
    links = {
        b"d/second": b"A@shop.io",
        b"d/long": ADDRESSES,
        b"d/deep": b"../" + DEEPER[:601] + b"/x",
        DEEPER[:601] + b"/back": b"x",
        b"d/gone": b"token=a/x",
    }
    original = sealed(tmp_path / "case", files, links)
    copy = tmp_path / "copy"
    derive(original, copy, b"salt", [])
    content = read_folder(copy)
    assert problems(content) == []
    about = set(whats(copy))
    assert len(about) == len(files) + len(links)
    data = sorted(place(copy, name).read_bytes() for name in content.files)
    assert [entry for entry in data if len(entry) == 1] == sorted(files.values())
    led = sorted(place(copy, name).read_bytes() for name in content.links if place(copy, name).exists())
    assert led == [b"2", b"5", b"7", b"7"]
    assert packed(copy, "gz")["archive"]
