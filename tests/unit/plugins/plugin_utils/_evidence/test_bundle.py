# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sealed bundle: other people's tools agree with it, and whatever is changed afterwards is found."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.archive import pack
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_archive, read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import parse_sums, sums, sums_line
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.compressed import Codec
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import problems
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.signature import sign
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import CODECS, kinds, seal, write
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

# what a target can call a file, and what a shell, a terminal or a parser could make of it
HOSTILE = [
    b"plain.txt",
    b"new\nline",
    b"carriage\rreturn\r",
    b"back\\slash\\n",
    b"\\",
    b"-",
    b"--check",
    b" two  spaces ",
    b"*star",
    b"$(touch owned)",
    b"'quote\"",
    b"\x1b[2Jescape",
    "\u202egnp.exe".encode(),
    b"not\xffutf8",
    b"n" * 255,
]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sealed bundle with hostile names, an empty file, and links."""
    folder = tmp_path / "case"
    for index, name in enumerate(HOSTILE):
        write(folder, b"fetched_files/shop/" + name, bytes([index]) * index)
    (folder / "fetched_files" / "link").symlink_to("shop/plain.txt")
    (folder / "fetched_files" / "dangling").symlink_to("nowhere\n")
    seal(folder)
    return folder


def test_what_was_sealed_is_intact(bundle: Path) -> None:
    content = read_folder(bundle)
    assert problems(content, content.files[b"SHA256SUMS"]) == []
    assert len(content.files) == len(HOSTILE) + 3


def test_sha256sum_accepts_it_whatever_files_are_called(bundle: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=bundle, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b": OK\n") == len(HOSTILE) + 2


def test_a_line_is_as_sha256sum_writes_it(bundle: Path) -> None:
    folder = bundle / "fetched_files" / "shop"
    names = sorted(os.fsencode(path.name) for path in folder.iterdir())
    printed = subprocess.run(
        ["sha256sum", "--", *names], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    files = read_folder(folder).files
    # a file of the name - is standard input for sha256sum's command line, not for its lists
    assert printed.stdout.count(b"\n") == len(names)
    for name in set(names) - {b"-"}:
        assert sums_line(files[name], name) in printed.stdout


@pytest.mark.parametrize("codec", CODECS)
def test_an_archive_is_intact_and_tar_unpacks_the_same(bundle: Path, tmp_path: Path, codec: Codec) -> None:
    if codec == "zst":
        assert shutil.which("zstd"), "the tests need the program zstd"
    archive = tmp_path / f"case.tar.{codec}"
    pack(bundle, archive, codec)
    assert archive.stat().st_mode & 0o777 == 0o600
    content = read_archive(archive)
    assert problems(content) == []
    assert content == read_folder(bundle)
    there = tmp_path / "there"
    there.mkdir()
    subprocess.run(["tar", "--extract", "--file", str(archive), "--directory", str(there)], check=True)
    assert read_folder(there / "case") == content


def test_the_same_content_is_the_same_archive(bundle: Path, tmp_path: Path) -> None:
    for name in ("one.tar.gz", "two.tar.gz"):
        pack(bundle, tmp_path / name, "gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


@pytest.mark.parametrize("text", ["/etc/passwd", "../../outside", "shop/../../../x"])
def test_no_link_that_leads_out_is_packed_and_no_archive_stays(bundle: Path, tmp_path: Path, text: str) -> None:
    (bundle / "fetched_files" / "out").symlink_to(text)
    with pytest.raises(ValueError, match="leads out"):
        pack(bundle, tmp_path / "case.tar.gz", "gz")
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_a_pipe_is_neither_packed_nor_waited_for(bundle: Path, tmp_path: Path) -> None:
    os.mkfifo(bundle / "pipe")
    with pytest.raises(OSError, match="no file"):
        pack(bundle, tmp_path / "case.tar.gz", "gz")
    assert kinds(problems(read_folder(bundle))) == {("extra", "pipe")}


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


PLAIN = "fetched_files/shop/plain.txt"


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda folder: change(folder / PLAIN), {("changed", PLAIN)}),
        (lambda folder: (folder / PLAIN).unlink(), {("missing", PLAIN)}),
        (lambda folder: change(folder / "new"), {("extra", "new")}),
        (lambda folder: (folder / PLAIN).rename(folder / "moved"), {("missing", PLAIN), ("extra", "moved")}),
        (lambda folder: change(folder / "manifest.json"), {("changed", "manifest.json")}),
        (lambda folder: (folder / "SHA256SUMS").unlink(), {("seal", "SHA256SUMS")}),
        (lambda folder: relink(folder / "fetched_files" / "link"), {("changed", "fetched_files/link")}),
        (lambda folder: (folder / "fetched_files" / "link").unlink(), {("missing", "fetched_files/link")}),
        (lambda folder: (folder / "more").symlink_to("x"), {("extra", "more")}),
    ],
)
def test_what_is_changed_added_or_taken_away_is_found(
    bundle: Path, tamper: Callable[[Path], None], found: set[tuple[str, str]]
) -> None:
    if found == {("extra", "new")}:
        (bundle / "new").touch()
    tamper(bundle)
    assert found <= kinds(problems(read_folder(bundle)))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("how", ["changed", "removed", "doubled"])
def test_a_line_of_the_log_is_missed_even_where_the_bundle_was_sealed_anew(bundle: Path, place: int, how: str) -> None:
    """Whoever changes the log and SHA256SUMS, but neither all later lines nor the manifest, is found by the log itself."""
    before = read_folder(bundle).files[b"SHA256SUMS"]
    log = bundle / "acquisition.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[place : place + 1] = {
        "changed": [lines[place].replace(b'"action"', b'"Action"')],
        "removed": [],
        "doubled": [lines[place], lines[place]],
    }[how]
    log.write_bytes(b"".join(lines))
    (bundle / "SHA256SUMS").write_bytes(
        sums({k: v for k, v in read_folder(bundle).files.items() if k != b"SHA256SUMS"})
    )
    content = read_folder(bundle)
    assert kinds(problems(content)) == {("log", "acquisition.jsonl")}
    # and by the hash that was written down
    assert ("seal", "SHA256SUMS") in kinds(problems(content, before))


def test_a_bundle_that_was_sealed_anew_is_told_by_the_hash_that_was_written_down(bundle: Path) -> None:
    before = read_folder(bundle).files[b"SHA256SUMS"]
    change(bundle / PLAIN)
    for name in ("SHA256SUMS", "manifest.json", "acquisition.jsonl"):
        (bundle / name).unlink()
    seal(bundle)
    content = read_folder(bundle)
    assert problems(content) == []
    assert kinds(problems(content, before)) == {("seal", "SHA256SUMS")}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle that stays as it is: bytes are flipped and flipped back."""
    folder = tmp_path_factory.mktemp("sealed") / "case"
    write(folder, b"shop/new\nline", b"evidence")
    seal(folder)
    return folder


@given(data=st.data())
def test_every_flipped_byte_of_every_file_is_found(sealed: Path, data: st.DataObject) -> None:
    files = sorted(path for path in sealed.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    good = path.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    path.write_bytes(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :])
    try:
        assert problems(read_folder(sealed)) != []
    finally:
        path.write_bytes(good)
    assert problems(read_folder(sealed)) == []


NAMES = st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name)


@given(hashes=st.dictionaries(NAMES, st.text("0123456789abcdef", min_size=64, max_size=64)))
def test_sums_are_read_as_they_were_written(hashes: dict[bytes, str]) -> None:
    assert parse_sums(sums(hashes)) == hashes


@pytest.mark.parametrize(
    "text",
    [
        b"no line",
        b"a" * 63 + b"  short\n",
        b"A" * 64 + b"  upper\n",
        b"a" * 64 + b" *binary\n",
        b"\\" + b"a" * 64 + b"  nothing-to-escape\n",
        b"a" * 64 + b"  b\n" + b"a" * 64 + b"  a\n",
        b"a" * 64 + b"  a\n" + b"b" * 64 + b"  a\n",
        b"a" * 64 + b"  no-end",
    ],
)
def test_sums_that_were_written_otherwise_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"line \d|as it was written"):
        parse_sums(text)


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "other/file", "case/../../out"])
def test_an_archive_with_a_member_elsewhere_is_not_intact(bundle: Path, tmp_path: Path, name: str) -> None:
    archive = tmp_path / "case.tar.gz"
    pack(bundle, archive, "gz")
    again = tmp_path / "again.tar.gz"
    with tarfile.open(archive) as old, tarfile.open(again, "w:gz", format=tarfile.GNU_FORMAT) as new:
        for member in old:
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
        new.addfile(tarfile.TarInfo(name))
    assert {problem.kind for problem in problems(read_archive(again))} == {"extra"}
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes keys as an examiner has them; the public one stands beside it."""
    folder = tmp_path_factory.mktemp("keys")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    return make


def public(key: Path) -> str:
    return key.with_name(f"{key.name}.pub").read_text(encoding="utf-8")


def test_a_signature_is_the_key_s_and_nobody_else_s(bundle: Path, keys: Callable[[str], Path]) -> None:
    assert kinds(problems(read_folder(bundle), "", public(keys("mine")))) == {("signature", "SHA256SUMS.sig")}
    sign(bundle, str(keys("mine")))
    content = read_folder(bundle)
    assert problems(content) == []
    assert problems(content, "", public(keys("mine"))) == []
    assert kinds(problems(content, "", public(keys("other")))) == {("signature", "SHA256SUMS.sig")}
    # sealed anew by one who has not the key
    change(bundle / PLAIN)
    for name in ("SHA256SUMS", "manifest.json", "acquisition.jsonl"):
        (bundle / name).unlink()
    before = (bundle / "SHA256SUMS.sig").read_bytes()
    (bundle / "SHA256SUMS.sig").unlink()
    seal(bundle)
    (bundle / "SHA256SUMS.sig").write_bytes(before)
    content = read_folder(bundle)
    assert problems(content) == []
    assert kinds(problems(content, "", public(keys("mine")))) == {("signature", "SHA256SUMS.sig")}


def test_a_signature_for_something_else_proves_nothing(bundle: Path, keys: Callable[[str], Path]) -> None:
    words = ["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", str(keys("mine")), str(bundle / "SHA256SUMS")]
    subprocess.run(words, check=True)
    assert kinds(problems(read_folder(bundle), "", public(keys("mine")))) == {("signature", "SHA256SUMS.sig")}


def test_a_key_with_a_passphrase_is_refused_without_a_question(bundle: Path, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a phrase", "-f", str(key)], check=True)
    with pytest.raises(ValueError, match="cannot sign"):
        sign(bundle, str(key))
    assert not (bundle / "SHA256SUMS.sig").exists()


def cosign_signature(key: EllipticCurvePrivateKey, bundle: Path) -> None:
    """What cosign writes."""
    made = key.sign((bundle / "SHA256SUMS").read_bytes(), ECDSA(SHA256()))
    (bundle / "SHA256SUMS.sig").write_bytes(base64.b64encode(made))


def pem(key: EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_signature_of_cosign_is_the_key_s_and_nobody_else_s(bundle: Path, keys: Callable[[str], Path]) -> None:
    mine, other = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    cosign_signature(mine, bundle)
    content = read_folder(bundle)
    assert problems(content, "", pem(mine)) == []
    # as it comes from a command line that keeps no newlines
    assert problems(content, "", pem(mine).replace("\n", " ")) == []
    for stranger in (pem(other), public(keys("mine"))):
        assert kinds(problems(content, "", stranger)) == {("signature", "SHA256SUMS.sig")}
    (bundle / "SHA256SUMS.sig").write_bytes(b"no base64")
    assert kinds(problems(read_folder(bundle), "", pem(mine))) == {("signature", "SHA256SUMS.sig")}
    sign(bundle, str(keys("mine")))
    assert kinds(problems(read_folder(bundle), "", pem(mine))) == {("signature", "SHA256SUMS.sig")}


def test_a_key_that_cosign_does_not_make_is_refused(bundle: Path) -> None:
    cosign_signature(generate_private_key(SECP256R1()), bundle)
    broken = "-----BEGIN PUBLIC KEY-----\nTm8ga2V5IGF0IGFsbA==\n-----END PUBLIC KEY-----\n"
    for key in (pem(generate_private_key(SECP384R1())), pem(rsa.generate_private_key(65537, 2048)), broken):
        with pytest.raises(ValueError, match="public_key"):
            problems(read_folder(bundle), "", key)


@pytest.mark.parametrize("kind", ["SIGSTORE", "COSIGN"])
def test_a_key_of_cosign_wants_cosign(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    key = tmp_path / "cosign.key"
    key.write_text(f"-----BEGIN ENCRYPTED {kind} PRIVATE KEY-----\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="is a key of cosign, which is not installed here"):
        sign(bundle, str(key))


@pytest.mark.parametrize(
    "text", ["no key", "ssh-ed25519", "ssh-ed25519 AAAA" * 4 + "\nroot ssh-ed25519 BBBB", "-o " + "x" * 20]
)
def test_what_is_no_public_key_is_refused(bundle: Path, keys: Callable[[str], Path], text: str) -> None:
    sign(bundle, str(keys("mine")))
    with pytest.raises(ValueError, match="public_key"):
        problems(read_folder(bundle), "", text)
