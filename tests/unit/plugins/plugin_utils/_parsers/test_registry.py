# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.disk import (
    deleted_files,
    disk_usage,
    file_changes,
    file_sizes,
    folder_sizes,
    growth,
    mountinfo,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.processes import counters, limits, processes
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.sockets import sockets
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import device, holding, in_target, shown
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"/data/app.log", "/data/app.log"),
        ("/data/größe".encode(), "/data/größe"),
        (b"/a b", "/a b"),
        (b"/a\nb", "/a\\nb"),
        (b"/\x1b[31mred", "/\\x1b[31mred"),
        ("/\u202etxt.exe".encode(), "/\\u202etxt.exe"),
        (b"/latin-\xe9", "/latin-\\xe9"),
        (b"/back\\slash", "/back\\\\slash"),
    ],
)
def test_a_name_is_shown_so_that_nothing_interprets_it(name: bytes, expected: str) -> None:
    assert shown(name) == expected


def test_lines_are_found_in_whatever_case_each_once_and_the_last_three() -> None:
    rows = ["open a: No Such File", "ready", "ENOENT: b", "open a: No Such File", "enoent c", "enoent d"]
    assert holding(rows, "no such file", "ENOENT") == ["open a: No Such File", "enoent c", "enoent d"]
    assert holding(rows, "permission denied") == []


@given(st.binary(max_size=40))
def test_every_name_is_shown_in_printable_characters(name: bytes) -> None:
    assert shown(name).isprintable()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/proc/1/root", b"/"),
        (b"/proc/1/root/", b"/"),
        (b"/proc/17/root//data//x", b"/data/x"),
        (b"/proc/1/rootkit", b"/proc/1/rootkit"),
        (b"/proc/1/fd/5", b"/proc/1/fd/5"),
    ],
)
def test_a_path_is_named_as_the_target_names_it(path: bytes, expected: bytes) -> None:
    assert in_target(path) == expected


@pytest.mark.parametrize("number", [os.makedev(0, 77), os.makedev(254, 0), os.makedev(4095, 1 << 19), 65024])
def test_a_device_number_is_split_as_the_c_library_does(number: int) -> None:
    assert device(str(number).encode()) == f"{os.major(number)}:{os.minor(number)}"


def test_a_mount_keeps_what_the_kernel_escaped_and_says_whether_it_is_read_only() -> None:
    line = b"36 35 98:0 /mnt1 /odd\\040name\\012x ro,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
    assert mountinfo(line) == [
        {
            "id": 36,
            "parent": 35,
            "device": "98:0",
            "root": "/mnt1",
            "point": "/odd name\\nx",
            "fstype": "ext3",
            "source": "/dev/root",
            "options": ["ro", "noatime"],
            "read_only": True,
            "turned_read_only": False,
        }
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_mounts_of_this_process_are_understood() -> None:
    assert [row["point"] for row in mountinfo(Path("/proc/self/mountinfo").read_bytes())]


def test_a_file_system_is_as_full_as_df_says() -> None:
    (row,) = disk_usage(b"/cache tmpfs 0:42 4096 2048 0 0 1000 999\n")
    assert (row["size"], row["available"], row["use_percent"], row["inodes_percent"]) == (8388608, 0, 100, 1)


def test_room_that_is_kept_for_root_is_no_room_and_a_percentage_is_rounded_up() -> None:
    (row,) = disk_usage(b"/ ext4 254:0 1 1000 500 100 0 0\n")
    assert row["use_percent"] == 84
    assert row["inodes_percent"] == 0


def test_the_biggest_file_is_first_and_a_newline_in_a_name_makes_no_row() -> None:
    odd = b"/proc/1/root/data/x\nn 9 99999 0 0 /etc/forged"
    rows = file_sizes(
        b"n 100 8 1700000000 0 /proc/1/root/data/a b\nx 5000 16 1700000001 7 " + odd.hex().encode() + b"\n"
    )
    assert [(row["path"], row["allocated"]) for row in rows] == [
        ("/data/x\\nn 9 99999 0 0 /etc/forged", 8192),
        ("/data/a b", 4096),
    ]


def test_changed_files_come_with_the_start_that_they_are_measured_by() -> None:
    odd = b"/proc/1/root/usr/a\nb".hex().encode()
    found = file_changes(b"s 1000\nn 1200 900 5 0,644 /proc/1/root/etc/x\nx 1300 1300 6 7 " + odd + b"\n")
    assert found == {
        "started": 1000,
        "files": [
            {
                "path": "/usr/a\\nb",
                "ctime": 1300,
                "mtime": 1300,
                "size": 6,
                "uid": 7,
                "is_executable": True,
                "is_data": False,
            },
            {
                "path": "/etc/x",
                "ctime": 1200,
                "mtime": 900,
                "size": 5,
                "uid": 0,
                "is_executable": False,
                "is_data": False,
            },
        ],
        "is_complete": True,
    }
    assert file_changes(b"s 1000\ncut\n") == {"started": 1000, "files": [], "is_complete": False}
    with pytest.raises(ValueError, match="when the container started"):
        file_changes(b"n 1 1 1 1 /x\n")


def test_folders_are_sorted_and_say_whether_all_were_measured() -> None:
    names = [name.hex().encode() for name in (b"/proc/1/root/", b"/proc/1/root/data")]
    found = folder_sizes(b"d 4 %s\nd 8 %s\ncut\n" % (*names,))
    assert found == {
        "folders": [{"path": "/data", "allocated": 8192}, {"path": "/", "allocated": 4096}],
        "is_complete": False,
    }


def test_a_deleted_file_that_two_hold_is_one_row() -> None:
    link = b"/scratch/big.log (deleted)".hex().encode()
    lines = b"1 5 65520 128 65024 11 65532 _617070 _%s\n9 3 65520 128 65024 11 65532 _ _%s\n" % (link, link)
    (row,) = deleted_files(lines)["files"]
    assert (row["path"], row["allocated"], row["device"]) == ("/scratch/big.log", 65536, "254:0")
    assert row["holders"] == [{"pid": 1, "fd": 5, "name": "app"}, {"pid": 9, "fd": 3, "name": ""}]
    assert not row["in_memory"]


def test_a_memfd_takes_no_room_on_a_disk() -> None:
    (row,) = deleted_files(b"1 5 9 8 1 11 0 _ _%s\n" % b"/memfd:x (deleted)".hex().encode())["files"]
    assert row["in_memory"]


def test_who_could_not_be_asked_for_deleted_files_is_no_file() -> None:
    assert deleted_files(b"cut\nunseen 7 _%s\n" % b"ng\ninx\n".hex().encode()) == {
        "files": [],
        "sums": [],
        "unseen": [{"pid": 7, "name": "ng\\ninx"}],
        "is_complete": False,
    }


def test_growth_is_what_came_between_two_looks() -> None:
    looks = b"t 10.00\nn 100 65024 1 /proc/1/root/a.log\nf 7 65024 9 /proc/1/fd/5\n"
    looks += b"t 12.00\nn 300 65024 1 /proc/1/root/a.log\nf 7 65024 9 /proc/1/fd/5\nn 5000 65024 2 /proc/1/root/old\n"
    found = growth(looks)
    (row,) = found["files"]
    assert (row["path"], row["bytes"], row["bytes_per_second"], row["device"]) == ("/a.log", 200, 100, "254:0")
    assert found["is_complete"]
    assert not growth(looks + b"cut\n")["is_complete"]


def test_one_look_is_no_growth() -> None:
    with pytest.raises(ValueError, match="1 looks"):
        growth(b"t 10.00\n")


def test_a_process_whose_name_is_made_to_confuse_is_read_right() -> None:
    stat = b"7 (x) R 1 (y) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1\n"
    status = b"Name:\tx\nUid:\t65532\t65532\t65532\t65532\nGid:\t5\t5\t5\t5\nThreads:\t3\nVmRSS:\t    12 kB\n"
    parts = (stat, status, b"/app\0--name\0a\nb\0", b"/tmp/evil (deleted)\n")
    (row,) = processes(b"7 " + b" ".join(b"_" + part.hex().encode() for part in parts) + b"\n")
    assert row == {
        "pid": 7,
        "parent": 1,
        "name": "x) R 1 (y",
        "state": "S",
        "uid": 65532,
        "gid": 5,
        "threads": 3,
        "rss": 12288,
        "start_ticks": 4242,
        "command": "/app --name a\\nb",
        "exe": "/tmp/evil",
        "exe_deleted": True,
        "script": "",
        "is_supervised": False,
        "prompt_socket": None,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_process_is_understood() -> None:
    files = [Path(f"/proc/self/{name}").read_bytes() for name in ("stat", "status", "cmdline")]
    words = [b"_" + part.hex().encode() for part in (*files, os.fsencode(Path("/proc/self/exe").readlink()))]
    (row,) = processes(b"%d %s\n" % (os.getpid(), b" ".join(words)))
    assert (row["pid"], row["parent"], row["uid"]) == (os.getpid(), os.getppid(), os.getuid())


def test_sockets_are_read_in_the_byte_order_of_the_machine() -> None:
    table = b"""==> tcp
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65532        0 4242 1 0 100 0 0 10 0
==> tcp6
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 01 00000001:00000002 00:00000000 00000000     0        0 7 1
   2: 0000000000000000FFFF00000100000A:1F90 0000000000000000FFFF00000F94F40A:C350 01 00000000:00000000 00:00000000 00000000     0        0 8 1
==> unix
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 99 @odd name
"""
    listener, other, both, local = sockets(table)
    assert (listener["local"], listener["local_port"], listener["state"], listener["inode"]) == (
        "127.0.0.1",
        8080,
        "LISTEN",
        4242,
    )
    assert (other["local"], other["local_port"], other["state"]) == ("::1", 53, "ESTABLISHED")
    assert (other["send_queue"], other["receive_queue"]) == (1, 2)
    # an IPv4 connection of a socket that takes both; how Python writes such an address depends on its version
    assert (both["protocol"], both["local"], both["remote"]) == ("tcp6", "10.0.0.1", "10.244.148.15")
    assert local == {"protocol": "unix", "path": "@odd name", "state": "LISTEN", "inode": 99}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sockets_of_this_machine_are_understood() -> None:
    names = [name for name in ("tcp", "tcp6", "udp", "udp6", "unix") if Path(f"/proc/net/{name}").exists()]
    sockets(b"".join(b"==> %s\n%s" % (name.encode(), Path(f"/proc/net/{name}").read_bytes()) for name in names))


@pytest.mark.parametrize("parser", ["processes", "sockets"])
def test_a_table_that_was_cut_is_one_and_that_it_was_is_told_by_another_parser(parser: str) -> None:
    assert PARSERS[parser](b"==> tcp\ncut\n" if parser == "sockets" else b"cut\n") == []
    assert PARSERS["completeness"](b"7 _ab\ncut\n") == {"is_complete": False}
    assert PARSERS["completeness"](b"7 _cut\n") == {"is_complete": True}


def test_limits_are_numbers_or_nothing() -> None:
    table = b"Limit                     Soft Limit           Hard Limit           Units     \n"
    table += b"Max open files            1024                 unlimited            files     \n"
    assert limits(table) == [{"name": "Max open files", "soft": 1024, "hard": None, "unit": "files"}]


def test_counters_are_numbers_where_they_are_some() -> None:
    assert counters(b"oom_kill 3\nmax max\n") == {"oom_kill": 3, "max": "max"}


@pytest.mark.parametrize("parser", sorted(PARSERS.keys() - {"text", "lines", "counters"}))
@given(data=st.binary(min_size=1, max_size=60))
def test_what_is_not_understood_is_a_value_error_and_nothing_else(parser: str, data: bytes) -> None:
    try:
        PARSERS[parser](data)
    except ValueError:
        return


@pytest.mark.parametrize("parser", sorted(PARSERS.keys() - {"text", "lines", "completeness"}))
def test_half_a_line_is_refused(parser: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PARSERS[parser](b"Limit\nhalf")


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU stat")
def test_what_stat_prints_of_a_file_system_is_what_the_parser_takes(tmp_path: Path) -> None:
    numbers = subprocess.run(
        ["stat", "-f", "-c", "%S %b %f %a %c %d", str(tmp_path)], capture_output=True, check=True
    ).stdout
    (row,) = disk_usage(b"/x ext4 1:2 " + numbers)
    here = os.statvfs(tmp_path)
    assert row["size"] == here.f_blocks * here.f_frsize


def test_of_a_manifest_files_are_told_and_folders_that_failed() -> None:
    row = {"src": "/a", "status": "fetched", "type": "file", "size": 3, "sha256": "ab", "mode": "0644"}
    rows = [row, {**row, "src": "/d", "type": "directory"}, {"src": "/n", "type": None, "status": "failed"}]
    found = PARSERS["manifest"](json.dumps({"schema": 1, "files": rows}).encode())
    assert [(entry["src"], entry["status"], entry["size"]) for entry in found] == [
        ("/a", "fetched", 3),
        ("/n", "failed", None),
    ]
    for broken in (b"", b"[]", b'{"files": [1]}'):
        with pytest.raises(ValueError, match="not understood"):
            PARSERS["manifest"](broken)
