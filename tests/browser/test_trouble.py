"""When something is missing, broken or gone: the page says so, and nothing is left behind."""

import os
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import free_port, served
from tests.browser.visits import SOON, kernel_of, visit
from tests.conftest import make_workspace, until
from workbench.metrics_store import MetricsStore
from workbench.records import Event

pytestmark = pytest.mark.browser


def test_two_viewers_see_the_same_news_each_with_a_kernel_of_their_own(new_page, site):
    pages = [new_page(), new_page(390, 1200)]
    for page in pages:
        visit(page, site.url)
    assert kernel_of(pages[0]) != kernel_of(pages[1])
    metrics = MetricsStore.of(site.settings)
    metrics.append(Event(kind="kept_out", reason="news for everyone", version="second"))
    metrics.close()
    for page in pages:
        expect(page.get_by_text("news for everyone").first).to_be_visible(timeout=SOON)


def test_a_dead_kernel_is_told_in_a_banner_that_offers_a_reload(page, site):
    visit(page, site.url)
    os.kill(site.kernel(kernel_of(page)).pid, signal.SIGKILL)
    banner = page.get_by_role("alert").filter(has_text="The connection to the session was lost")
    expect(banner).to_be_visible(timeout=SOON)
    expect(page.get_by_text("✗ lost")).to_be_visible()
    banner.get_by_role("button", name="Reload").click()
    expect(page.get_by_text("live, looked at")).to_be_visible(timeout=SOON)


def test_what_cannot_be_read_is_told_with_its_time_and_the_last_picture_stays(page, site):
    visit(page, site.url)
    expect(page.get_by_role("img", name="mae of second")).to_be_visible()
    folder, aside = site.settings.metrics_dir / "events", site.settings.metrics_dir / "aside"
    folder.rename(aside)
    try:
        folder.write_text("a file in the place of a folder")
        trouble = page.get_by_role("alert").filter(has_text="Reading the workspace")
        expect(trouble).to_be_visible(timeout=SOON)
        expect(trouble).to_contain_text("NotADirectoryError")
        expect(page.get_by_role("img", name="mae of second")).to_be_visible()
    finally:
        folder.unlink(missing_ok=True)
        aside.rename(folder)
    expect(trouble).to_be_hidden(timeout=SOON)


def test_an_empty_store_is_no_error_and_a_closed_page_leaves_no_kernel(new_page, chromium, tmp_path):
    pages = f"\n[pages]\nrefresh_s = 0.5\ndashboard_port = {free_port()}\n"
    settings = make_workspace(tmp_path / "empty", extra=pages)
    with served(settings, tmp_path, cull_idle_timeout=4, cull_interval=1) as site:
        page = new_page()
        visit(page, site.url)
        expect(page.locator(".wb-state")).to_have_text("○ Nothing live: no version yet")
        expect(page.get_by_role("alert")).to_have_count(0)
        kernel = site.kernel(kernel_of(page))
        assert kernel is not None
        page.wait_for_timeout(6_000)
        assert kernel.is_running()
        page.close()
        until(lambda: not kernel.is_running(), 60)
