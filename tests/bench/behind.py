# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`behind.py KUBECONFIG COMMAND...`: run a command where the API server is at the far end of the slow link.

Nothing else of this machine's network is there. The server keeps its address, so that the command needs no other settings.
With `--silence SECONDS` the line cuts connections in which nothing comes for that long; with `--connect` the server is reached only
through a proxy that takes CONNECT, which HTTPS_PROXY names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from urllib.parse import urlsplit

from delay import delaying
from link import ROUND_TRIP, ends, network, run_quietly
from measuring import Trouble


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command at the far end of a slow link.")
    parser.add_argument("--silence", type=float, help="cut a connection in which nothing comes for so many seconds")
    parser.add_argument("--connect", action="store_true", help="reach the server by CONNECT alone")
    parser.add_argument("kubeconfig")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    host, port = _server(given.kubeconfig)
    link = ends(os.getpid())
    served = None if given.connect else (host, port)
    try:
        with network(link) as prefix, delaying(link.near_address, served, ROUND_TRIP, given.silence) as proxy_port:
            proxy = f"{link.near_address}:{proxy_port}"
            if given.connect:
                # what listens at this end needs none
                variables = {"HTTPS_PROXY": f"http://{proxy}", "NO_PROXY": "127.0.0.1"}
            else:
                variables = {}
                run_quietly(*prefix, "ip", "route", "add", "default", "via", link.near_address)
                to_server = ("-d", host, "-p", "tcp", "--dport", str(port))
                nat = (*prefix, "iptables", "-t", "nat", "-A", "OUTPUT", *to_server)
                run_quietly(*nat, "-j", "DNAT", "--to-destination", proxy)
            return subprocess.run([*prefix, *given.command], env=os.environ | variables, check=False).returncode
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 125


def _server(kubeconfig: str) -> tuple[str, int]:
    kubectl = os.environ.get("KUBECTL", "kubectl")
    words = [kubectl, "--kubeconfig", kubeconfig, "config", "view", "--raw", "--minify", "-o", "json"]
    config = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    return server.hostname or "", server.port or 443


if __name__ == "__main__":
    sys.exit(main())
