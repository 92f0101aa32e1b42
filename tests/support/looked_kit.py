"""What must hold of the page at `/` in every situation: looked at in Debian's Chromium."""

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCREENSHOTS = os.environ.get("ROLLCAST_SCREENSHOTS")  # a folder that keeps pictures of what tests looked at

OVERLAPS = """() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest('title, option, .skip')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      if (box.width > 1 && box.height > 1)
        boxes.push([node.data.trim().slice(0, 40), box.left, box.top, box.right, box.bottom]);
  }
  const found = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    const wide = Math.min(a[3], b[3]) - Math.max(a[1], b[1]), high = Math.min(a[4], b[4]) - Math.max(a[2], b[2]);
    if (wide > 2 && high > 4) found.push(`${a[0]} / ${b[0]}`);
  }));
  return found;
}"""


class Looked:
    """A page that is looked at: what the browser complains about is collected."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if self._counts(said.type, said.text) else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda asked: self.elsewhere.append(asked.url) if self._leaves(asked.url) else None)

    @staticmethod
    def _counts(kind: str, text: str) -> bool:
        return kind in ("error", "warning") and "Failed to load resource" not in text  # a 404 or 409 that is shown

    def _leaves(self, asked: str) -> bool:
        return not asked.startswith((self.url, f"blob:{self.url}", "data:"))

    def open(self, address: str, shown: str) -> Page:
        """Open an address such as `#/models`, and wait for a text."""
        self.page.goto(f"{self.url}/{address}")
        self.page.get_by_text(shown).first.wait_for()
        return self.page

    def check(self, name: str) -> None:
        """No error, nothing asked of other hosts, no overlapping text, nothing wider than the window, axe's rules."""
        if SCREENSHOTS:
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)
        assert self.errors == [], self.errors
        assert self.elsewhere == []
        assert self.page.evaluate(OVERLAPS) == []
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()
