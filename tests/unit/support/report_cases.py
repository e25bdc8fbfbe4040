# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cases to make reports of: one as it is on a bad night, and one in which every text is out to do harm."""

from __future__ import annotations

from typing import Any

PATH = "shop/api-0/app/disk_usage.txt"
RAW = b"/data ext4 8:1 4096 1000000 12000 10000 65536 60000\n\x1b[2J/\xe2\x80\xaeetad overlay\n"

# what a log line, a file name, an event or a label can hold
HOSTILE = [
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    "</style><script>document.title='owned'</script>",
    "</title><script>document.title='owned'</script>",
    "</textarea></pre></details><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg onload=\"document.title='owned'\">",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    '" onmouseover="document.title=\'owned\'" x="',
    "' onfocus='document.title=1' autofocus tabindex='1",
    "javascript:document.title='owned'",
    "<a href=\"javascript:document.title='owned'\">click</a>",
    '<link rel="stylesheet" href="https://evil.example/x.css">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
    '<base href="https://evil.example/">',
    '<form action="https://evil.example/"><input autofocus></form>',
    '<object data="https://evil.example/x"></object>',
    "<style>@import url(https://evil.example/x.css)</style>",
    "<!-- <script>document.title='owned'</script>",
    "--><script>document.title='owned'</script>",
    "<![CDATA[<script>document.title='owned'</script>]]>",
    "&lt;script&gt;document.title='owned'&lt;/script&gt;",
    "&#60;script&#62;",
    "{{ 7 * 7 }}",
    "{% raw %}{{ cycler.__init__.__globals__ }}{% endraw %}",
    "{# comment #}",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "\u202egnp.exe",
    "\u2066\u2067\u2068abc\u2069",
    "zero\u200bwidth\u200djoiner\ufeff",
    "line one\nline two\r\n\tline three",
    "NUL \x00 and DEL \x7f",
    "lone \ud800 surrogate".encode("utf-8", "backslashreplace").decode(),
    "a" * 5000,
    "ＦＵＬＬ ｗｉｄｔｈ ＜script＞",
    "`code` | table | @channel [link](https://evil.example)",
]


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "role": "disk_triage",
        "analyzer": "volume_full",
        "target": "shop/api-0/app",
        "verdict": "fail",
        "title": "A volume is full",
        "message": "/data (ext4) is 99 % full: 39.1 MiB of 3.8 GiB left.",
        "next": "See the biggest files of this target, then delete, rotate, or give the volume more room.",
        "severity": 90,
        "evidence": [{"collector": "disk_usage", "path": PATH, "sha256": "9f86d081884c7d65" * 4}],
        **changes,
    }


def target(pod: str = "api-0", **changes: Any) -> dict[str, Any]:
    return {
        "namespace": "shop",
        "pod": pod,
        "container": "app",
        "node": "node-1",
        "target_image": "registry.example/shop:1",
        "image_id": "sha256:4f2b",
        "restart_count": 0,
        "target_started_at": "2026-11-24T02:00:00Z",
        "target_identity": {"uid": 65532, "gid": 65532},
        "isolation": "same_uid",
        "commands": [],
        **changes,
    }


def process(pid: int, parent: int, name: str, **changes: Any) -> dict[str, Any]:
    return {"pid": pid, "parent": parent, "name": name, "exe": f"/{name}", "uid": 65532, "rss": 9 << 20, **changes}


def bad_night() -> dict[str, Any]:
    """Two pods of which one has a full disk."""
    full = {"point": "/data", "fstype": "ext4", "use_percent": 99, "available": 41000000}
    common = {
        "mounts": [{"point": "/", "fstype": "overlay", "read_only": False}],
        "processes": [process(1, 0, "app"), process(7, 1, "worker"), process(9, 7, "child")],
        "events": [{"time": "2026-11-24T02:10:00Z", "reason": "Unhealthy", "message": "probe failed", "count": 3}],
    }
    extra = [*common["processes"], process(66, 1, "miner", exe="/tmp/miner")]
    memory = {"limit": 64 << 20, "kept": 60 << 20, "percent": 94}
    log = {"collector": "previous_log", "path": "shop/api-0/app/previous_log.txt", "sha256": "9f86d081884c7d65" * 4}
    return {
        "schema": 1,
        "role": "disk_triage",
        "case_id": "disk_triage-20261124T030000Z",
        "examiner": "oncall",
        "reason": "page 4711",
        "started": "2026-11-24T03:00:00Z",
        "ended": "2026-11-24T03:00:12Z",
        "verdict": "fail",
        "counts": {"fail": 1, "unknown": 0, "warn": 1, "pass": 1},
        "targets": [target(), target("api-1", restart_count=4)],
        "failed_targets": [],
        "findings": [
            finding(evidence=[*finding()["evidence"], log]),
            finding(
                verdict="warn", title="A file grows fast", message="/data/app.log grows by 2 MiB a second.", evidence=[]
            ),
            finding(
                verdict="pass", title="Inodes", message="No volume uses 95 % of its inodes.", target="shop/api-1/app"
            ),
        ],
        "timeline": [
            {
                "time": "2026-11-24T02:10:00Z",
                "target": "shop/api-0/app",
                "source": "event",
                "text": "Unhealthy: probe failed",
            },
            {
                "time": "2026-11-24T03:00:01Z",
                "target": "shop/api-0/app",
                "source": "acquisition",
                "text": "Debugger started",
            },
        ],
        "facts": {
            "shop/api-0/app": {
                **common,
                "disk_usage": [full],
                "memory_use": memory,
                "cpu_use": {"limit": None, "used": 0.2, "average": 0.1},
                "growth": {"files": [{"path": "/data/app.log", "size": 30 << 20, "bytes": 10 << 20, "seconds": 5.0}]},
                "processes": extra,
                "missing": {},
            },
            "shop/api-1/app": {**common, "disk_usage": [full], "missing": {}},
        },
        "coverage": {
            "shop/api-0/app": {"Mounts": "whole", "Big folders": "in part"},
            "shop/api-1/app": {"Mounts": "whole", "Big folders": "the command took longer than 60 s"},
        },
        "last_words": {"shop/api-0/app": ["app: write /data/app.log: no space left on device", "x" * 300]},
    }


def hostile_night() -> dict[str, Any]:
    """The same with the hostile corpus in every text that a pod, an event or a name can bring."""
    case = bad_night()
    case["findings"] = [
        finding(
            message=text,
            title=text,
            next=text,
            target=text,
            evidence=[{"collector": name, "path": PATH, "sha256": text} for name in (text, "log")],
            verdict=verdict,
        )
        for verdict in ("fail", "pass")
        for text in HOSTILE
    ]
    case["timeline"] = [{"time": text, "target": text, "source": text, "text": text} for text in HOSTILE]
    case["facts"] = {
        text: {
            "processes": [process(1, 0, text, exe=text, **{text: text})],
            "growth": {"files": [{"path": text, "size": 9, "bytes": 9, "seconds": 1}]},
            "memory_use": {"before": text, "used": text, "seconds": text},
            "cpu_use": {"limit": text, "average": text, "used": 1, "percent": text, "now": {"percent": text}},
            "lists": [{"value": [text, {text: text}], "flag": True}],
            text: [{text: text}],
        }
        for text in HOSTILE
    }
    case["targets"] = [target(text, node=text, image_id=text) for text in HOSTILE[:4]]
    labels = [f"shop/{text}/app" for text in HOSTILE[:4]]
    case["coverage"] = {label: dict.fromkeys(HOSTILE, HOSTILE[0]) for label in labels}
    case["last_words"] = dict.fromkeys(HOSTILE, HOSTILE)
    return {**case, "case_id": HOSTILE[3], "examiner": HOSTILE[0], "reason": HOSTILE[1]}
