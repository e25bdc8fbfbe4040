# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a page: what it says, and that nothing of a pod becomes a part of it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import excerpt, html
from ansible_collections.incident.distroless.tests.unit.support.report_cases import (
    HOSTILE,
    PATH,
    RAW,
    bad_night,
    hostile_night,
)


class Page(HTMLParser):
    """The elements with their attributes, and the text, as a browser's parser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _value in attrs))))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_verdict_and_what_to_do_next_come_first() -> None:
    page = html(bad_night(), {PATH: RAW})
    lead = page[: page.index("<nav")]
    assert re.search(r'<span class="verdict">fail</span>\s+A volume is full</h1>', lead)
    assert "/data (ext4) is 99 % full" in lead
    assert "Next:" in lead


def test_each_finding_has_its_evidence_with_its_hash_and_its_beginning() -> None:
    page = html(bad_night(), {PATH: RAW})
    assert f"<code>{PATH}</code>" in page
    assert "9f86d081884c7d65" * 4 in page
    assert "/data ext4 8:1 4096" in page


def test_what_is_fine_says_so_and_is_folded_away_where_something_is_not() -> None:
    def passed(**changes: object) -> str:
        page = html({**bad_night(), **changes}, {PATH: RAW})
        (part,) = re.findall(r'<details class="passed"(.*?)</section>', page, re.DOTALL)
        return str(part)

    part = passed()
    assert part.startswith(">\n<summary>1 check passed</summary>")
    assert re.search(r'<span class="verdict">pass</span> No volume uses 95 % of its inodes\.</h3>', part)
    # what was looked for would read as if it was so
    assert "Inodes" not in part
    fine = [entry for entry in bad_night()["findings"] if entry["verdict"] == "pass"]
    assert passed(findings=fine * 2, verdict="pass").startswith(" open>\n<summary>2 checks passed</summary>")


def test_hostile_texts_make_no_element_and_no_attribute() -> None:
    page = Page(html(hostile_night(), {PATH: RAW}))
    allowed = (
        "a article body br code dd desc details div dl dt footer h1 h2 h3 head header html input label li main meta nav output p path "
        "polyline pre script rect section span strong style summary svg table tbody td th thead title tr ul"
    ).split()
    assert {tag for tag, _attributes in page.elements} <= set(allowed)
    attributes = {name for _tag, names in page.elements for name in names}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "srcdoc", "action", "data")}
    assert [tag for tag, _attributes in page.elements].count("script") == 1
    assert [tag for tag, _attributes in page.elements].count("style") == 1


def test_hostile_texts_are_there_to_be_read() -> None:
    text = "".join(Page(html(hostile_night(), {PATH: RAW})).text)
    for word in (HOSTILE[0], "{{ 7 * 7 }}", "\\x1b[2J", "\\u202egnp.exe", "zero\\u200bwidth"):
        assert word in text
    assert "49" not in re.findall(r"\b49\b", text)
    for char in "\x1b\u202e\u2066\u200b\ufeff\x00":
        assert char not in text


def test_an_excerpt_shows_what_is_invisible_and_is_bounded() -> None:
    assert excerpt(RAW).splitlines()[1] == "\\x1b[2J/\\u202eetad overlay"
    assert excerpt(b"a\tb\xff") == "a\tb\\xff"
    assert excerpt(b"x" * 10000).endswith("x\n...")
    assert len(excerpt(b"\x00" * 10000)) < 5 * 4096
    assert excerpt(b"line\n" * 100).count("\n") == 60


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else() -> None:
    page = html(bad_night(), {})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    directives = policy[1].replace("&#39;", "'")
    for tag in ("style", "script"):
        body = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert body
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in directives
    assert "default-src 'none'" in directives
    assert "http" not in directives


def test_a_case_without_targets_and_findings_is_a_page_too() -> None:
    empty = {**bad_night(), "targets": [], "findings": [], "facts": {}, "timeline": [], "verdict": "unknown"}
    assert "There are no findings." in html(empty, {})
