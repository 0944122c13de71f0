"""`make bench`: every part, one table, `build/bench.json`.

    python -m tests.bench                # all
    python -m tests.bench speed engine   # these; figures of the others stay as a run before left them

The floor is measured twice, before and after the run of the stages that it is held against, and its mean counts.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from typing import Any

from tests.bench import pages as of_pages
from tests.bench.common import BUILD, fresh, in_own_process
from tests.bench.exceptions import as_lines
from tests.bench.wales import wales

OUT = BUILD.parent / "bench.json"
_RUN = BUILD / "runs"
Figures = dict[str, Any]

#: figure -> what it says, "most" or "least", the bound.
GOALS: dict[str, tuple[str, str, float]] = {
    "floor_ratio": ("stages against the floor", "most", 3.0),
    "plain_script_speedup": ("the plain script against the stages", "least", 5.0),
    "engine_share": ("the engine's share of a run", "most", 0.15),
    "engine_overhead_s": ("the engine's seconds in a run", "most", 20.0),
    "peak_mib": ("MiB of the largest process", "most", 1024.0),
    "growth_20x": ("a record's cost at 20 x Wales against 1 x", "most", 1.15),
    "memory_20x": ("peak memory at 20 x Wales against 1 x", "most", 1.3),
    "register_13m_ratio": ("select and merge on 13 million learners against none", "most", 2.0),
    "causes_named": ("planted causes of possible matches named right", "least", 0.9),
    "unaided": ("learners sent who have a ULN without a person's help", "least", 0.97),
    "page_kb": ("kB of the heaviest page with all that it loads", "most", 1000.0),
    "page_ready_s": ("seconds until a page is drawn and its tables sorted", "most", 1.0),
    "pages_share": ("processor time of all pages against publishing", "most", 0.5),
    "nothing_to_do_s": ("seconds of a poll with nothing new", "most", 1.0),
}


def speed() -> Figures:
    """The stages on all Wales, the floor, the plain script."""
    made, run = wales(1), _RUN / "1x"
    in_own_process("stages", fresh(made, run))  # leaves what the floor writes, and the disk's cache warm
    before = in_own_process("floor", run)
    found = in_own_process("stages", fresh(made, run))
    after = in_own_process("floor", run)
    plain_run = _RUN / "plain"
    shutil.rmtree(plain_run, ignore_errors=True)
    plain = in_own_process("plain_script", run, plain_run)
    if plain["differs_from_service"]:
        raise RuntimeError(f"the plain script gives something else: {plain['differs_from_service'][:5]}")
    floor = {name: (before["parts"][name] + after["parts"][name]) / 2 for name in before["parts"]}
    return {
        "floor_ratio": found["seconds"] / sum(floor.values()),
        "plain_script_speedup": plain["seconds"] / found["seconds"],
        "peak_mib": found["peak_mib"],
        "seconds": found["seconds"],
        "records": found["records"],
        "floor": {"seconds": sum(floor.values()), "twice": [before["seconds"], after["seconds"]], "parts": floor},
        "plain_script": plain,
        "stages": stage_rows(found["stages"], floor),
    }


def stage_rows(stages: dict[str, dict[str, float]], floor: dict[str, float]) -> dict[str, dict[str, float | None]]:
    """Per stage: rows, seconds, rows_per_s, share, peak_mib, floor_s and ratio; receive and read share one floor.

    Args:
        stages: `stages.as_found`.
        floor: `floor.floor`.
    """
    total = sum(one["seconds"] for one in stages.values())
    reading = {"receive", "read"}
    floors = {**floor, "read": floor["parse"] + floor["receive"] + floor["read"]}
    rows: dict[str, dict[str, float | None]] = {}
    for name, one in stages.items():
        seconds = sum(stages[n]["seconds"] for n in reading) if name == "read" else one["seconds"]
        least = None if name == "receive" else floors.get(name)
        rows[name] = {
            "rows": one["rows"],
            "seconds": one["seconds"],
            "rows_per_s": one["rows"] / one["seconds"] if one["rows"] else None,
            "share": one["seconds"] / total,
            "peak_mib": max(one["peak_mib"], one["worker_peak_mib"]),
            "floor_s": least,
            "ratio": seconds / least if least else None,
        }
    return rows


def growth() -> Figures:
    """The stages on 1, 4 and 20 times Wales: what a record costs, what the largest process takes."""
    cost: dict[int, float] = {}
    peak: dict[int, float] = {}
    seconds: dict[int, float] = {}
    for times in (1, 4, 20):
        run = fresh(wales(times), _RUN / f"{times}x")
        found = in_own_process("stages", run)
        cost[times], peak[times] = found["seconds"] / found["records"], found["peak_mib"]
        seconds[times] = found["seconds"]
        shutil.rmtree(run)
    return {
        "growth_4x": cost[4] / cost[1],
        "growth_20x": cost[20] / cost[1],
        "memory_4x": peak[4] / peak[1],
        "memory_20x": peak[20] / peak[1],
        "growth": {
            "seconds": seconds,
            "peak_mib": peak,
            "microseconds_a_record": {t: c * 1e6 for t, c in cost.items()},
        },
    }


def register() -> Figures:
    """A second cycle on a large register."""
    found = in_own_process("register")
    return {"register_13m_ratio": found["ratio"], "register": found}


def engine() -> Figures:
    """Both flows through the engine, and a poll that finds nothing."""
    run = fresh(wales(1), _RUN / "engine")
    found = in_own_process("engine", run)
    again = in_own_process("engine", run, "--again")
    shutil.rmtree(run)
    return {
        "engine_overhead_s": found["overhead_s"],
        "engine_share": found["share"],
        "nothing_to_do_s": again["seconds"],
        "engine": found,
        "nothing_to_do": again,
    }


def exceptions() -> Figures:
    """Causes of possible matches, and learners who need no person's help."""
    found = in_own_process("exceptions")
    return {"causes_named": found["causes_named"], "unaided": found["unaided"], "exceptions": found}


def pages() -> Figures:
    """The pages of a cycle: their weight, how soon they can be used, what they cost."""
    found = in_own_process("pages")
    share = found["pages_cpu_s"] / found["publish_cpu_s"]
    return {"page_kb": found["page_kb"], "page_ready_s": found["page_ready_s"], "pages_share": share, "pages": found}


PARTS: dict[str, Callable[[], Figures]] = {
    "speed": speed,
    "engine": engine,
    "register": register,
    "growth": growth,
    "exceptions": exceptions,
    "pages": pages,
}


def as_table(figures: Figures) -> str:
    """The figures as a person reads them."""
    lines = []
    if "stages" in figures:
        lines += [f"{'stage':<12}{'rows':>10}{'seconds':>10}{'rows/s':>12}{'share':>8}{'MiB':>8}{'x floor':>9}"]
        for name, one in figures["stages"].items():
            cells = [(one["rows"] or None, 10, ",.0f"), (one["seconds"], 10, ".2f"), (one["rows_per_s"], 12, ",.0f")]
            cells += [(one["share"], 8, ".1%"), (one["peak_mib"], 8, ".0f"), (one["ratio"], 9, ".1f")]
            lines += [name.ljust(12) + "".join(("" if n is None else format(n, f)).rjust(w) for n, w, f in cells)]
        floor = figures["floor"]["seconds"]
        lines += [f"{'all':<22}{figures['seconds']:>10.2f}{'':36}{figures['floor_ratio']:>9.1f}"]
        lines += [f"the floor {floor:.2f} s, the plain script {figures['plain_script']['seconds']:.1f} s", ""]
        lines += ["(x floor of read: receive and read together, for a return need be parsed once)", ""]
    if "exceptions" in figures:
        lines += as_lines(figures["exceptions"])
    if "pages" in figures:
        lines += of_pages.as_lines(figures["pages"])
    lines += [f"{'goal':<56}{'bound':>10}{'figure':>10}"]
    for name, (text, kind, bound) in GOALS.items():
        if name in figures:
            says = "held" if holds(name, figures[name]) else "NOT HELD"
            lines += [f"{text:<56}{'≤' if kind == 'most' else '≥'}{bound:>9g}{figures[name]:>10.2f}  {says}"]
        else:
            lines += [f"{text:<56}{'≤' if kind == 'most' else '≥'}{bound:>9g}{'-':>10}  not measured"]
    return "\n".join(lines) + "\n"


def holds(name: str, figure: float) -> bool:
    """Whether a goal is held."""
    _, kind, bound = GOALS[name]
    return figure <= bound if kind == "most" else figure >= bound


def main() -> None:
    """Measure, and tell it."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts = options.parse_args().parts or list(PARTS)
    wrong = [part for part in parts if part not in PARTS]
    if wrong:
        options.error(f"{', '.join(wrong)}: {', '.join(PARTS)}")
    kept: Figures = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() and set(parts) != set(PARTS) else {}
    for part in parts:
        sys.stderr.write(f"{part} ...\n")
        kept |= PARTS[part]()
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(as_table(kept))


if __name__ == "__main__":
    main()
