# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A family of distroless apps to look into: one static program, no shell, and files that only the app itself may read."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .tarball import Entry, Image, directory, fifo, file, layer, link

NAME = "incident.test/app"


@dataclass(frozen=True, slots=True)
class Flavour:
    """`user`: the image's USER; `owner`: uid and gid of the app's files; `passwd`, `group`: lines that name them, if any."""

    user: str
    owner: tuple[int, int]
    passwd: str = ""
    group: str = ""
    arguments: tuple[str, ...] = ()
    program_mode: int = 0o755
    # a group that only the image's /etc/group gives the user: nothing in a pod's spec can give it to a debugger
    extra_group: int | None = None


FLAVOURS = {
    "root": Flavour("", (0, 0)),
    "65532": Flavour("65532:65532", (65532, 65532)),
    # as distroless images are made: the name also gives the process its group, which the kubelet does not pass on
    "nonroot": Flavour(
        "65532:65532", (65532, 65532), "nonroot:x:65532:65532:nonroot:/data:/nologin\n", "nonroot:x:65532:\n"
    ),
    "1234": Flavour("1234:4321", (1234, 4321)),
    "named": Flavour("app", (2000, 3000), "app:x:2000:3000:app:/data:/nologin\n", "app:x:3000:\n"),
    # starts as root and becomes the owner of its files, as images of databases do by gosu
    "drops": Flavour("", (4321, 4321), arguments=("--drop-to", "4321:4321")),
    # starts as root and goes on as another in the same program, as servers do that open their port as root: not dumpable
    "becomes": Flavour("", (4321, 4321), arguments=("--become", "4321:4321")),
    # a program that its own process may not read: the kernel then lets no equal look into that process
    "sealed": Flavour("65532:65532", (65532, 65532), program_mode=0o711),
    "grouped": Flavour(
        "app",
        (2000, 3000),
        "app:x:2000:3000:app:/data:/nologin\n",
        "app:x:3000:\nreaders:x:5555:app\n",
        extra_group=5555,
    ),
}


def log(lines: int = 1024) -> bytes:
    """About 100 KiB of log that is the same everywhere."""
    chance = random.Random(20260101)  # noqa: S311 - text to read, nothing secret
    words = ("accepted", "refused", "retried", "timed-out", "committed", "queued")
    rows = (
        f"2026-01-01T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z request={chance.getrandbits(64):016x} "
        f"status={chance.choice(words)} took={chance.randrange(1000)}ms path=/orders/{chance.randrange(10**6)}\n"
        for n in range(lines)
    )
    return "".join(rows).encode()


def files(name: str) -> list[Entry]:
    """The files of the flavour `name`, but for the program itself."""
    flavour = FLAVOURS[name]
    owner = flavour.owner
    config = f"# only the app itself may read this\nflavour: {name}\nupstream: https://orders.example\nworkers: 4\n"
    entries = [
        directory("data", 0o755, owner),
        directory("data/private", 0o700, owner),
        directory("etc"),
        directory("etc/app", 0o755, owner),
        directory("tmp", 0o1777),
        file("data/app.log", log(), 0o600, owner),
        file("data/private/notes.txt", "a file in a folder that only the app may enter\n", 0o600, owner),
        file("data/empty", b"", 0o600, owner),
        file("data/odd 'name'\nwith \"quotes\".txt", "a file whose name has quotes and a newline\n", 0o600, owner),
        file(b"data/latin-\xe9.txt", "a file whose name is not UTF-8\n", 0o600, owner),
        file("etc/app/config.yaml", config, 0o600, owner),
        file("etc/os-release", 'NAME="incident app"\nID=incident-app\n'),
        fifo("data/pipe", 0o600, owner),
        link("data/current.log", "/data/app.log", owner),
        link("data/latest.log", "app.log", owner),
        link("data/dangling", "/data/not-there", owner),
        # each toolbox has an /etc/os-release of its own: reading this link through /proc/<pid>/root brings the wrong file
        link("etc/app/release", "/etc/os-release", owner),
    ]
    if flavour.extra_group is not None:
        entries.append(file("data/shared.log", "a file that only a group may read\n", 0o640, (0, flavour.extra_group)))
    if flavour.passwd:
        entries += [file("etc/passwd", flavour.passwd), file("etc/group", flavour.group)]
    return entries


def images(program: bytes) -> list[Image]:
    """Every flavour; those with a program of the same mode share its layer."""
    programs = {mode: layer([file("app", program, mode)]) for mode in {it.program_mode for it in FLAVOURS.values()}}
    made = []
    for name, flavour in FLAVOURS.items():
        config: dict[str, object] = {"Entrypoint": ["/app"], "Env": ["PATH=/"], "WorkingDir": "/"}
        if flavour.user:
            config["User"] = flavour.user
        if flavour.arguments:
            config["Cmd"] = list(flavour.arguments)
        made.append(Image(f"{NAME}:{name}", (programs[flavour.program_mode], layer(files(name))), config))
    return made
