"""The page in a real browser by keyboard alone, on a phone, and on paper: everything is reached, nothing sticks out."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import needs_browser
from report_verdicts import explained, failing, hostile, passing
from tab import Tab, opened

from harness.report import html

REACHABLE = """(() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
  .filter((item) => item.checkVisibility() && !item.closest("details:not([open]) > :not(summary)"))
  .map((item) => (item.dataset.met = "", item)).length)()"""
"""How many things there are to use or to scroll; marks them."""
MET = """(() => { const item = document.activeElement; const first = item.dataset.met === "";
  item.dataset.met = "yes"; return item === document.body ? "" : first ? "new" : "again"; })()"""
NAMELESS = """[...document.querySelectorAll("a[href], button, input, select, summary, [role]")]
  .filter((item) => item.checkVisibility() && !item.textContent.trim() && !item.getAttribute("aria-label")
    && !item.labels?.length).map((item) => item.outerHTML.slice(0, 80))"""


def tabbed(tab: Tab) -> int:
    """How many different things Tab reaches, from the first of the page to its end."""
    tab.value("document.querySelector('.skip').focus()")
    reached = int(tab.value(MET) == "new")
    for _ in range(400):
        tab.press("Tab")
        met = tab.value(MET)
        if not met:
            break
        reached += met == "new"
    return reached


def focus(tab: Tab, selector: str) -> str:
    """Put the focus on an element, as Tab would; what it is."""
    found: str = tab.value(
        f"(() => {{ const it = document.querySelector({selector!r}); it.focus(); return it.textContent; }})()"
    )
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    folder = tmp_path_factory.mktemp("page")
    html.write(folder / "report.html", [passing(), explained(), failing()])
    with opened(folder / "report.html", folder) as found:
        yield found


@pytest.fixture
def tab(browser: Tab) -> Tab:
    """The overview, as it is when it is opened."""
    browser.value("location.hash = '', new Promise((done) => setTimeout(done, 100))")
    browser.reload()
    return browser


@needs_browser
def test_keys_alone_reach_and_use_everything(tab: Tab) -> None:
    there = tab.value(REACHABLE)
    assert tabbed(tab) == there > 10
    assert focus(tab, "#pairs tbody a") == "adam"
    tab.press("Enter")
    tab.value("new Promise((done) => setTimeout(done, 200))")
    assert tab.value("document.activeElement.id + document.activeElement.textContent") == "pair-titleadam"
    there = tab.value(REACHABLE)
    assert tabbed(tab) == there > 15
    focus(tab, "input[type=range]")
    before = tab.value("document.querySelector('.player output').textContent")
    tab.press("ArrowRight")
    after = tab.value("document.querySelector('.player output').textContent")
    assert (before.split()[1], after.split()[1]) == ("3", "4")
    focus(tab, ".cause summary")
    tab.press("Enter")
    assert tab.value("document.querySelector('.cause details').open")
    assert tab.value("document.querySelector('.suspect').textContent").startswith("6▶")
    assert tab.value(NAMELESS) == []


@needs_browser
def test_what_no_key_reaches_would_be_counted(tab: Tab) -> None:
    """The twin."""
    tab.value("document.querySelector('main').insertAdjacentHTML('beforeend', '<button tabindex=-1></button>')")
    assert tab.value(NAMELESS) == ['<button tabindex="-1"></button>']
    there = tab.value(REACHABLE)
    assert tabbed(tab) == there - 1


@needs_browser
def test_on_a_phone_nothing_sticks_out(tmp_path: Path) -> None:
    html.write(tmp_path / "report.html", [passing(), explained(), hostile()])
    with opened(tmp_path / "report.html", tmp_path, 360, 740) as tab:
        for place in ("#", "#pair-0", "#pair-1", "#pair-2"):
            tab.value(f"location.hash = {place!r}, new Promise((done) => setTimeout(done, 300))")
            assert tab.value("document.documentElement.scrollWidth <= innerWidth"), place


@needs_browser
def test_on_paper_controls_are_left_out_and_colours_are_light(tab: Tab) -> None:
    tab.value("location.hash = '#pair-0', new Promise((done) => setTimeout(done, 200))")
    seen = "[...document.querySelectorAll('.player input, .theme, nav.around')].filter((item) => item.checkVisibility()).length"
    back = "getComputedStyle(document.body).backgroundColor"
    tab.send("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.value(seen) == 3
    dark = tab.value(back)
    tab.send("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert tab.value(seen) == 0
    assert (dark, tab.value(back)) == ("rgb(20, 24, 28)", "rgb(255, 255, 255)")
    assert re.fullmatch("[A-Za-z0-9+/=]{1000,}", tab.send("Page.printToPDF")["data"])
