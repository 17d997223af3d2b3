"""The dashboard for everybody: axe-core finds nothing serious, keys reach everything, and it fits a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.visits import TOO_WIDE, luminance, unlock, visit

pytestmark = pytest.mark.browser
# What can be reached: a hidden field is none of it.
CONTROLS = """() => [...document.querySelectorAll('.wb button, .wb input, .wb select, .wb a[href], .wb [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !e.disabled)
    .map((e, i) => { e.dataset.control = i; return e.outerHTML.slice(0, 120) })"""
FOCUSED = "() => document.activeElement.dataset.control ?? null"


def serious(page):
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_locked_or_unlocked(page, site, theme):
    visit(page, f"{site.url}?theme={theme}")
    assert serious(page) == []
    unlock(page, site.token)
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    assert serious(page) == []


def test_without_a_theme_in_the_address_the_page_follows_the_system_and_with_one_it_does_not(new_page, site):
    page = new_page(color_scheme="dark")
    visit(page, site.url)
    card, offered = page.locator(".wb-panel").first, page.locator(".wb-theme")
    assert luminance(card, "background-color") < 0.5 < luminance(card, "color")
    expect(offered).to_have_text("Light")
    assert serious(page) == []
    page.emulate_media(color_scheme="light")
    expect(offered).to_have_text("Dark")
    assert luminance(card, "background-color") > 0.5 > luminance(card, "color")
    page.emulate_media(color_scheme="dark")
    offered.click()
    expect(offered).to_have_text("Dark")
    assert luminance(card, "background-color") > 0.5 > luminance(card, "color")


def test_every_control_is_reached_by_the_keyboard_alone(page, site):
    visit(page, site.url)
    page.get_by_label("Token").focus()
    page.keyboard.type(site.token)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    controls = dict(enumerate(page.evaluate(CONTROLS)))
    page.evaluate("() => { document.activeElement.blur(); window.getSelection().removeAllRanges() }")
    reached = set()
    for _ in range(3 * len(controls)):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
    assert len(controls) > 10
    assert [html for i, html in controls.items() if str(i) not in reached] == []


@pytest.mark.parametrize("width", [390, 640, 1280, 1920])
def test_nothing_is_wider_than_the_window(new_page, site, width):
    page = new_page(width, 900)
    visit(page, site.url)
    unlock(page, site.token)
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    # The page tells its width, and pictures are drawn anew for it.
    page.wait_for_function(f"({TOO_WIDE})().length == 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
