# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster of an older Kubernetes is pinned whole, and shares nothing with the checkout's own but what is the same."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
sys.path.insert(0, str(CLUSTER))

from onenode import build, places, publish  # noqa: E402
from onenode.say import Stop  # noqa: E402

RELEASES = sorted(path.stem for path in build.RELEASES.glob("*.mod"))


@pytest.mark.parametrize("release", RELEASES)
def test_every_staging_module_is_of_the_release(release: str) -> None:
    pins = (build.RELEASES / f"{release}.mod").read_text(encoding="utf-8")
    ((version,),) = [re.findall(r"^\s+k8s\.io/kubernetes v(\S+)$", pins, re.MULTILINE)]
    replaced = re.findall(r"^\s+(\S+) => (\S+) v0\.(\S+)$", pins, re.MULTILINE)
    assert version.startswith(f"{release}.")
    assert len(replaced) > 20
    assert {(name == other, f"1.{minor}") for name, other, minor in replaced} == {(True, version)}
    assert (build.RELEASES / f"{release}.sum").stat().st_size


@pytest.mark.parametrize("release", RELEASES)
def test_only_kubernetes_differs_and_says_its_version(release: str) -> None:
    ours, older = ({group.name: group for group in groups} for groups in (build.GROUPS, build.groups_of(release)))
    assert {name for name in ours if ours[name] != older[name]} == {"kubernetes", "kubectl"}
    (said,) = (
        word for word in older["kubernetes"].defines if word.startswith("k8s.io/component-base/version.gitVersion")
    )
    assert said.partition("=v")[2].startswith(f"{release}.")


def test_a_release_that_nobody_pinned_is_refused_with_those_that_are() -> None:
    with pytest.raises(Stop, match=", ".join(RELEASES)):
        build.groups_of("1.2")


def test_names_on_the_machine_tell_the_clusters_of_a_checkout_apart() -> None:
    every = [places.places(), *map(places.places, RELEASES)]
    for name in ("ident", "published", "home", "cgroup", "bridge"):
        assert len({getattr(place, name) for place in every}) == len(every), name


def test_what_another_checkout_published_stays_where_this_ones_place_is_a_link_to_it(tmp_path: Path) -> None:
    theirs, link = tmp_path / "theirs", tmp_path / "link"
    theirs.mkdir()
    (theirs / "kubeconfig").write_text("theirs")
    link.symlink_to(theirs)
    publish.withdraw(dataclasses.replace(places.places(), published=link))
    assert not link.is_symlink()
    assert (theirs / "kubeconfig").read_text() == "theirs"
