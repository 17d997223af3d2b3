"""The drift panel in a browser: one input picked, a slider moved by key, a fire drill held."""

import pytest
from playwright.sync_api import expect

from tests.browser.visits import SOON, unlock, visit
from workbench.metrics_store import MetricsStore
from workbench.monitor import ModelMonitor
from workbench.version_store import VersionStore

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def checked(site):
    """A check of the live version: another test may have switched since the last one."""
    metrics, versions = MetricsStore.of(site.settings), VersionStore(site.settings.versions_dir)
    ModelMonitor(metrics, site.settings).check(versions.load(versions.live_id()))
    metrics.close()


def test_a_picked_input_is_shown_beside_its_reference(page, site):
    visit(page, site.url)
    page.get_by_label("Input").first.select_option(label=next(t for t in options(page) if t.startswith("to:")))
    expect(page.get_by_role("img", name="share of values unseen of to at")).to_be_hidden()
    page.get_by_label("Score").select_option(label="share of values unseen")
    expect(page.get_by_role("img", name="share of values unseen of to at")).to_be_visible()
    expect(page.get_by_role("cell", name="north")).to_be_visible()


def options(page):
    return page.get_by_label("Input").first.locator("option").all_text_contents()


def test_a_slider_moved_by_key_tells_at_once_what_would_have_alarmed_even_on_a_locked_page(page, site):
    visit(page, site.url)
    expect(page.get_by_text("an effect counts from 0.1 sd of the mean")).to_be_visible()
    slider = page.get_by_role("slider", name="Smallest effect")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("an effect counts from 0.2 sd of the mean")).to_be_visible()
    page.get_by_role("button", name="As set").click()
    expect(page.get_by_text("an effect counts from 0.1 sd of the mean")).to_be_visible()


def test_an_operator_holds_a_fire_drill(page, site):
    visit(page, site.url)
    expect(page.get_by_role("button", name="Fire drill")).to_be_hidden()
    unlock(page, site.token)
    page.get_by_role("button", name="Fire drill").click()
    expect(page.get_by_text("stretches of the reference")).to_be_visible(timeout=SOON)
