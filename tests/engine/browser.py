"""Prefect's pages in a real browser, Debian's Chromium, as people see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.engine.processes import WORD, NotInstalled

CHROMIUM = Path("/usr/bin/chromium")
#: A busy machine draws a page slowly.
_PATIENCE_MS = 300_000


@dataclass
class Pages:
    """A window on a server.

    Attributes:
        page: what is open.
        address: of the server's pages.
        elsewhere: whatever the pages have asked of anybody but the server.
    """

    page: Page
    address: str
    elsewhere: list[str] = field(default_factory=list)

    def open(self, path: str, *texts: str) -> str:
        """Open a page, wait until some texts are seen, and give all that is seen."""
        self.page.goto(f"{self.address}{path}", wait_until="commit")
        self.see(*texts)
        return self.page.inner_text("body")

    def turn_to(self, tab: str, *texts: str) -> None:
        """Open a tab of the page, and wait until some texts are seen."""
        self.page.get_by_text(tab, exact=True).locator("visible=true").first.click()
        self.see(*texts)

    def see(self, *texts: str) -> None:
        """Wait until texts are seen."""
        for text in texts:
            expect(
                self.page.get_by_text(text).locator("visible=true").first
            ).to_be_visible()  # some stand there unseen too


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window.

    Raises:
        NotInstalled: there is none.
    """
    if not CHROMIUM.exists():
        raise NotInstalled("These tests need Chromium: apt-get install chromium (.ci/run does it).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def pages(api: str, width: int = 1280, height: int = 900) -> Iterator[Pages]:
    """A window whose user has given the word.

    Args:
        api: the address of the server's API.
        width: of the window.
        height: of the window.

    Raises:
        NotInstalled: there is no Chromium.
    """
    with chromium() as browser:
        expect.set_options(timeout=_PATIENCE_MS)
        page = browser.new_page(
            viewport={"width": width, "height": height}, locale="en-GB", timezone_id="Europe/London"
        )
        page.set_default_timeout(_PATIENCE_MS)
        found = Pages(page, api.removesuffix("/api"))
        page.on("request", lambda asked: found.elsewhere.append(asked.url) if _elsewhere(asked.url, found) else None)
        _sign_in(found)
        yield found


def _elsewhere(url: str, pages: Pages) -> bool:
    return not url.startswith((f"{pages.address}/", "data:", "blob:"))


def _sign_in(pages: Pages) -> None:
    pages.page.goto(f"{pages.address}/login", wait_until="commit")
    pages.page.locator("input").first.fill(WORD)
    pages.page.get_by_role("button", name="Login").click()
    pages.page.wait_for_url("**/dashboard**")
