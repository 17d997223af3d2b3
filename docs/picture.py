"""Take docs/dashboard.png from a running `make demo`: `make picture`, best after the first switch."""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from workbench.settings import load_settings

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    sys.exit("no Chromium found")
pages = load_settings().pages
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
    page = browser.new_page(viewport={"width": 1280, "height": 1750})
    page.goto(f"http://{pages.host}:{pages.dashboard_port}")
    expect(page.get_by_role("img").first).to_be_visible(timeout=60_000)
    page.wait_for_timeout(4_000)
    page.screenshot(path=Path(__file__).parent / "dashboard.png", full_page="--whole" in sys.argv)
    browser.close()
