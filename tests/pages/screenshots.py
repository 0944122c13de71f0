"""`python -m tests.pages.screenshots`: the pictures of a cycle's pages in `docs/images` (`make screenshots`).

Of synthetic learners in the schools of two authorities, over three cycles. Made anew, not by hand, so that they show what the
pages show now. To add one: a line in `PICTURES`.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tasks.io.data_root.reference import schools
from tests.engine.browser import chromium
from tests.engine.processes import NotInstalled
from tests.engine.screenshots import IMAGES
from tests.pages.three_cycles import pages_of, three_cycles
from tests.pages.windows import window_on
from tests.support.paths import PROJECT

#: Whose schools take part, and whose page is shown.
_AUTHORITIES, _SHOWN = ("667", "668"), "667"


@dataclass(frozen=True)
class Picture:
    """A page to take a picture of.

    Attributes:
        name: of the file, without its ending.
        lang: of the page.
        width: of the window, CSS pixels.
        height: of the window.
        at: what is at the top of the picture; the top of the page where None.
        media: screen or print.
    """

    name: str
    lang: str
    width: int
    height: int = 900
    at: str | None = None
    media: str = "screen"


PICTURES = (
    Picture("pages-wide", "en", 1280),
    Picture("pages-middle", "cy", 768, at="schools-caption"),
    Picture("pages-narrow", "en", 320, 640, at="schools-caption"),
    # A4 on its side, between the margins.
    Picture("pages-print", "cy", 1031, 702, media="print"),
)


def take(folder: Path, home: Path) -> list[Path]:
    """Play three cycles and take every picture.

    Args:
        folder: where the pictures go.
        home: an empty folder for the data root.

    Raises:
        NotInstalled: there is no Chromium.
    """
    register = schools()
    ordinary = register["sector_en"].isin(["Secondary", "Middle"])
    taking = register[register["la_code"].isin(_AUTHORITIES) & ordinary].reset_index(drop=True)
    site = pages_of(three_cycles(home / "root", taking, 240))
    taken = []
    with chromium() as browser:
        for picture in PICTURES:
            with window_on(browser, site.as_uri(), width=picture.width, height=picture.height) as window:
                window.open(_SHOWN, picture.lang)
                window.page.emulate_media(media=picture.media)
                if picture.at:
                    window.state(f"document.getElementById('{picture.at}').scrollIntoView()")
                taken.append(folder / f"{picture.name}.png")
                window.page.screenshot(path=taken[-1], animations="disabled")
    return taken


def main() -> int:
    """Take the pictures and tell their sizes."""
    try:
        with tempfile.TemporaryDirectory(prefix="uln-pages-") as home:
            taken = take(IMAGES, Path(home))
    except NotInstalled as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    for path in taken:
        sys.stdout.write(f"{path.relative_to(PROJECT)}  {path.stat().st_size // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
