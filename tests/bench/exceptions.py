"""Exceptions: how many causes of a possible match are named right, and how many learners need no person's help.

Two cycles of a rehearsal, January 2012 and January 2013, are held against what was planted (`tasks.rehearsal.known_before`);
the service never reads that. Between the two somebody settles at the portal all that can be settled there. Counted are the
learners who ended in a possible match that their own cycle planted. A cause that leaves a trace must be named; one that
leaves none, because the LRS's record differs in what never stood in a return, cannot be, and neither can what needs an
earlier return in the first cycle: both figures are told.

The share without a person's help is that of the learners sent who have their ULN from the LRS's first answer. The run that
it is compared with is the same service on the same returns, with the raw names, dates and postcodes in the place of their
LRS form and no finding of any rule: two functions of this process are replaced, so that no switch for it exists elsewhere.
"""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from schemas.cycles import cycle_by_id
from tasks.core.membership import is_in
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import authorities
from tasks.io.lake.lake import Lake
from tasks.ledger import lrs_forms
from tasks.rehearsal.lrs_stand_in import processed_exceptions
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps import validate
from tasks.steps.possible_matches import possible_matches
from tests.bench import stages
from tests.bench.common import BUILD, SEED, fresh, moments, told
from tests.bench.wales import taking_part

_SCHOOLS = 60
_FIRST, _SECOND = "2012-01", "2013-01"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """The learners sent in a cycle after the LRS's first answer: their UPNs, those with a ULN, the codes of the others."""

    sent: pd.Series
    with_uln: pd.Series
    codes: dict[str, int]


def measure(to: Path, schools: int = _SCHOOLS, seed: int = SEED, pupils_per_school: int = 900) -> Figures:
    """Play the two cycles, and the first once more without name forms and rules.

    Args:
        to: a folder for the data roots.
        schools: how many.
        seed: of the rehearsal.
        pupils_per_school: the mean.

    Returns:
        `named` and `compared`, in one.
    """
    root = to / "service"
    DataRoot(root).create()
    _plan(root, _FIRST, schools, seed, pupils_per_school)
    raw = fresh(root, to / "raw")
    shutil.copytree(root / "rehearsal", raw / "rehearsal")
    with _as_it_stands():
        _play(raw, _FIRST)
    _play(root, _FIRST)
    shares = compared(answered(root), answered(raw))
    processed_exceptions(root, 1.0, seed)
    _plan(root, _SECOND, schools, seed, pupils_per_school)
    _merge(root, _FIRST)
    _play(root, _SECOND)
    return {**named(pd.concat([told_why(root, cycle) for cycle in (_FIRST, _SECOND)], ignore_index=True)), **shares}


def _plan(root: Path, cycle: str, schools: int, seed: int, pupils_per_school: int) -> None:
    write_wales(plan_wales(taking_part(schools), cycle_by_id(cycle), seed, pupils_per_school), root, cycle_by_id(cycle))


def _play(root: Path, cycle: str) -> None:
    """A cycle to where its answers are merged; what schools get of it is not looked at here."""
    for stage in stages.census_stages(root, cycle, moments(cycle)[0]).values():
        stage()
    stages.answer(root)
    _merge(root, cycle)


def _merge(root: Path, cycle: str) -> None:
    of_returns = stages.returns_stages(root, cycle, moments(cycle)[1])
    for name in ("collect", "merge"):
        of_returns[name]()


def told_why(root: Path, cycle: str) -> pd.DataFrame:
    """Who ended a cycle in a possible match.

    Returns:
        upn, said (the cause that the school is told) and, null where nothing was planted, cause and trace; trace is
        `none` where the cause needs an earlier return in the first cycle.
    """
    las = tuple(authorities()["la_code"])
    said = possible_matches(RunContext.of(str(root), cycle), Chunk(las)).rename(columns={"cause": "said"})
    truth = pd.read_parquet(root / "rehearsal" / "truth" / cycle / "possible_matches.parquet")
    if cycle == _FIRST:
        truth["trace"] = truth["trace"].replace("earlier", "none")
    return said[["upn", "said"]].merge(truth[["upn", "cause", "trace"]].drop_duplicates("upn"), on="upn", how="left")


def named(rows: pd.DataFrame) -> Figures:
    """How many causes were named right.

    Args:
        rows: `told_why`.

    Returns:
        causes_named (of the planted ones that left a trace, the share named right), causes_named_of_all (of all possible
        matches, those of which nothing was planted among them), surmised (of those without a trace, the share that was
        given a cause all the same), causes (by cause: answered, traced, named).
    """
    traced = rows["trace"].notna() & (rows["trace"] != "none")
    right = rows["said"] == rows["cause"]
    by_cause = rows.assign(answered=1, traced=traced, named=traced & right).groupby("cause")
    return {
        "causes_named": float(right[traced].mean()),
        "causes_named_of_all": float((right & traced).mean()),
        "surmised": float((rows.loc[~traced, "said"] != "unknown").mean()),
        "possible_matches": len(rows),
        "causes": by_cause[["answered", "traced", "named"]].sum().astype(int).to_dict("index"),
    }


def answered(root: Path, cycle: str = _FIRST) -> Answered:
    """The learners sent in a cycle, as the LRS has answered them so far."""
    lake = Lake(root / "lake")
    sent = lake.distinct("batch_rows", "upn", cycle=cycle)
    holds = lake.read("learners", ["upn", "uln"], upn=sent).dropna()["upn"]
    return Answered(sent, holds, lake.sizes("exceptions", "return_code", cycle=cycle))


def compared(service: Answered, raw: Answered) -> Figures:
    """The shares without a person's help, of the learners whose return was sound enough for the service to send them.

    Returns:
        unaided, unaided_raw (the same learners, sent as the school spells them), sent, sent_raw (held by no rule), and by
        code how many were left without a ULN: without_uln, without_uln_raw.
    """
    of_raw = is_in(service.sent, raw.with_uln)
    return {
        "unaided": len(service.with_uln) / len(service.sent),
        "unaided_raw": float(of_raw.mean()),
        "sent": len(service.sent),
        "sent_raw": len(raw.sent),
        "without_uln": service.codes,
        "without_uln_raw": raw.codes,
    }


@contextmanager
def _as_it_stands() -> Iterator[None]:
    """The service of this process without name forms and without the findings of its rules."""
    forms, rules = lrs_forms.lrs_rows, validate.apply_rules

    def raw_forms(pupils: pd.DataFrame, *about: Any) -> pd.DataFrame:
        spelled = {"given_name": "forename", "family_name": "surname", "middle_name": "middle_names"}
        as_sent = {name: pupils[field] for name, field in {**spelled, "dob": "dob", "postcode": "postcode"}.items()}
        # M and F are told by the LRS's numbers by whoever makes a file for it; any other word goes as it is.
        rows = forms(pupils, *about)
        return rows.assign(**as_sent, gender=rows["gender"].fillna(pupils["gender"]))

    def no_findings(*of: Any) -> Any:
        result = rules(*of)
        return replace(result, findings=result.findings.head(0))

    with (
        mock.patch.object(lrs_forms, "lrs_rows", raw_forms),
        mock.patch.object(validate, "apply_rules", no_findings),
    ):
        yield


def as_lines(figures: Figures) -> list[str]:
    """The figures as a person reads them."""
    lines = [f"{'cause of a possible match':<26}{'answered':>10}{'traced':>10}{'named':>10}"]
    for cause, one in figures["causes"].items():
        lines += [f"{cause:<26}{one['answered']:>10}{one['traced']:>10}{one['named']:>10}"]
    lines += [
        f"{figures['possible_matches']} possible matches; named right {figures['causes_named']:.1%} of those with a trace, "
        f"{figures['causes_named_of_all']:.1%} of all; of those without, {figures['surmised']:.1%} were given a cause",
        "",
        f"{figures['sent']:,} learners sent; with a ULN and no person's help {figures['unaided']:.2%}; as schools spell "
        f"them, and unchecked, {figures['unaided_raw']:.2%} (of {figures['sent_raw']:,} sent)",
    ]
    for name, codes in (("the service", figures["without_uln"]), ("as it stands", figures["without_uln_raw"])):
        lines += [f"without a ULN, {name}: " + ", ".join(f"{code} {n:,}" for code, n in codes.items())]
    return [*lines, ""]


def main() -> None:
    """Measure, on fresh data roots."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--schools", type=int, default=_SCHOOLS)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    to = BUILD / "runs" / "exceptions"
    shutil.rmtree(to, ignore_errors=True)
    told(measure(to, given.schools), given.out)
    shutil.rmtree(to)


if __name__ == "__main__":
    main()
