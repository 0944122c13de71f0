"""The pages of a cycle at the size of Wales: what they weigh, how soon they can be used, what making all of them costs.

Three cycles are played (`tests.pages.three_cycles`), in one process, so that its processor time is all that is spent. The
pages of the last one are then made once, as after a publish that changed every one of them; publishing is that of the last
cycle itself. A page weighs what a browser loads to show it: the page in one language, its style and its program. It can be
used when it has been drawn and its program has said that it is ready (`pages-ready`), counted from the moment at which
somebody opens it, in a window that has loaded nothing before; and each table of it has then been sorted.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tasks.reports.overview import overview_of
from tasks.reports.pages import make_pages, pages_due
from tests.bench import stages
from tests.bench.common import BUILD, told
from tests.bench.wales import taking_part
from tests.pages.three_cycles import LAST, ThreeCycles, three_cycles

_TIMES = 3
Figures = dict[str, Any]


def measure(root: Path, schools: int | None = None, pupils_per_school: int = 900) -> Figures:
    """Play three cycles, make the pages, and look at each of them in a browser.

    Args:
        root: where the data root shall stand.
        schools: how many; all that a census is about where None.
        pupils_per_school: the mean.

    Raises:
        NotInstalled: there is no Chromium.
    """
    spent: dict[str, float] = {}
    with _publishing(spent):
        played = three_cycles(root, taking_part(schools), pupils_per_school)
    return {**_made(played), "publish_cpu_s": spent[LAST], "schools": len(played.schools), **_looked_at(played)}


@contextmanager
def _publishing(spent: dict[str, float]) -> Iterator[None]:
    """Add up the processor time of publishing, by cycle."""
    of_returns = stages.returns_stages

    def counted(root: Path, cycle: str, as_of: str) -> dict[str, Any]:
        given = of_returns(root, cycle, as_of)

        def publish() -> Any:
            began = time.process_time()
            done = given["publish"]()
            spent[cycle] = spent.get(cycle, 0.0) + time.process_time() - began
            return done

        return {**given, "publish": publish}

    with mock.patch.object(stages, "returns_stages", counted):
        yield


def _made(played: ThreeCycles) -> Figures:
    """What the making of all pages costs, and the look that finds that none is due; as a run does it."""
    of = str(played.root), LAST, played.looked_at
    # A run has that for its own page already, and has counted.
    seen = overview_of(*of, conserved=True)
    began = time.process_time()
    site = make_pages(*of, seen, conserved=True, run="bench")
    made = time.process_time() - began
    began = time.process_time()
    due = pages_due(*of)
    if due:
        raise RuntimeError("pages that were just made are due again")
    return {"pages": site.written, "pages_cpu_s": made, "pages_look_cpu_s": time.process_time() - began}


def weights(folder: Path) -> dict[str, int]:
    """Bytes of each page with all that it loads: by folder and language."""
    beside = ("site.css", "site.js")
    return {
        f"{page.parent.name} {page.name.split('.')[1]}": sum(
            one.stat().st_size for one in (page, *(page.parent / name for name in beside))
        )
        for page in sorted(folder.glob("*/index.*.html"))
    }


def _looked_at(played: ThreeCycles) -> Figures:
    from tests.engine.browser import chromium
    from tests.pages.windows import served

    folder = played.root / "reports" / LAST / "site"
    weighs = weights(folder)
    heaviest = max(weighs, key=lambda name: weighs[name])
    names = {heaviest, "wales cy", max((n for n in weighs if not n.startswith("wales")), key=lambda name: weighs[name])}
    ready: dict[str, float] = {}
    with chromium() as browser, served(folder) as address:
        ready_once(browser, address, "wales en")  # the browser's own start
        for way, at in (("file", folder.as_uri()), ("http", address)):
            for name in sorted(names):
                found = [ready_once(browser, at, name) for _ in range(_TIMES)]
                ready[f"{name} {way}"] = statistics.median(found)
    return {
        "page_kb": weighs[heaviest] / 1000,
        "page_ready_s": max(ready.values()),
        "page_weights": weighs,
        "page_ready": ready,
    }


def ready_once(browser: Any, address: str, name: str) -> float:
    """Seconds from the opening of a page until each of its tables has been sorted once.

    Args:
        browser: the browser.
        address: of the folder that holds the pages.
        name: of the page, as `weights` has it.
    """
    from tests.pages.windows import window_on

    with window_on(browser, address, guarded=False) as window:
        window.open(*name.split())
        return (_drawn(window) + _sorted(window)) / 1000


def spent_once(browser: Any, address: str, name: str) -> float:
    """Seconds of processor time that the page's own thread spends until each of its tables has been sorted once.

    Args:
        browser: the browser, a Chromium.
        address: of the folder that holds the pages.
        name: of the page, as `weights` has it.
    """
    from tests.pages.windows import window_on

    with window_on(browser, address, guarded=False) as window:
        asked = window.page.context.new_cdp_session(window.page)
        asked.send("Performance.enable", {"timeDomain": "threadTicks"})
        window.open(*name.split())
        _drawn(window)
        _sorted(window)
        told = {one["name"]: one["value"] for one in asked.send("Performance.getMetrics")["metrics"]}
        return float(told["TaskDuration"])


def _drawn(window: Any) -> float:
    """Milliseconds until the page has been drawn and its program is ready."""
    return float(
        window.state(
            # It is loaded before it is drawn.
            """async () => Math.max(performance.getEntriesByName('pages-ready')[0].startTime,
            await new Promise(drawn => new PerformanceObserver(seen => seen.getEntries()
                .filter(one => one.name === 'first-contentful-paint').forEach(one => drawn(one.startTime)))
                .observe({ type: 'paint', buffered: true })))"""
        )
    )


def _sorted(window: Any) -> float:
    """Milliseconds that it takes to sort each table once."""
    return float(
        window.state(
            """() => { const began = performance.now();
            for (const button of document.querySelectorAll('thead th:first-child button')) button.click();
            document.body.getBoundingClientRect();
            return performance.now() - began; }"""
        )
    )


def as_lines(figures: Figures) -> list[str]:
    """The figures as a person reads them."""
    heaviest = sorted(figures["page_weights"].items(), key=lambda one: -one[1])[:3]
    slowest = sorted(figures["page_ready"].items(), key=lambda one: -one[1])[:3]
    return [
        f"{figures['pages']} pages of {figures['schools']} schools in two languages: {figures['pages_cpu_s']:.2f} s of processor "
        f"time, {figures['pages_look_cpu_s']:.2f} s to see that none is due; publishing took {figures['publish_cpu_s']:.1f} s",
        "heaviest: " + ", ".join(f"{name} {size / 1000:.0f} kB" for name, size in heaviest),
        "ready and sorted: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in slowest),
        "",
    ]


def main() -> None:
    """Measure, on a fresh data root."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--schools", type=int)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    root = BUILD / "runs" / "pages"
    shutil.rmtree(root, ignore_errors=True)
    told(measure(root, given.schools), given.out)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
