"""The service's pages in a real browser, Debian's Chromium, as people see them: from the file system and over HTTP, offline.

Belongs here: how a page is opened and read. Does not belong here: what must stand on it. What a page does that it must not
do at all, whatever a test is about, is kept in `Window.troubles`, and the fixture `window` fails for it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, Route

#: A busy machine draws a page slowly.
PATIENCE_MS = 60_000
#: How people open the pages.
WAYS = ("file", "http")
#: Notes whatever the page's own policy has stopped, from before its first line.
_WATCHES_THE_POLICY = """
window.stopped = [];
document.addEventListener("securitypolicyviolation", (e) => window.stopped.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
#: The rows of a table that are shown: the text of each cell, in the order on the page.
_ROWS = """(table, parts) => [...table.querySelectorAll(parts)].filter(row => row.getClientRects().length)
    .map(row => [...row.cells].map(cell => cell.innerText.trim()))"""


@dataclass
class Window:
    """A window on the pages.

    Attributes:
        page: what is open.
        address: of the folder that holds the pages.
        troubles: what the pages have asked of others, what their policy stopped, faults of their scripts, and dialogs.
    """

    page: Page
    address: str
    troubles: list[str] = field(default_factory=list)

    def open(self, folder: str, lang: str, more: str = "") -> None:
        """Open the page of an authority or of Wales."""
        self.page.goto(f"{self.address}/{folder}/index.{lang}.html{more}", wait_until="load")

    def table(self, name: str) -> Locator:
        """A table."""
        return self.page.locator(f'table[data-table="{name}"]')

    def rows(self, name: str) -> list[list[str]]:
        """The rows of a table that are shown."""
        found: list[list[str]] = self.table(name).evaluate(_ROWS, "tbody tr")
        return found

    def totals(self, name: str) -> list[list[str]]:
        """The rows at its foot."""
        found: list[list[str]] = self.table(name).evaluate(_ROWS, "tfoot tr")
        return found

    def keys(self, name: str) -> list[str]:
        """What the columns of a table are called."""
        found: list[str] = self.table(name).evaluate("t => [...t.tHead.querySelectorAll('th')].map(h => h.dataset.key)")
        return found

    def column(self, name: str, key: str) -> list[str]:
        """A column of a table, as it is shown."""
        place = self.keys(name).index(key)
        return [row[place] for row in self.rows(name)]

    def heading(self, name: str, key: str) -> Locator:
        """The heading of a column."""
        return self.table(name).locator(f'th[data-key="{key}"]')

    def state(self, script: str) -> Any:
        """What a script finds."""
        return self.page.evaluate(script)

    def stopped(self) -> list[str]:
        """What the page's own policy has stopped since it was opened."""
        found: list[str] = self.page.evaluate("window.stopped || []")
        return found


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder over HTTP, on loopback; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def window_on(
    browser: Browser, address: str, *, width: int = 1280, height: int = 900, guarded: bool = True, **own: Any
) -> Iterator[Window]:
    """A new window, that nobody used before and that gets to nobody else.

    Args:
        browser: the browser.
        address: of the folder that holds the pages.
        width: of the window, CSS pixels.
        height: of the window.
        guarded: keeps it from everybody else, and notes what it does that it must not do; costs time of its own.
        own: more of the browser's settings for it.
    """
    context = browser.new_context(
        **{"viewport": {"width": width, "height": height}, "locale": "en-GB", "timezone_id": "Europe/London", **own}
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    found = Window(page, address)
    if guarded:
        _guard(found)
    try:
        yield found
    finally:
        context.close()


def _guard(window: Window) -> None:
    page = window.page
    page.add_init_script(_WATCHES_THE_POLICY)
    page.context.route("**/*", lambda route: _only_here(route, window))
    page.on("console", lambda said: window.troubles.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: window.troubles.append(str(error)))
    page.on("dialog", lambda dialog: (window.troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))


def _only_here(route: Route, window: Window) -> None:
    if route.request.url.startswith((f"{window.address}/", "blob:", "data:")):
        route.continue_()
    else:
        window.troubles.append(f"asked of others: {route.request.url}")
        route.abort()
