"""`python -m tests.engine.screenshots`: the pictures of Prefect's pages in `docs/images`, of synthetic runs (`make screenshots`).

Made anew, not by hand, so that they show what the pages show now. To add one: a line in `PICTURES`.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engine import names
from tests.engine.api import Api
from tests.engine.browser import Pages, pages
from tests.engine.processes import NotInstalled
from tests.engine.undisturbed import Undisturbed, deployed, play
from tests.support.paths import PROJECT

IMAGES = PROJECT / "docs" / "images"
#: Bytes; a picture is looked at in a browser, and lies in every clone.
LARGEST = 150_000


@dataclass(frozen=True)
class Picture:
    """A page to take a picture of.

    Attributes:
        name: of the file, without its ending.
        show: opens the page and waits until all that matters is seen.
    """

    name: str
    show: Callable[[Pages, Api, Undisturbed], None]


def _run(window: Pages, _api: Api, played: Undisturbed) -> None:
    window.open(f"/runs/flow-run/{played.census}", "Completed")
    window.turn_to("Task Runs", "receive 2012-01")


def _artifact(window: Pages, api: Api, played: Undisturbed) -> None:
    key = "census-2012-01-overview"
    window.open(f"/artifacts/artifact/{api.artifacts(played.census)[key]['id']}", *names.SEEN_IN_ARTIFACTS[key])


def _form(window: Pages, api: Api, _played: Undisturbed) -> None:
    deployment = api.deployment(names.RETRY)["id"]
    window.open(f"/deployments/deployment/{deployment}/run", *names.SEEN_IN_FORMS[names.RETRY])


PICTURES = (
    Picture("run", _run),
    Picture("artifact", _artifact),
    Picture("form", _form),
)


def take(api: Api, played: Undisturbed, folder: Path) -> list[Path]:
    """Take every picture.

    Args:
        api: of the server on which the runs are.
        played: the runs.
        folder: where the pictures go.

    Raises:
        NotInstalled: there is no Chromium.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with pages(api.address, width=1100, height=760) as window:
        for picture in PICTURES:
            picture.show(window, api, played)
            window.page.wait_for_load_state("networkidle")
            taken.append(folder / f"{picture.name}.png")
            window.page.screenshot(path=taken[-1], animations="disabled")
    return taken


def main() -> int:
    """Play a census and a returns run on synthetic learners, and take the pictures."""
    try:
        with tempfile.TemporaryDirectory(prefix="uln-pictures-") as home, deployed(Path(home)) as service:
            taken = take(service.api, play(service.api, Path(home)), IMAGES)
    except NotInstalled as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    for path in taken:
        sys.stdout.write(f"{path.relative_to(PROJECT)}  {path.stat().st_size // 1000} kB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
