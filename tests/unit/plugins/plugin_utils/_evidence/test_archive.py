# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An archive of a bundle: whatever a tar program could make of it other than what was sealed is found."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import pack
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import members, read_archive
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import Problem, problems
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import (
    CODECS,
    kinds,
    seal,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

BLOCK = 512
LONG = b"fetched_files/" + b"/".join([b"n" * 90] * 3)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a small bundle with a long name and a long link; it stays as it is."""
    folder = tmp_path_factory.mktemp("packed") / "case"
    write(folder, b"shop/processes.txt", b"genuine\n")
    write(folder, LONG, b"evidence" * 100)
    (folder / "link").symlink_to("shop/" + "x" * 200)
    seal(folder)
    pack(folder, folder.with_name("case.tar.gz"), "gz")
    return folder.with_name("case.tar.gz")


@pytest.fixture(scope="module")
def data(packed: Path) -> bytes:
    """The archive, not compressed."""
    return gzip.decompress(packed.read_bytes())


def judged(folder: Path, tar: bytes, codec: str = "gz") -> list[Problem]:
    """What is said of an archive."""
    path = folder / f"judged.tar.{codec}"
    if codec == "gz":
        path.write_bytes(gzip.compress(tar, compresslevel=1))
    else:
        path.write_bytes(subprocess.run(["zstd", "-q", "-c"], input=tar, capture_output=True, check=True).stdout)
    return problems(read_archive(path))


def member(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", form: int = tarfile.GNU_FORMAT
) -> bytes:
    """One member as it stands in an archive."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, len(content), link
    return made.tobuf(form) + content + bytes(-len(content) % BLOCK)


def end_of(tar: bytes) -> int:
    """Where the end mark begins."""
    return -(-len(tar.rstrip(b"\0")) // BLOCK) * BLOCK


FORGED = member("case/shop/processes.txt", b"forged\n") + member("case/extra.txt", b"extra")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("gap", [b"X" * BLOCK, bytes(BLOCK), bytes(2 * BLOCK), bytes(20 * BLOCK), b""])
def test_members_behind_what_looks_like_the_end_are_found(data: bytes, tmp_path: Path, codec: str, gap: bytes) -> None:
    """GNU tar skips a header that is none and goes on; what it finds there is written over what was before."""
    assert judged(tmp_path, data, codec) == []
    end = end_of(data)
    found = judged(tmp_path, data[:end] + gap + FORGED + bytes(2 * BLOCK), codec)
    assert {problem.kind for problem in found} <= {"archive", "extra"}
    assert found


def test_gnu_tar_writes_forged_evidence_from_such_an_archive(data: bytes, tmp_path: Path) -> None:
    end = end_of(data)
    archive = tmp_path / "forged.tar"
    archive.write_bytes(data[:end] + b"X" * BLOCK + FORGED + bytes(2 * BLOCK))
    subprocess.run(["tar", "-xf", str(archive), "-C", str(tmp_path)], capture_output=True, check=False)
    assert (tmp_path / "case" / "shop" / "processes.txt").read_bytes() == b"forged\n"


@given(drawn=st.data())
def test_every_flipped_byte_of_an_archive_is_found(
    data: bytes, tmp_path_factory: pytest.TempPathFactory, drawn: st.DataObject
) -> None:
    # a first member that is broken is told otherwise: then it is no archive at all
    at = drawn.draw(st.integers(BLOCK, len(data) - 1))
    flip = drawn.draw(st.integers(1, 255))
    changed = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
    assert judged(tmp_path_factory.mktemp("flipped"), changed) != []


@pytest.mark.parametrize("cut", [1, BLOCK, 1024])
def test_an_archive_without_its_end_is_found(data: bytes, tmp_path: Path, cut: int) -> None:
    assert {problem.kind for problem in judged(tmp_path, data[: end_of(data) + BLOCK * 2 - cut])} == {"archive"}


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: packed[:-1] + bytes([packed[-1] ^ 1]),
        lambda packed: packed[:-4],
        lambda packed: packed + b"junk",
    ],
    ids=["checksum", "length", "cut", "junk"],
)
def test_the_end_of_the_compressed_stream_is_read(
    packed: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "case.tar.gz"
    path.write_bytes(change(packed.read_bytes()))
    with pytest.raises((OSError, EOFError)):
        read_archive(path)


@pytest.mark.parametrize("change", [lambda packed: packed[:-1], lambda packed: packed + b"junk"], ids=["cut", "junk"])
def test_the_end_of_a_stream_of_zstd_is_read(data: bytes, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    assert judged(tmp_path, data, "zst") == []
    path = tmp_path / "judged.tar.zst"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(OSError, match="zstd ended with status"):
        read_archive(path)


@pytest.mark.parametrize("drained", [b"", bytes(1 << 20) + b"more"])
def test_a_stream_of_zstd_is_read_to_its_end_where_the_archive_is_not(
    data: bytes, tmp_path: Path, drained: bytes
) -> None:
    assert kinds(judged(tmp_path, data[: end_of(data)] + b"X" * BLOCK + drained, "zst")) == {("archive", "")}


@pytest.mark.parametrize(
    ("added", "found"),
    [
        (member("case/shop/processes.txt", b"forged\n"), {("extra", "case/shop/processes.txt")}),
        (member("case/shop/processes.txt/", kind=tarfile.DIRTYPE), {("extra", "case/shop/processes.txt/")}),
        (member("case/link/", kind=tarfile.DIRTYPE), {("extra", "case/link/")}),
        (member("case/shop//processes.txt", b"forged\n"), {("extra", "case/shop//processes.txt")}),
        (member("case/./shop/processes.txt", b"forged\n"), {("extra", "case/./shop/processes.txt")}),
        (member("case/../case/shop/processes.txt", b""), {("extra", "case/../case/shop/processes.txt")}),
        (member("case/new/", b""), {("extra", "case/new/")}),
        (member("case", b"a file"), {("extra", "case")}),
        (member("/case/x", b"a file"), {("extra", "/case/x")}),
        (member("other/x", b"a file"), {("extra", "other/x")}),
        (member("case/hard", kind=tarfile.LNKTYPE, link="case/shop/processes.txt"), {("extra", "hard")}),
        (member("case/null", kind=tarfile.CHRTYPE), {("extra", "null")}),
        (member("case/pipe", kind=tarfile.FIFOTYPE), {("extra", "pipe")}),
        (member("case/more/", kind=tarfile.DIRTYPE), set()),
        # these hold what programs do not agree about, so nothing is read behind them
        (member("case/pipe", b"data", kind=tarfile.FIFOTYPE), {("archive", "")}),
        (member("case/more/", b"data", kind=tarfile.DIRTYPE), {("archive", "")}),
        (member("case/sparse", kind=tarfile.GNUTYPE_SPARSE), {("archive", "")}),
        (member("case/volume", kind=b"V"), {("archive", "")}),
        (member("case/dump", b"", kind=b"D"), {("archive", "")}),
        (member("case/ustar", b"a file", form=tarfile.USTAR_FORMAT), {("archive", "")}),
        (member("case/" + "n" * 100, b"a file", form=tarfile.PAX_FORMAT), {("archive", "")}),
        (member("././@LongLink", b"case/shop/processes.txt\0", kind=b"L"), {("archive", "")}),
        (member("././@LongLink", b"case/a\0b\0", kind=b"L") + member("case/x"), {("archive", "")}),
        (member("././@LongLink", b"case/a\0", kind=b"L") * 2 + member("case/x"), {("archive", "")}),
        (member("././@LongLink", bytes(2 << 20), kind=b"L") + member("case/x"), {("archive", "")}),
        (member("././@LongLink", b"", kind=b"L") + member("case/x"), {("archive", "")}),
    ],
)
def test_members_that_a_tar_program_could_take_for_others_are_found(
    data: bytes, tmp_path: Path, added: bytes, found: set[tuple[str, str]]
) -> None:
    end = end_of(data)
    assert kinds(judged(tmp_path, data[:end] + added + data[end:])) == found


@pytest.mark.parametrize("first", [b"", b"no archive", b"X" * 4 * BLOCK, FORGED[1:]])
def test_what_is_no_archive_is_refused(tmp_path: Path, first: bytes) -> None:
    with pytest.raises(ValueError, match="archive"):
        judged(tmp_path, first)


def test_an_empty_archive_is_no_sealed_bundle(tmp_path: Path) -> None:
    assert kinds(judged(tmp_path, bytes(20 * BLOCK))) == {("seal", "SHA256SUMS")}


def test_what_gnu_tar_packs_is_read_as_well(packed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    words = ["tar", "--create", "--format=gnu", "--file", str(again), "--directory", str(packed.parent), "case"]
    subprocess.run(words, check=True)
    assert judged(tmp_path, again.read_bytes()) == []


def test_a_file_of_eight_gibibytes_and_more_has_its_size() -> None:
    made = tarfile.TarInfo("case/memory.bin")
    made.size = 9 << 30
    found = next(members(io.BytesIO(made.tobuf(tarfile.GNU_FORMAT))))
    assert (found.name, found.size) == (b"case/memory.bin", 9 << 30)


def test_faults_of_the_archive_of_a_case_that_is_not_sealed_are_told_too(tmp_path: Path) -> None:
    found = judged(tmp_path, member("case/acquisition.jsonl") + b"X" * BLOCK)
    assert kinds(found) == {("archive", ""), ("seal", "SHA256SUMS")}
