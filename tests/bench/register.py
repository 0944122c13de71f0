"""A second cycle on top of a register of 13 million learners, the size of the LRS's own in 2011.

The register is written once, into the lake's table as the service writes it: an earlier cycle's learners, authority by
authority, of as many authorities as England and Wales have. A tenth of the learners whom the census would choose stand
in it with a ULN. The stages are then run on all Wales with it and without it; what counts is select and merge.
"""

import argparse
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from schemas.tables import LEARNERS
from tasks.core.identifiers import upn_check_letter
from tasks.io.data_root.reference import authorities
from tasks.io.lake.lake import Lake
from tests.bench.common import BUILD, CYCLE, fresh, in_own_process, told
from tests.bench.wales import wales

_LEARNERS = 13_000_000
_AUTHORITIES = 175
_EARLIER = "2011-09"
_EVERY = 10
#: Where the first nine digits of ULNs begin: far from those that the stand-in allots, and from each other.
_OTHERS, _OWN = 200_000_000, 700_000_000
_AT_ONCE = 5


def register_lake(made: Path, learners: int = _LEARNERS) -> Path:
    """A lake that holds nothing but the register, made where it does not stand there already.

    Args:
        made: the root of `wales`, whose learners stand in the register too.
        learners: how many others.
    """
    folder, mark = BUILD / "made" / f"register-{learners}", _made_by(made)
    if (folder / "made.txt").exists() and (folder / "made.txt").read_text(encoding="utf-8") == mark:
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    own, lake, codes = own_entries(made), Lake(folder), authority_codes()
    for first in range(0, len(codes), _AT_ONCE):
        of = codes[first : first + _AT_ONCE]
        others = [_others(la, first + n, learners // len(codes)) for n, la in enumerate(of)]
        lake.append("learners", pd.concat([*others, own[own["la_code"].isin(of)]], ignore_index=True))
    (folder / "made.txt").write_text(mark, encoding="utf-8")
    return folder


def authority_codes() -> list[str]:
    """Wales's own and as many more as make 175."""
    own = [str(la) for la in authorities()["la_code"]]
    return sorted([*own, *[str(n) for n in range(201, 201 + _AUTHORITIES - len(own))]])


def _others(la: str, place: int, count: int) -> pd.DataFrame:
    """Learners of an authority's schools 1000 and following, under whose numbers no synthetic pupil has a UPN."""
    n = np.arange(count)
    serial = pd.Series(1000 + n // 1000).astype("str") + "95" + pd.Series(n % 1000).astype("str").str.zfill(3)
    twelve = la + serial
    born = np.datetime64("1985-01-01") + n % 4000
    return _entries(
        upn=upn_check_letter(twelve) + twelve,
        uln=ulns(_OTHERS + place * 2 * count, count),
        dob=pd.Series(np.datetime_as_string(born, unit="D"), dtype="str"),
        la_code=la,
        school_number=la + pd.Series(4000 + n // 1000).astype("str"),
    )


def own_entries(made: Path, cycle: str = CYCLE) -> pd.DataFrame:
    """A tenth of the learners whom the census would choose, as an earlier cycle left them."""
    tables = [pd.read_parquet(p) for p in sorted((made / "rehearsal" / "truth" / cycle).glob("*pupils.parquet"))]
    pupils = pd.concat(tables, ignore_index=True)
    sound = pupils[(pupils["outcome"] == "sent") & (pupils["planted"] == "sound")].iloc[::_EVERY]
    sound = sound.drop_duplicates("upn").reset_index(drop=True)
    return _entries(
        upn=sound["upn"],
        uln=ulns(_OWN, len(sound)),
        dob=sound["dob"],
        la_code=sound["school_number"].str[:3],
        school_number=sound["school_number"],
    )


def _entries(**columns: Any) -> pd.DataFrame:
    rows = pd.DataFrame(columns).assign(cycle=_EARLIER, batch_ref="B" + 16 * "0")
    return rows.reindex(columns=[c.name for c in LEARNERS.columns]).astype("str")


def ulns(first: int, count: int) -> pd.Series:
    """So many ULNs, from those first nine digits on; one start in eleven has no check digit."""
    nine = first + np.arange(count * 11 // 10 + 22)
    digits = nine[:, None] // 10 ** np.arange(8, -1, -1) % 10
    remainder = digits @ np.arange(10, 1, -1) % 11
    whole = (nine * 10 + 10 - remainder)[remainder > 0][:count]
    return pd.Series(whole).astype("str")


def _made_by(made: Path) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes() + (made / "made.json").read_bytes())
    digest.update(repr(LEARNERS).encode())
    return digest.hexdigest()


def measure(learners: int = _LEARNERS) -> dict[str, Any]:
    """Run the stages without and with the register."""
    made = wales(1)
    lake = register_lake(made, learners)
    run = BUILD / "runs" / "register"
    without = in_own_process("stages", fresh(made, run))
    fresh(made, run)
    # Linked: the lake never changes a file that it has written.
    shutil.copytree(lake / "learners", run / "lake" / "learners", copy_function=os.link)
    with_register = in_own_process("stages", run)
    shutil.rmtree(run)
    took = {
        name: {stage: found["stages"][stage]["seconds"] for stage in ("select", "merge")}
        for name, found in (("without", without), ("with", with_register))
    }
    return {
        "ratio": sum(took["with"].values()) / sum(took["without"].values()),
        "seconds": took,
        "all_stages": {"without": without["seconds"], "with": with_register["seconds"]},
        "peak_mib": {"without": without["peak_mib"], "with": with_register["peak_mib"]},
        "sent": {"without": without["counts"]["release.learners"], "with": with_register["counts"]["release.learners"]},
    }


def main() -> None:
    """Select and merge on a large register against an empty one."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--learners", type=int, default=_LEARNERS)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    told(measure(given.learners), given.out)


if __name__ == "__main__":
    main()
