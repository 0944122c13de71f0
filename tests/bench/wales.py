"""Roots for the benchmark: Wales, and countries of its kind some times the size; made once and kept under `build/bench`.

A country n times the size is n copies of Wales's schools within the same 22 authorities. Copies differ in school
numbers (and thereby UKPRNs and UPNs) and in learners; each is planned and written by itself, so that the making needs no
more memory than one Wales. Surnames of a copy end in its own letter: else the learners of twenty copies would be like
each other more often than those of one, and the share of exceptions would grow with the country.
"""

import argparse
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from schemas.cycles import cycle_by_id
from tasks.io.data_root.reference import schools as register
from tasks.rehearsal import known_before, synthetic_people, synthetic_returns, synthetic_wales
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tests.bench.common import BUILD, CYCLE, SEED, told

_SECTORS = ("Secondary", "Middle", "Special")
#: School numbers by sector, below the authority's three digits: a UPN is allotted under another number for the first
#: (2000 less) and under the same for the second.
_ORDINARY, _SPECIAL = range(4000, 7000), range(7000, 10_000)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def wales(times: int, cycle_id: str = CYCLE, only: int | None = None, to: Path | None = None) -> Path:
    """A data root with the returns of a country, made where it does not stand there already.

    Args:
        times: how many times the size of Wales.
        cycle_id: the cycle.
        only: so many schools of each copy, as a short rehearsal takes them; all where None.
        to: where it shall stand; under `build/bench` where None.

    Returns:
        The root: dewi/inbox, reference, rehearsal/truth.
    """
    root = to or BUILD / "made" / (f"wales-{times}x-{cycle_id}" + (f"-{only}" if only else ""))
    mark, made_by = root / "made.json", _made_by()
    if mark.exists() and json.loads(mark.read_text(encoding="utf-8"))["by"] == made_by:
        return root
    if root.exists():
        shutil.rmtree(root)
    (root / "reference").mkdir(parents=True)
    cycle, original = cycle_by_id(cycle_id), taking_part(only)
    parts: dict[str, list[pd.DataFrame]] = {"registration.csv": [], "opt_outs.csv": []}
    copies, records = [], 0
    for copy in range(times):
        schools = numbered(original, register(), copy)
        plan = plan_wales(schools, cycle, SEED + copy)
        pupils = plan.pupils.assign(surname=_apart(plan.pupils, copy))
        part = root / "part"
        write_wales(replace(plan, pupils=pupils), part, cycle)
        _move(part / "dewi" / "inbox", root / "dewi" / "inbox", copy)
        _move(part / "rehearsal" / "truth" / cycle_id, root / "rehearsal" / "truth" / cycle_id, copy)
        shutil.rmtree(part)
        parts["registration.csv"].append(plan.registration)
        parts["opt_outs.csv"].append(plan.opt_outs)
        copies.append(schools if copy else register())
        records += len(pupils)
    for name, tables in {**parts, "schools.csv": copies}.items():
        table = pd.concat(tables, ignore_index=True)
        table.to_csv(root / "reference" / name, index=False, lineterminator="\n")
    mark.write_text(json.dumps({"by": made_by, "records": records, "schools": times * len(original)}), encoding="utf-8")
    return root


def taking_part(only: int | None) -> pd.DataFrame:
    """The schools of the register that a census is about, or so many of them as a short rehearsal takes them."""
    schools = register()
    schools = schools[schools["sector_en"].isin(_SECTORS)]
    if only is not None:
        schools = schools[schools["sector_en"] != "Special"]
        schools = schools.iloc[:: max(1, len(schools) // only)].head(only)
    return schools.reset_index(drop=True)


def numbered(schools: pd.DataFrame, taken: pd.DataFrame, copy: int) -> pd.DataFrame:
    """The schools of a copy: the same, with numbers that neither the register nor another copy has.

    Args:
        schools: rows of the register.
        taken: the whole register.
        copy: 0 for the schools themselves.
    """
    if copy == 0:
        return schools
    number = schools["school_number"].copy()
    special = schools["sector_en"] == "Special"
    used = set(taken["school_number"])
    for la, of_la in schools.groupby("la_code"):
        for kind, pool in ((False, _ORDINARY), (True, _SPECIAL)):
            rows = of_la.index[special[of_la.index] == kind]
            free = [f"{la}{n}" for n in pool if f"{la}{n}" not in used]
            number.loc[rows] = free[(copy - 1) * len(rows) : copy * len(rows)]
    return schools.assign(school_number=number)


def _apart(pupils: pd.DataFrame, copy: int) -> pd.Series:
    """Surnames with the copy's own ending, but for those that were planted to be wrong."""
    own = ~pupils["planted"].str.startswith("family-") & pupils["surname"].notna()
    return pupils["surname"].mask(own, pupils["surname"] + _LETTERS[copy - 1]) if copy else pupils["surname"]


def _move(here: Path, there: Path, copy: int) -> None:
    for path in sorted(p for p in here.rglob("*") if p.is_file()):
        target = there / path.relative_to(here)
        if target.exists():
            # What is not named after a school: a zip of several, the refused files.
            target = target.with_name(f"{copy:02d}-{target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def _made_by() -> str:
    """A hash over what decides how a country looks."""
    digest = hashlib.sha256(f"{np.__version__} {pd.__version__}".encode())
    for module in (known_before, synthetic_people, synthetic_wales, synthetic_returns):
        digest.update(Path(module.__file__).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Make a country and say where it stands."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("times", type=int)
    options.add_argument("--cycle", default=CYCLE)
    options.add_argument("--schools", type=int)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    root = wales(given.times, given.cycle, given.schools)
    size = sum(p.stat().st_size for p in (root / "dewi").rglob("*") if p.is_file())
    told({"root": os.fspath(root), "bytes": size, **json.loads((root / "made.json").read_text("utf-8"))}, given.out)


if __name__ == "__main__":
    main()
