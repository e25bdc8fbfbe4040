# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bundle goes to a store that speaks S3, is proven to be there, and is never lost when it is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .cases import Case, run_playbook
from .conftest import Kubectl, bulk, pod_manifest
from .patience import PATIENCE
from .store import BUCKET, SECRET, USER, Delivery, Store, delivery, free_port, running

PREFIX = "incidents/2026"


@pytest.fixture(scope="module")
def delivering() -> Delivery:
    return delivery()


@pytest.fixture(scope="module")
def store(delivering: Delivery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with running(delivering, tmp_path_factory.mktemp("store")) as it:
        it.bucket(BUCKET, PREFIX)
        yield it


@pytest.fixture(scope="module")
def done(kubectl: Kubectl) -> str:
    """A pod that has finished: it takes no debugger, and its bundle is what the API says."""
    manifest = pod_manifest("done", "incident.test/app:nonroot", container={"args": ["--exit-after", "1s"]})
    manifest["spec"]["restartPolicy"] = "Never"
    kubectl.apply(manifest)
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    return "done"


@pytest.fixture(scope="module")
def api(kubectl: Kubectl) -> str:
    """A pod that runs, so that nothing but the delivery can make the play fail."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


@pytest.fixture
def take(kubectl: Kubectl, store: Store, done: str, tmp_path: Path) -> Any:
    """Takes a bundle of it, for a bucket; asserts that nothing secret is printed, not even at -vvv."""

    def run(environment: dict[str, str] | None = None, **variables: Any) -> Case:
        given = {"namespace": kubectl.namespace, "pod": done, "archive": "gz"}
        where = {"deliver_s3_bucket": BUCKET, "deliver_s3_prefix": PREFIX, "deliver_s3_endpoint_url": store.address}
        case = run_playbook(
            "evidence_bundle",
            tmp_path,
            {**given, **where, **variables},
            "-vvv",
            environment=environment or store.user(),
        )
        assert SECRET not in case.printed
        assert "X-Amz-Signature" not in case.printed
        return case

    return run


def archive_of(case: Case) -> bytes:
    return case.folder.with_name("case.tar.gz").read_bytes()


def assert_nothing_is_lost(case: Case, why: str) -> None:
    """What is said at the end says why, and where the archive is; it is there, and so is the report."""
    (said,) = {
        row for row in case.printed.splitlines() if row.lstrip().startswith('"The archive is not proven to be at s3://')
    }
    assert why in said
    assert f"Archive: {case.folder.with_name('case.tar.gz')}, sha256" in case.printed
    assert (case.folder / "report.html").is_file()
    assert archive_of(case)
    assert run_playbook("evidence_verify", case.folder.parent, {"path": f"{case.folder}.tar.gz"}).status == 0
    # what was read back is not left behind
    assert list(case.folder.parent.glob(".read-back-*")) == []


def test_who_may_do_what_the_documentation_says_delivers_and_it_is_read_back(store: Store, api: str, take: Any) -> None:
    case = take(pod=api, files=["/data/app.log"])
    assert case.status == 0, case.printed[-3000:]
    archive = archive_of(case)
    assert (store.folder / BUCKET / PREFIX / "case.tar.gz").read_bytes() == archive
    assert f"Delivered to s3://{BUCKET}/{PREFIX}/case.tar.gz, and read back" in case.printed
    about = store.folder.with_name("about") / BUCKET / PREFIX / "case.tar.gz" / "meta"
    assert hashlib.sha256(archive).hexdigest().encode() in b"".join(path.read_bytes() for path in about.iterdir())
    assert list(case.folder.parent.glob(".read-back-*")) == []


@pytest.mark.bulk
def test_what_is_there_already_stays_and_is_not_taken_for_the_archive(store: Store, take: Any) -> None:
    other = store.folder / BUCKET / PREFIX / "other" / "case.tar.gz"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"evidence of another case")
    case = take(deliver_s3_prefix=f"/{PREFIX}/other/")
    assert_nothing_is_lost(case, "what came back is something else")
    assert other.read_bytes() == b"evidence of another case"


@pytest.mark.bulk
def test_a_store_that_does_not_know_the_secret_makes_the_play_fail_after_the_report(
    store: Store, api: str, take: Any
) -> None:
    other = "another-secret-77e1"
    case = take(store.user(other), pod=api)
    assert case.status == 2
    assert other not in case.printed
    assert_nothing_is_lost(case, "Forbidden")
    assert f"It is still at {case.folder}.tar.gz." in case.printed


@pytest.mark.parametrize("why", [bulk("bucket"), bulk("prefix"), "certificate", bulk("endpoint"), bulk("credentials")])
def test_a_store_that_does_not_take_it_is_named_and_nothing_is_lost(store: Store, take: Any, why: str) -> None:
    environment, variables, said = store.user(), {}, ""
    match why:
        case "bucket":
            variables, said = {"deliver_s3_bucket": "nowhere"}, "'nowhere' not found"
        case "prefix":
            variables, said = {"deliver_s3_prefix": "not/mine"}, "Forbidden"
        case "certificate":
            environment, said = store.user(AWS_CA_BUNDLE=""), "certificate"
        case "endpoint":
            variables = {"deliver_s3_endpoint_url": f"https://127.0.0.1:{free_port()}"}
            said = "Could not connect to the endpoint URL"
        case "credentials":
            environment = store.user(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
            said = "Unable to locate credentials"
    assert_nothing_is_lost(take(environment, **variables), said)


def test_without_the_collection_nothing_begins_and_what_to_install_is_said(take: Any, store: Store) -> None:
    case = take({"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET})
    assert case.status == 2
    assert "Delivery to S3 needs the collection amazon.aws" in case.printed
    assert not case.folder.exists()
