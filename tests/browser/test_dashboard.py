"""One visit: look, unlock, retrain, switch, roll back, play a backtest."""

import pytest
from playwright.sync_api import expect

from tests.browser.visits import SOON, panel, unlock, visit

pytestmark = pytest.mark.browser


@pytest.fixture
def visited(page, site):
    visit(page, site.url)
    return page


def test_a_stakeholder_sees_how_the_model_does(visited):
    page = visited
    for words in ("✓ Healthy: 60 predictions, error", "no drift", "version second"):
        expect(page.locator(".wb-state")).to_contain_text(words)
    for words in ("mae now", "60 in the window", "12 ms"):
        expect(page.locator(".wb-cards").first).to_contain_text(words)
    expect(page.get_by_text("wait: nothing in alarm").first).to_be_visible()
    for name in ("mae of second", "Drift by feature", "Service over time"):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    live = page.locator("tr", has_text="● live")
    expect(live).to_contain_text("second")
    expect(page.get_by_role("button", name="Retrain")).to_be_hidden()


def test_a_stakeholder_looks_closer_at_a_version_and_at_the_last_hour(visited):
    page = visited
    performance = panel(page, "Error over time, and what was done about it")
    expect(performance.get_by_role("img", name="Residuals against predictions")).to_be_visible()
    performance.get_by_label("Version", exact=True).select_option("first")
    expect(performance.get_by_text("recorded answers of first have their actual").first).to_be_visible()
    looks = {"How actuals come": "How late actuals come", "Without actuals": "Estimated beside realised"}
    for look, picture in looks.items():
        performance.get_by_role("button", name=look).click()
        expect(performance.get_by_role("img", name=picture)).to_be_visible()
    performance.get_by_role("button", name="By segment and time").click()
    expect(performance.get_by_text("By event time")).to_be_visible()
    service = panel(page, "Service")
    expect(service.get_by_role("img", name="mean response, the last 2 checks")).to_be_visible()
    service.get_by_label("Time span").select_option("1 hour")
    expect(service.get_by_role("img", name="Service over time, 2 checks")).to_be_visible()
    expect(service.locator("tr", has_text="150 MB").last).to_contain_text("second")


def test_an_operator_unlocks_switches_and_rolls_back(visited, site):
    page = visited
    unlock(page, "not the token")
    expect(page.get_by_text("that is not the token")).to_be_visible()
    expect(page.get_by_role("button", name="Roll back")).to_be_hidden()
    unlock(page, site.token)
    versions = panel(page, "Versions")
    versions.get_by_label("Reason").fill("the <first> was better")
    versions.get_by_label("Version").select_option("first")
    versions.get_by_role("button", name="Switch to it").click()
    versions.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("✓ done: first is live")).to_be_visible(timeout=SOON)
    expect(page.locator("tr", has_text="● live")).to_contain_text("first")
    expect(page.locator("tr", has_text="◆ switched")).to_contain_text("the <first> was better")
    versions.get_by_role("button", name="Roll back").click()
    versions.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("✓ done: second is live")).to_be_visible(timeout=SOON)
    page.get_by_role("button", name="Lock again").click()
    expect(page.get_by_role("button", name="Roll back")).to_be_hidden()


def test_an_operator_retrains_and_sees_it_begin_and_end(visited, site):
    page = visited
    unlock(page, site.token)
    retrain = panel(page, "Retrain")
    retrain.get_by_label("New id").fill("third")
    retrain.get_by_role("button", name="Retrain").click()
    retrain.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("nothing was done")).to_be_visible()
    retrain.get_by_role("button", name="Retrain").click()
    retrain.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("the retrain has started")).to_be_visible()
    expect(page.get_by_text("retraining (dashboard: by request)")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("✓ retrain done: third is published")).to_be_visible(timeout=SOON)
    expect(page.locator("tr", has_text="third").first).to_be_visible()


def test_an_operator_plays_a_backtest_and_sees_what_came_of_it(visited, site):
    page = visited
    backtest = panel(page, "Backtest: would this policy have helped?")
    expect(backtest.get_by_role("button", name="Run the backtest")).to_be_hidden()
    unlock(page, site.token)
    backtest.get_by_label("beside the settings in force").uncheck()
    backtest.get_by_role("button", name="Run the backtest").click()
    expect(backtest.get_by_role("progressbar", name="Backtest")).to_be_visible()
    expect(backtest.get_by_text("✓ the backtest is done")).to_be_visible(timeout=SOON)
    expect(backtest.get_by_role("img", name="mae over event time, 2026-01-04 to 2026-01-17")).to_be_visible()
    expect(backtest.get_by_role("row", name="never")).to_be_visible()
