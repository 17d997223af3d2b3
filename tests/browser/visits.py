"""What a visitor of the dashboard does."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import expect

SOON = 60_000
LOCAL = ("127.0.0.1", "localhost", "")
# Pictures are drawn for the width they have; tables scroll.
TOO_WIDE = """() => [...document.querySelectorAll('.wb *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.wb-scroll, svg'))
    .map(e => e.outerHTML.slice(0, 120))"""


def is_local(url):
    """Whether an address is of this machine, or of no machine at all."""
    return urlsplit(url).scheme in ("data", "blob", "about") or urlsplit(url).hostname in LOCAL


def keep_at_home(page):
    """Stop every request to another machine; returns those that were tried."""
    tried = []

    def stop(route):
        tried.append(route.request.url)
        route.abort()

    page.route(lambda url: not is_local(url), stop)
    return tried


def visit(page, url):
    """Open a page, and wait until all of it is drawn, in its own width."""
    page.goto(url)
    expect(page.get_by_text("live, looked at")).to_be_visible(timeout=SOON)
    # By then the kernel has been told how wide the page is.
    page.wait_for_timeout(1_000)
    expect(page.locator('.wb-light[data-left="false"]')).to_be_visible(timeout=SOON)


def unlock(page, token):
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Unlock").click()


def panel(page, title):
    """One panel of the page: several have a field for the reason, and a button to confirm."""
    return page.locator(".wb-panel", has=page.get_by_role("heading", name=title, exact=True))


def kernel_of(page):
    """The id of the kernel behind a page of Voila."""
    return page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")


def luminance(shown, which):
    """Of a colour of an element: from 0 (black) to 1 (white)."""
    told = shown.evaluate("(e, which) => getComputedStyle(e).getPropertyValue(which)", which)
    return sum(float(part) for part in re.findall(r"[\d.]+", told)[:3]) / 3 / 255
