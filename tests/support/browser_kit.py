"""Debian's Chromium, driven by Playwright: pages as a person sees them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SECONDS = 150  # that each step may take


@contextmanager
def opened_page(chromium: Path) -> Iterator[Page]:
    """An empty page of a browser of its own. Both end with the block, because Playwright keeps an event loop, beside
    which other tests could not start theirs."""
    sandbox = os.geteuid() != 0  # Chromium does not start its sandbox as root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=sandbox, timeout=SECONDS * 1000)
        page = browser.new_page()
        page.set_default_timeout(SECONDS * 1000)
        try:
            yield page
        finally:
            browser.close()


def requests_elsewhere(page: Page, url: str) -> list[str]:
    """The addresses outside of `url` that the page asks from now on; the list grows as it does."""
    found: list[str] = []
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((url, f"blob:{url}", "data:")) else found.append(asked.url),
    )
    return found
