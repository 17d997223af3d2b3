"""Take the README's pictures from a running `make demo`: `make pictures`, best after the first switch.

docs/dashboard.png is kept; the others, in every width and theme, go to pictures/, which git ignores, for looking at.
"""

import shutil
import sys
from itertools import product
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from workbench.settings import load_settings
from workbench.tokens import maintenance_token

HERE = Path(__file__).parent
LOOKS = HERE.parent / "pictures"
WIDTHS = (390, 1280, 1920)
TALL = 1750
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# The page scrolls in an element of its own, so that a window is needed that is as high as what it holds.
HEIGHT = "Math.ceil(document.querySelector('.wb').getBoundingClientRect().height) + 80"


def whole(page: Page, width: int, path: Path) -> None:
    """The page as high as it is."""
    page.set_viewport_size({"width": width, "height": page.evaluate(HEIGHT)})
    page.wait_for_timeout(1_500)
    page.screenshot(path=path)


if CHROMIUM is None:
    sys.exit("no Chromium found")
settings = load_settings()
address = f"http://{settings.pages.host}:{settings.pages.dashboard_port}/"
LOOKS.mkdir(exist_ok=True)
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-quic"])
    for width, theme in product(WIDTHS, ("light", "dark")):
        page = browser.new_page(viewport={"width": width, "height": TALL})
        page.goto(f"{address}?theme={theme}")
        expect(page.get_by_text("live, looked at")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("img").first).to_be_visible(timeout=60_000)
        page.wait_for_timeout(4_000)
        if (width, theme) == (1280, "light"):
            page.screenshot(path=HERE / "dashboard.png")
        whole(page, width, LOOKS / f"{theme}-{width}.png")
        page.get_by_label("Token").fill(maintenance_token(settings.root))
        page.get_by_role("button", name="Unlock").click()
        expect(page.get_by_role("button", name="Lock again")).to_be_visible()
        whole(page, width, LOOKS / f"{theme}-{width}-unlocked.png")
        page.close()
    browser.close()
