# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as a person opens it: in a browser, from a file, without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.tests.unit.support.report_cases import (
    PATH,
    RAW,
    bad_night,
    hostile_night,
)
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

# nothing that a browser does by itself, and no sandbox, which root has none of
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
PHONE, DESK = 400, 1400


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=SWITCHES)
        yield chromium
        chromium.close()


class Opened:
    """A report that is open in a window, and what it tried to do: requests, dialogs, words on the console."""

    def __init__(self, browser: Browser, folder: Path, page: str, width: int = DESK, scheme: str = "light") -> None:
        path = folder / "report.html"
        path.write_text(page, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
        )
        self.page: Page = context.new_page()
        self.attempts: list[str] = []
        self.page.on("console", lambda message: self.attempts.append(message.text))
        self.page.on("pageerror", lambda error: self.attempts.append(str(error)))
        self.page.on("dialog", lambda dialog: self.attempts.append(dialog.message))
        self.page.on("request", lambda request: self.attempts.append(request.url))
        self.page.goto(path.as_uri())
        # the page itself
        assert self.attempts.pop(0) == path.as_uri()


@pytest.fixture(params=["bad", "hostile"])
def page(request: pytest.FixtureRequest) -> str:
    return html({"bad": bad_night, "hostile": hostile_night}[request.param](), {PATH: RAW})


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_nothing_leaves_and_nothing_is_too_wide(
    browser: Browser, tmp_path: Path, page: str, width: int, scheme: str
) -> None:
    opened = Opened(browser, tmp_path, page, width, scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert opened.page.title().startswith("FAIL: disk_triage")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    assert opened.attempts == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: str) -> None:
    opened = Opened(browser, tmp_path, html(bad_night(), {PATH: RAW}), scheme=scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = Axe().run(opened.page)
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_something(browser: Browser, tmp_path: Path) -> None:
    broken = html(bad_night(), {PATH: RAW}).replace('<html lang="en">', "<html>")
    assert Axe().run(Opened(browser, tmp_path, broken).page).violations_count


def shown(opened: Opened, column: int) -> list[str]:
    rows = opened.page.locator('table[data-id="table-processes"] tbody tr:visible')
    return [row.locator("td").nth(column).inner_text() for row in rows.all()]


def test_tables_are_searched_and_sorted_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, html(bad_night(), {PATH: RAW}))
    opened.page.get_by_label("Search").nth(1).focus()
    opened.page.keyboard.type("miner")
    assert shown(opened, 1) == ["66"]
    opened.page.keyboard.press("Control+A")
    opened.page.keyboard.press("Delete")
    heading = opened.page.locator('table[data-id="table-processes"] th button', has_text="pid")
    heading.focus()
    opened.page.keyboard.press("Enter")
    assert shown(opened, 1) == ["1", "1", "7", "7", "9", "9", "66"]
    opened.page.keyboard.press("Enter")
    assert shown(opened, 1)[0] == "66"
    assert heading.locator("xpath=..").get_attribute("aria-sort") == "descending"


def test_the_first_stop_of_the_keyboard_leads_to_the_findings(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, html(bad_night(), {PATH: RAW}))
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.getAttribute('href')") == "#findings"


def test_without_script_all_can_be_read(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(html(bad_night(), {PATH: RAW}), encoding="utf-8")
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.get_by_text("only here").is_visible()
    assert not page.get_by_label("Search").first.is_visible()


def test_what_is_folded_away_is_there_on_paper(browser: Browser, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, html(bad_night(), {PATH: RAW}))
    folded = [opened.page.get_by_text(text).first for text in (PATH, "No volume uses 95 % of its inodes.")]
    assert [part.is_visible() for part in folded] == [False, False]
    opened.page.emulate_media(media="print")
    assert [part.is_visible() for part in folded] == [True, True]


def test_on_paper_nothing_is_cut_off_at_the_edge(browser: Browser, tmp_path: Path) -> None:
    night = bad_night()
    night["findings"][0]["message"] = "x" * 4000
    opened = Opened(browser, tmp_path, html(night, {PATH: b"2f" * 2000}))
    opened.page.emulate_media(media="print")
    # what a sheet of A4 has between margins of a centimetre, at 96 dots an inch
    opened.page.set_viewport_size({"width": 718, "height": 1046})
    assert opened.page.locator("article.fail pre").first.is_visible()
    beyond = "[...document.querySelectorAll('body *')].filter((part) => part.getBoundingClientRect().right > 719)"
    assert opened.page.evaluate(f"{beyond}.map((part) => part.outerHTML.slice(0, 80))") == []


def test_of_what_is_fine_paper_has_the_names_of_the_files_and_not_what_is_in_them(
    browser: Browser, tmp_path: Path
) -> None:
    opened = Opened(browser, tmp_path, html(bad_night(), {PATH: RAW}))
    opened.page.emulate_media(media="print")
    passed = opened.page.locator(".passed")
    assert passed.get_by_text(PATH).first.is_visible()
    assert [part.is_visible() for part in passed.locator("pre").all()] == [False] * passed.locator("pre").count()
    assert opened.page.locator("article.fail pre").first.is_visible()
