# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of the cluster, made from files: the pause program, debug toolboxes with busybox, dash, bash or tcpdump, and the apps."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import apps, debian
from .build import Programs
from .places import made
from .run import run
from .say import doing
from .tarball import Entry, Image, archive, directory, file, layer, link

PAUSE = "incident.test/pause:1"
BUSYBOX = "docker.io/library/busybox:1.37"
# the same as busybox, for a user that the image itself names, as sites with a rule against root make theirs
USER = "incident.test/debug-user:1"
DASH, BASH = "incident.test/debug-dash:1", "incident.test/debug-bash:1"
# what an image is without, by the tool that it is named after; several vendors' small images have neither find nor xargs
LACKING = {
    "find": ("find", "xargs"),
    **{tool: (tool,) for tool in ("cat", "dd", "ls", "readlink", "sed", "sha256sum", "stat")},
}
# busybox and tcpdump, for a look at packets
NET = "incident.test/debug-net:1"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = 3  # archives, of 65 MB each; several checkouts may differ in what they are made from
GNU_TOOLS = ("bash", "coreutils", "dash", "findutils", "grep", "gzip", "procps", "sed", "tar", "util-linux", "zstd")
# of what tcpdump depends on, the rest is there already, or is for making users
SNIFFER = ("tcpdump_", "libpcap0.8", "libdbus-1-3_")


def pause(program: bytes) -> Image:
    return Image(PAUSE, (layer([file("pause", program, 0o755)]),), {"Entrypoint": ["/pause"]})


def base(name: str, users: str = "") -> list[Entry]:
    """Return what a toolbox has besides its tools; its /etc/os-release tells it from the app's. users: more lines of /etc/passwd."""
    return [
        directory("dev"),
        directory("etc"),
        directory("proc"),
        directory("root", 0o700),
        directory("sys"),
        directory("tmp", 0o1777),
        file("etc/group", "root:x:0:\nnobody:x:65534:\n"),
        file("etc/os-release", f'NAME="{name}"\nID=toolbox\n'),
        file("etc/passwd", f"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n{users}"),
    ]


def busybox(program: bytes, applets: Iterable[str]) -> tuple[Image, Image]:
    """The toolbox, and the same for a user of its own; `applets`: paths as `busybox --list-full` prints them, each a link to the program."""
    entries = [*base("busybox toolbox"), file("bin/busybox", program, 0o755)]
    entries += [directory(path) for path in ("bin", "sbin", "usr", "usr/bin", "usr/sbin")]
    entries += [link(path, "/bin/busybox") for path in sorted(set(applets)) if path != "bin/busybox"]
    tools, config = (layer(entries),), {"Env": [PATH], "Cmd": ["sh"]}
    return Image(BUSYBOX, tools, config), Image(USER, tools, {**config, "User": "1000:1000"})


def gnu_tools(packages: Iterable[bytes]) -> bytes:
    """The layer that the GNU toolboxes share; `packages`: for each Debian package the tar of its files."""
    found = {entry.path: entry for package in packages for entry in unpacked(package)}
    for merged in ("bin", "sbin", "lib", "lib64"):  # Debian's merged /usr
        found[merged.encode()] = link(merged, f"usr/{merged}")
    return layer(found.values())


def gnu(name: str, tools: bytes, shell: str) -> Image:
    """A toolbox of GNU tools whose /bin/sh is `shell`."""
    own = [*base(f"{shell} toolbox"), link("usr/bin/sh", shell)]
    return Image(name, (tools, layer(own)), {"Env": [PATH], "Cmd": ["sh"]})


def without(tools: bytes, tool: str) -> Image:
    """The toolbox with dash, whose upper layer takes a tool away."""
    gone = [file(f"usr/bin/.wh.{name}", b"") for name in LACKING[tool]]
    own = [*base(f"toolbox without {tool}"), link("usr/bin/sh", "dash"), *gone]
    return Image(f"incident.test/debug-without-{tool}:1", (tools, layer(own)), {"Env": [PATH], "Cmd": ["sh"]})


def network(tools: bytes, packages: Iterable[bytes], program: bytes, applets: Iterable[str]) -> Image:
    """The layer of GNU tools, of which the libraries are needed, with what more tcpdump takes (`packages`), and busybox's tools that GNU lacks."""
    found = {entry.path: entry for package in packages for entry in unpacked(package)}
    # as whom Debian's tcpdump goes on when it has its socket
    user = "tcpdump:x:100:65534::/nonexistent:/usr/sbin/nologin\n"
    own = [*base("network toolbox", user), link("usr/bin/sh", "dash"), file("usr/bin/busybox", program, 0o755)]
    own += [link(f"usr/bin/{name}", "busybox") for name in ("nc", "nslookup") if f"usr/bin/{name}" in set(applets)]
    return Image(NET, (tools, layer(found.values()), layer(own)), {"Env": [PATH], "Cmd": ["sh"]})


def unpacked(package: bytes) -> Iterator[Entry]:
    """The programs and libraries of one Debian package; nothing of it is setuid, since a debugger needs none."""
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        for info in tar:
            path = info.name.removeprefix("./").strip("/")
            if path in ("", ".") or path.startswith(("usr/share/", "var/", "etc/")):
                continue
            # a hard link becomes a copy, so that entries can be sorted freely
            content = tar.extractfile(info) if info.isreg() or info.islnk() else None
            kind = tarfile.REGTYPE if info.islnk() else info.type
            target = info.linkname.encode() if info.issym() else b""
            yield Entry(
                path.encode(), kind, info.mode & 0o1777, content=content.read() if content else b"", target=target
            )


def busybox_program(cache: Path) -> Path:
    """The busybox of the debug image as a file of this machine: what runs in pods is tested with it outside of them as well."""

    def make(path: Path) -> None:
        (package,) = debian.packages(cache, ("busybox-static",))
        tar = _files_of(package)
        content = next(entry.content for entry in unpacked(tar) if entry.path == b"usr/bin/busybox")
        path.write_bytes(content)
        path.chmod(0o755)

    folder = cache / "busybox"
    folder.mkdir(parents=True, exist_ok=True)
    return made(folder / "busybox", "unpacking busybox", make)


def archive_file(cache: Path, programs: Programs) -> Path:
    """One archive of the cache with all images, made when something that they are made from changed."""
    packages = debian.packages(cache, ("busybox-static", *GNU_TOOLS))
    sniffer = [path for path in debian.packages(cache, ("tcpdump",)) if path.name.startswith(SNIFFER)]
    code = [Path(__file__).with_name(name) for name in ("apps.py", "images.py", "tarball.py")]
    inputs = [programs["app"], programs["pause"], *packages, *sniffer, *code]
    key = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in inputs)).hexdigest()[:12]

    def make(path: Path) -> None:
        with doing("Making the images from files", "5 s, once"):
            _write(path, programs, packages, sniffer)

    path = made(cache / "images" / f"{key}.tar", "making the images", make)
    for old in sorted(path.parent.glob("*.tar"), key=lambda found: found.stat().st_mtime)[:-KEPT]:
        old.unlink()
    return path


def _write(path: Path, programs: Programs, packages: Iterable[Path], sniffer: Iterable[Path]) -> None:
    tars = {deb.name.split("_")[0]: _files_of(deb) for deb in packages}
    toolbox = tars.pop("busybox-static")
    tools = gnu_tools(tars.values())
    tool = next(entry.content for entry in unpacked(toolbox) if entry.path == b"usr/bin/busybox")
    applets = _applets(tool)
    images = [
        pause(programs["pause"].read_bytes()),
        *busybox(tool, applets),
        *apps.images(programs["app"].read_bytes()),
        gnu(DASH, tools, "dash"),
        gnu(BASH, tools, "bash"),
        *(without(tools, tool) for tool in LACKING),
        network(tools, map(_files_of, sniffer), tool, applets),
    ]
    with path.open("wb") as out:
        archive(images, out)


def _applets(tool: bytes) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "busybox"  # it acts by the name it is called by
        program.write_bytes(tool)
        program.chmod(0o700)
        return run([program, "--list-full"]).split()


def _files_of(deb: Path) -> bytes:
    return subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, check=True).stdout
