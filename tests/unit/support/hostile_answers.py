# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hostile target, debugger, kubelet or API server could answer, each with a name: see test_hostile_answers for the tree
that the honest answers are about.

Names and links are those of kubectl's cp_test (TestUntar) where it has them; sizes, hashes and frames are our protocol's own.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, repeat

from .fake_exec import Change, Lie, frame

MOUNTS, LIST, WALK, READ = b"mountinfo", b"find . ", b"walk ", b"add "
FACTS = b"81a4 0 0 5000 1 1 1 16 1 1 1|.0 |.0 |.0 "
LINK = FACTS.replace(b"81a4", b"a1ff")
FOLDER = FACTS.replace(b"81a4", b"41ed")
OTHER_SHA = hashlib.sha256(b"something else").hexdigest().encode()
# 50 MiB of nothing
BOMB = gzip.compress(bytes(50 << 20), mtime=0)


def swap(pattern: bytes, text: bytes | Callable[[re.Match[bytes]], bytes], times: int = 1) -> Change:
    """Return what matches becomes text."""
    return lambda honest: re.sub(pattern, text, honest, count=times, flags=re.DOTALL)


def adds(text: bytes) -> Change:
    return lambda honest: honest + text


def instead(text: bytes) -> Change:
    return lambda _honest: text


def forever(piece: bytes, before: bytes = b"") -> Change:
    return lambda _honest: chain((before,) if before else (), repeat(piece * max(1, 4096 // len(piece))))


def counting(line: bytes) -> Change:
    """Ten million and more lines, each with a number of its own."""
    return lambda _honest: (b"".join(line % number for number in range(at, at + 200)) for at in count(0, 200))


def listed(place: int, value: bytes, path: bytes = b"one") -> Lie:
    """The listing says another value of the facts of /a/one: 0 mode, 1 uid, 2 gid, 3 size, 4 device, 5 inode, 6 links, 7 blocks, 8 times."""
    before = rb"(//E (?:\S+ ){%d})[^ |]+(?=[^\n]*\|\./%s\n)" % (place, re.escape(path))
    return Lie(LIST, swap(before, lambda found: found[1] + value))


def named(name: bytes) -> Lie:
    """The listing calls /a/one by another name."""
    return Lie(LIST, swap(rb"\|\./one\n", b"|" + name.replace(b"\\", b"\\\\") + b"\n"))


def read(pattern: bytes, text: bytes | Callable[[re.Match[bytes]], bytes]) -> Lie:
    return Lie(READ, swap(pattern, text))


def frames(change: Callable[[bytes], Iterable[bytes]], job: bytes = READ) -> Lie:
    return Lie(job, frames=change)


def after(wire: bytes) -> Callable[[bytes], Iterable[bytes]]:
    return lambda payload: (frame(payload), wire)


def flood(wire: bytes) -> Callable[[bytes], Iterator[bytes]]:
    return lambda _payload: repeat(wire * max(1, 4096 // len(wire)))


def http(line: bytes, *headers: bytes, body: bytes = b"") -> Lie:
    return Lie(
        handshake=instead(
            b"\r\n".join([b"HTTP/1.1 " + line, *headers, b"Content-Length: %d" % len(body), b"", b""]) + body
        )
    )


NAMES = {
    "a name of another directory": named(b"./../escape"),
    "a name that climbs": named(b"./../../../../escape"),
    "a name that climbs in its middle": named(b"./inner/../../../../escape"),
    "a name that climbs at its end": named(b"./inner/.."),
    "an absolute name": named(b"/etc/passwd"),
    "a name of the debugger's own root": named(b"/proc/self/root/etc/passwd"),
    "a double slash": named(b".//one"),
    "a name that is empty": named(b"./"),
    "no name at all": named(b""),
    "the name of the directory itself": named(b"./."),
    "two dots alone": named(b"./.."),
    "a NUL in a name": named(b"./o\0ne"),
    "a name longer than any": named(b"./" + b"x" * 256),
    "a path longer than any": named(b"./" + b"/".join([b"x" * 200] * 30)),
    "a name that is not UTF-8": named(b"./\xff\xfe"),
    "a name that is a record": named(b"./one\n//E " + FACTS + b"|./../escape"),
    "a name of a file that is being written": named(b"./.incident-distroless.0123456789abcdef.part"),
    "a name twice": Lie(LIST, swap(rb"(//E [^\n]*\|\./one\n)", lambda found: found[1] * 2)),
    "a file that is a directory as well": Lie(LIST, adds(b"//E " + FOLDER + b"|./one\n")),
    "a file below a file": Lie(LIST, adds(b"//E " + FACTS + b"|./one/below\n")),
    "a file below a link": Lie(LIST, adds(b"//E " + FACTS + b"|./link/below\n")),
    "a file below a directory that was not listed": Lie(LIST, adds(b"//E " + FACTS + b"|./never/listed/this\n")),
    "ten million names": Lie(LIST, counting(b"//E " + FACTS + b"|./%d\n")),
    "ten million directories": Lie(LIST, counting(b"//E " + FOLDER + b"|./%d\n")),
    "ten million links": Lie(LIST, counting(b"//E " + LINK + b"|./%d\n")),
    "the same name without end": Lie(LIST, forever(b"//E " + FACTS + b"|./one\n")),
}
LINKS = {
    "a link that is absolute": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 11\n./link/etc/passwd\n")),
    "a link that climbs out": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 15\n./link../../../../etc\n")),
    "a link to where it lies": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 1\n./link.\n")),
    "a link without text": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 0\n./link\n")),
    "a link with a NUL": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 3\n./linko\0e\n")),
    "a link's text that is longer than it can be": Lie(LIST, swap(rb"//L 6 3\n", b"//L 6 99999999\n")),
    "a link's text of a negative length": Lie(LIST, swap(rb"//L 6 3\n", b"//L 6 -1\n")),
    "a link's text of a length that is no number": Lie(LIST, swap(rb"//L 6 3\n", b"//L 6 3e9\n")),
    "a link's text that is cut off": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 6 900\n./linkone\n")),
    "the text of a link that is none": Lie(LIST, swap(rb"//L 6 3\n\./linkone\n", b"//L 5 3\n./twoone\n")),
    "texts of links without end": Lie(LIST, forever(b"//L 6 3\n./linkone\n")),
    "a link in the place of a directory with files": Lie(
        LIST,
        swap(rb"//E \S+([^\n]*\|\./inner\n)", lambda found: b"//E a1ff" + found[1] + b"//L 7 9\n./inner../../../\n"),
    ),
}
FACTS_ = {
    "a size below zero": listed(3, b"-1"),
    "a size that no disk has": listed(3, b"9223372036854775807"),
    "a size that no kernel has": listed(3, b"9" * 40),
    "a size of five thousand digits": listed(3, b"9" * 5000),
    "a size that is no number": listed(3, b"many"),
    "a size too large": listed(3, b"5001"),
    "a size too small": listed(3, b"4999"),
    "a size of nothing": listed(3, b"0"),
    "another device": listed(4, b"123456"),
    "another inode": listed(5, b"123456"),
    "an inode below zero": listed(5, b"-5"),
    "a mode that is no number": listed(0, b"xyz"),
    "a mode below zero": listed(0, b"-81a4"),
    "a mode of no kind": listed(0, b"0"),
    "a mode larger than any": listed(0, b"f" * 64),
    "a setuid mode": listed(0, b"89ed"),
    "a device in a file's place": listed(0, b"61b6"),
    "a fifo in a file's place": listed(0, b"11b6"),
    "a directory in a file's place": listed(0, b"41ed"),
    "a link without a text in a file's place": listed(0, b"a1ff"),
    "an owner larger than any": listed(1, b"9" * 30),
    "a time beyond all": listed(8, b"9" * 30),
    "a time before all": listed(8, b"-99999999999"),
    "facts that are missing": Lie(LIST, swap(rb"//E \S+ \S+ ", b"//E ")),
    "facts of too many parts": Lie(LIST, swap(rb"//E ", b"//E 1 2 3 ")),
    "a kind of record that there is none of": Lie(LIST, adds(b"//X what\n")),
    "a line that is no record": Lie(LIST, instead(b"find: not found\n")),
    "no listing": Lie(LIST, instead(b"")),
    "a line without end": Lie(LIST, forever(b"x")),
    "a path without end": Lie(LIST, forever(b"x\n", b"//E " + FACTS + b"|./")),
    "records that are cut off without end": Lie(LIST, forever(b"//C\n")),
    "errors without end": Lie(LIST, stderr=forever(b"find: no\n")),
}
WALKS = {
    "an answer to no question": Lie(WALK, swap(rb"//F 0", b"//F 7")),
    "an answer to a question below zero": Lie(WALK, swap(rb"//F 0", b"//F -1")),
    "an answer to a question of many digits": Lie(WALK, swap(rb"//F 0", b"//F " + b"0" * 5000)),
    "no answer": Lie(WALK, instead(b"")),
    "an unknown reason": Lie(WALK, instead(b"//A 0 Because\n")),
    "a link that leads to itself": Lie(WALK, instead(b"//H 0 2 " + LINK.replace(b"|", b"|", 3) + b"\n//L 2 2\n/a/a\n")),
    "a link beyond the path": Lie(WALK, instead(b"//H 0 99 " + LINK + b"\n")),
    "a link out of the root": Lie(WALK, instead(b"//H 0 2 " + LINK + b"\n//L 1 11\na../../../..\n")),
    "a link into the debugger": Lie(WALK, instead(b"//H 0 2 " + LINK + b"\n//L 1 15\na/proc/self/root\n")),
    "a path that is a device": Lie(WALK, instead(b"//F 0 " + FACTS.replace(b"81a4", b"61b6") + b"\n")),
    "answers without end": Lie(WALK, forever(b"//F 0 " + FACTS + b"\n")),
}
GROUNDS = {
    "no mounts": Lie(MOUNTS, instead(b"")),
    "mounts that cannot be read": Lie(MOUNTS, instead(b"1 2 3\n")),
    "mounts with ids of letters": Lie(MOUNTS, instead(b"a b 0:1 / / rw - ext4 x rw\n")),
    "mounts with ids below zero": Lie(MOUNTS, instead(b"-5 -6 0:1 / / rw - ext4 x rw\n")),
    "mounts without a root": Lie(MOUNTS, instead(b"5 6 0:1 / /elsewhere rw - ext4 x rw\n")),
    "mounts without end": Lie(MOUNTS, forever(b"5 6 0:1 / / rw - ext4 x rw\n")),
    "mounts that are not the kernel's": Lie(MOUNTS, instead(b"5 6 0:1 / / rw - ext4 x rw\n")),
}
READS = {
    "a hash of other bytes": read(rb"(end 0 ok \d+ \d+ \d+ )[0-9a-f]{64}", lambda found: found[1] + OTHER_SHA),
    "a hash of other bytes in a group": read(rb"[0-9a-f]{64}(?=  /proc/self/fd/)", OTHER_SHA),
    "hashes of each other": Lie(
        READ,
        swap(rb"([0-9a-f]{64})(  /proc/self/fd/\d+\n)([0-9a-f]{64})", lambda found: found[3] + found[2] + found[1]),
    ),
    "a hash that is none": read(rb"(end 0 ok \d+ \d+ \d+ )[0-9a-f]{64}", lambda found: found[1] + b"-"),
    "bytes of another file": read(rb"ONE" * 30, b"two" * 30),
    "a byte that is wrong": read(rb"BIG", b"BiG"),
    "a file that was not asked for": read(rb"begin 0 ", b"begin 9 "),
    "another file's number": read(rb"begin 0 ", b"begin 2 "),
    "another file's number at the end": read(rb"end 0 ok", b"end 2 ok"),
    "a file that begins twice": read(rb"(begin 0 [^\n]*\n)", lambda found: found[1] * 2),
    "an end without a beginning": read(rb"begin 0 [^\n]*\n.*(?=end 0)", b""),
    "more than was asked for": read(rb"begin 0 \d+ ", b"begin 0 99999999999 "),
    "less than was asked for": read(rb"begin 0 \d+ ", b"begin 0 10 "),
    "a length below zero": read(rb"begin 0 \d+ ", b"begin 0 -100000 "),
    "a length of many digits": read(rb"begin 0 \d+ ", b"begin 0 " + b"9" * 1000 + b" "),
    "a codec that there is none of": read(rb"(begin 0 \d+ \d+) \S+", lambda found: found[1] + b" lz99"),
    "gzip that is none": read(rb"(begin 0 \d+ \d+) \S+", lambda found: found[1] + b" gzip"),
    "zstd that is none": read(rb"(begin 0 \d+ \d+) \S+", lambda found: found[1] + b" zstd"),
    "gzip of more than was announced": read(rb"(begin 0 \d+ \d+) \S+\n", lambda found: found[1] + b" gzip\n" + BOMB),
    "an unknown status": read(rb"end 0 ok", b"end 0 fine"),
    "a mount that is none": read(rb"begin 0 (\d+) \d+", lambda found: b"begin 0 " + found[1] + b" x"),
    "another length at the end": read(rb"(end 0 ok \d+) \d+", lambda found: found[1] + b" 5"),
    "a file that has escaped": read(rb"end 0 ok", b"end 0 Escaped"),
    "members that were not asked for": read(rb"in (\d+) (\d+)\n", lambda found: b"in " + found[1] + b" 77\n"),
    "a group twice": read(rb"(in \d+ \d+\n)", lambda found: found[1] * 2),
    "a group of nobody": read(rb"in (\d+) \d+\n", lambda found: b"in " + found[1] + b" 0\n"),
    "a proof of all that is no number": read(rb"all \d+", b"all of them"),
    "an access time that is none": read(rb"read \d+", b"read noon"),
    "an access time beyond all": read(rb"read \d+", b"read " + b"9" * 5000),
    "an access time too many": read(rb"(read [^\n]*\n)", lambda found: found[1] * 2),
    "a proof of no member": read(rb"all \d+", b"ok 999 7 5"),
    "a size that does not fit the others": read(rb"all (\d+)", lambda found: b"ok 3 " + found[1] + b" 3"),
    "a sum that does not fit": read(rb"bytes \d+", b"bytes 7"),
    "a sum below zero": read(rb"bytes \d+", b"bytes -1"),
    "a sum larger than any": read(rb"bytes \d+", b"bytes " + b"9" * 19),
    "a group that does not end": read(rb"done\n\Z", b""),
    "bytes after the end": Lie(READ, adds(b"more")),
    "a file left out": read(rb"end 0 [^\n]*\n", b""),
    "an answer of nothing": Lie(READ, instead(b"")),
    "an end mark that is somebody else's": Lie(READ, adds(b"0123456789abcdef0123456789abcdef 0\n")),
    "bytes without end": Lie(READ, forever(b"x" * 1000, b"begin 0 100000 1\n")),
    "lines without end": Lie(READ, forever(b"done\n")),
    "members without end": Lie(READ, forever(b"in 3 0\n")),
}
FRAMES = {
    "a text frame": frames(lambda payload: [frame(payload, first=0x81)]),
    "a reserved opcode": frames(lambda payload: [frame(payload, first=0x83)]),
    "reserved bits": frames(lambda payload: [frame(payload, first=0xF2)]),
    "a continuation of nothing": frames(lambda payload: [frame(payload, first=0x80)]),
    "a message in pieces without end": frames(
        lambda payload: chain([frame(payload, first=0x02)], repeat(frame(b"x" * 60_000, first=0x00)))
    ),
    "a frame of 4 EiB": frames(lambda payload: chain([frame(payload, length=1 << 62)], repeat(b"x" * 65_536))),
    "a frame of 64 MiB": frames(lambda _payload: chain([frame(b"\x01", length=64 << 20)], repeat(b"x" * 65_536, 1024))),
    "a frame that ends early": frames(lambda payload: [frame(payload)[: len(payload) // 2]]),
    "half a header": frames(lambda _payload: [b"\x82"]),
    "a masked frame": frames(lambda payload: [b"\x82\x84abcd" + payload[:4]]),
    "empty frames without end": frames(flood(frame(b""))),
    "pings without end": frames(flood(frame(b"ping", first=0x89))),
    "a channel that there is none of": frames(lambda payload: [frame(b"\x07" + payload[1:])]),
    "frames on another channel without end": frames(flood(frame(b"\x07xxxx"))),
    "stdin that comes back": frames(lambda payload: [frame(b"\0" + payload[1:])]),
    "stdout as stderr": frames(lambda payload: [frame(bytes([3 - payload[0]]) + payload[1:])]),
    "a close in the middle": frames(
        lambda payload: [frame(payload[:100]), frame((1000).to_bytes(2, "big"), first=0x88)]
    ),
    "a close of no form": frames(lambda _payload: [frame(b"\xff", first=0x88)]),
    "a close with a wrong code": frames(lambda _payload: [frame(b"\0\1" + b"\xff" * 20, first=0x88)]),
    "success before the end": frames(
        lambda _payload: [frame(b'\x03{"status":"Success"}'), frame(b"\x03\xe8", first=0x88)]
    ),
    "a status that is no JSON": frames(lambda _payload: [frame(b"\x03success"), frame(b"\x03\xe8", first=0x88)]),
    "a status nested without end": frames(
        lambda _payload: [frame(b"\x03" + b"[" * 30_000), frame(b"\x03\xe8", first=0x88)]
    ),
    "an exit code that is no number": frames(
        lambda _payload: [
            frame(b'\x03{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"\\u00b2"}]}}'),
            frame(b"\x03\xe8", first=0x88),
        ]
    ),
    "causes that are none": frames(
        lambda _payload: [
            frame(b'\x03{"status":"Failure","details":{"causes":["no"]}}'),
            frame(b"\x03\xe8", first=0x88),
        ]
    ),
    "statuses without end": frames(flood(frame(b'\x03{"status":"Success"}'))),
}
HANDSHAKES = {
    "200 in the place of 101": http(b"200 OK", body=b"hello"),
    "404 with a page": http(b"404 Not Found", b"Content-Type: text/html", body=b"<html>no</html>"),
    "403 with a Status": http(
        b"403 Forbidden", body=b'{"kind":"Status","status":"Failure","message":"pods is forbidden: no"}'
    ),
    "429 that says when": http(b"429 Too Many Requests", b"Retry-After: 1"),
    "503 nested without end": http(b"503 Service Unavailable", body=b"[" * 50_000),
    "a way to somewhere else": http(b"302 Found", b"Location: http://127.0.0.1:1/"),
    "an answer of no form": Lie(handshake=instead(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    "an answer of nothing": Lie(handshake=instead(b"")),
    "a status that is no number": Lie(handshake=instead(b"HTTP/1.1 one OK\r\n\r\n")),
    "bytes that are no text": Lie(handshake=instead(b"HTTP/1.1 101 \xff\xfe\r\n\xff: \xfe\r\n\r\n")),
    "101 without a word": Lie(handshake=instead(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")),
    "a wrong accept": Lie(handshake=swap(rb"Accept: \S+", b"Accept: c29tZXRoaW5nIGVsc2U=")),
    "another protocol": Lie(handshake=swap(rb"v5\.channel", b"v9.channel")),
    "a header without a colon": Lie(handshake=instead(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade\r\n\r\n")),
    "a body of a negative length": Lie(handshake=instead(b"HTTP/1.1 500 No\r\nContent-Length: -5\r\n\r\n")),
    "a body of a length that is no number": Lie(handshake=instead(b"HTTP/1.1 500 No\r\nContent-Length: many\r\n\r\n")),
    "a body that is announced and never comes": Lie(
        handshake=instead(b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n")
    ),
    "a body without end": Lie(
        handshake=forever(b"x" * 1000, b"HTTP/1.1 403 No\r\nContent-Length: 99999999999\r\n\r\n")
    ),
    "headers without end": Lie(handshake=forever(b"X-More: of it\r\n", b"HTTP/1.1 101 Switching Protocols\r\n")),
    "a header line without end": Lie(handshake=forever(b"x", b"HTTP/1.1 101 Switching Protocols\r\nX: ")),
}
LIES = {**NAMES, **LINKS, **FACTS_, **WALKS, **GROUNDS, **READS, **FRAMES, **HANDSHAKES}
