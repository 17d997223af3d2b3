"""The README's pictures: the dashboard over a spring of flights; `make pictures` copies what is taken here to docs/."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PICTURES, free_port, served
from tests.browser.flights import play
from tests.browser.visits import panel, visit

pytestmark = [pytest.mark.browser, pytest.mark.pictures]
README = PICTURES / "readme"


@pytest.fixture(scope="module")
def spring(tmp_path_factory, chromium):
    folder = tmp_path_factory.mktemp("spring")
    settings = play(folder / "ws", f"[pages]\nrefresh_s = 0.5\ndashboard_port = {free_port()}\n")
    with served(settings, folder) as site:
        yield site


def look(new_page, spring, name, width, height, theme):
    page = new_page(width, height)
    visit(page, f"{spring.url}?theme={theme}")
    expect(page.get_by_role("alert")).to_have_count(0)
    README.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=README / f"{name}.png")
    return page


def test_the_dashboard_tells_the_story_of_a_spring(new_page, spring):
    page = look(new_page, spring, "dashboard", 1280, 1750, "light")
    expect(page.locator(".wb-state")).to_contain_text("1,000 predictions, error")
    performance = panel(page, "Error over time, and what was done about it")
    expect(performance.get_by_role("img").first).to_be_visible()
    told = panel(page, "What happened")
    for what in ("▲ alarm", "● retrain started", "★ promoted", "✓ probation passed"):
        expect(told.get_by_text(what).first).to_be_visible()
    expect(panel(page, "Versions").get_by_role("row")).to_have_count(3)


def test_so_it_does_on_a_phone_in_the_dark(new_page, spring):
    page = look(new_page, spring, "phone", 390, 844, "dark")
    expect(page.locator(".wb-state")).to_contain_text("1,000 predictions, error")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
