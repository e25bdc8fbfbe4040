# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster's images are made from files alone, so that the same files give the same digest on any day."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
sys.path.insert(0, str(CLUSTER))

from onenode import apps, images, tarball  # noqa: E402

PROGRAM = b"\x7fELF pretend program"
MAKE = """
import hashlib, io, sys
sys.path.insert(0, sys.argv[1])
from onenode import apps, images, tarball
made = [images.pause(b"p"), *images.busybox(b"b", ["bin/sh", "usr/bin/env"]), *apps.images(b"a")]
out = io.BytesIO()
print(sorted(tarball.archive(made, out).items()), hashlib.sha256(out.getvalue()).hexdigest())
"""


def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer), errors="surrogateescape") as tar:
        return {info.name: info for info in tar}


def test_two_runs_give_the_same_digests() -> None:
    """Each run gets another hash seed, another time zone and another umask: none of them may show."""
    said = [
        subprocess.run(
            [sys.executable, "-c", MAKE, str(CLUSTER)],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            umask=mask,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone, mask in (("1", "UTC", 0o022), ("2", "Asia/Kolkata", 0o077))
    ]
    assert said[0] == said[1]
    assert "sha256:" in said[0]


def test_the_order_in_which_files_are_named_does_not_matter() -> None:
    entries = apps.files("nonroot")
    assert tarball.layer(entries) == tarball.layer(reversed(entries))


def test_nothing_in_a_layer_depends_on_the_day() -> None:
    assert {info.mtime for info in members(tarball.layer(apps.files("root"))).values()} == {0}


def test_a_folder_comes_before_what_is_in_it() -> None:
    names = list(members(tarball.layer(apps.files("root"))))
    assert names.index("data") < names.index("data/private") < names.index("data/private/notes.txt")


def test_names_are_kept_to_the_byte() -> None:
    found = {name.encode(errors="surrogateescape") for name in members(tarball.layer(apps.files("root")))}
    assert b"data/latin-\xe9.txt" in found
    assert b"data/odd 'name'\nwith \"quotes\".txt" in found


def test_only_the_app_itself_may_read_its_files() -> None:
    for name, flavour in apps.FLAVOURS.items():
        found = members(tarball.layer(apps.files(name)))
        for path in ("data/app.log", "etc/app/config.yaml", "data/private/notes.txt"):
            assert (found[path].mode, found[path].uid, found[path].gid) == (0o600, *flavour.owner)


def test_an_absolute_link_leads_to_another_file_in_a_toolbox() -> None:
    app = members(tarball.layer(apps.files("root")))
    toolbox, _for_a_user = images.busybox(PROGRAM, ["bin/sh"])
    assert app["etc/app/release"].linkname == "/etc/os-release"
    assert app["etc/os-release"].size != members(toolbox.layers[0])["etc/os-release"].size


def test_flavours_whose_programs_have_one_mode_share_its_layer() -> None:
    out = io.BytesIO()
    made = apps.images(PROGRAM * 1000)
    digests = tarball.archive(made, out)
    assert len(digests) == len(apps.FLAVOURS)
    modes = {flavour.program_mode for flavour in apps.FLAVOURS.values()}
    assert out.getvalue().count(PROGRAM * 1000) == len(modes) < len(apps.FLAVOURS)


def test_an_archive_names_its_images_as_containerd_reads_them() -> None:
    out = io.BytesIO()
    digests = tarball.archive([images.pause(PROGRAM)], out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        (manifest,) = json.load(index)["manifests"]
        assert f"blobs/{manifest['digest'].replace(':', '/')}" in tar.getnames()
    assert manifest["annotations"]["io.containerd.image.name"] == images.PAUSE
    assert manifest["digest"] == digests[images.PAUSE]
