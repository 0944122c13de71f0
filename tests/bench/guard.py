"""The guard that CI runs: have the stages become dearer? `make bench-guard`; exit code 1 where they have.

What counts is the processor's time of the stages on a small Wales, in one process without workers, as a ratio to that of
a reference work of the same kind: libxml2, Arrow and pandas on text, plain Python, many small tables as the rules have
them, Parquet, zips. A little of it goes before and after every stage, so that both meet the same machine with the same
load, and the median of several rounds counts. So the ratio hardly moves with the machine and what else it does.

The ratios that hold are committed in `guard.json`. After a change that is meant to cost more, or has made the stages
cheaper: `make bench-guard-write`.
"""

import argparse
import gc
import hashlib
import io
import itertools
import json
import os
import shutil
import statistics
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lxml import etree

from tests.bench import stages
from tests.bench.common import BUILD, fresh
from tests.bench.wales import wales

COMMITTED = Path(__file__).with_name("guard.json")
_SCHOOLS = 8
_ROUNDS = 4
#: A stage, or all together, may cost so much more than what is committed.
ALLOWED = 1.25
#: And a stage this share of the committed total besides: of ten runs of unchanged code a small one differed by up to half.
NOISE = 0.02
ALL = "all"
Ratios = dict[str, float]


@dataclass(frozen=True)
class Pair:
    """The processor's seconds of a stage, and those of the reference work around it."""

    stage: str
    seconds: float
    reference: float


def measure(one_round: Callable[[], list[Pair]], rounds: int = _ROUNDS) -> Ratios:
    """The ratio of each stage, and of all, to the reference work.

    Args:
        one_round: runs all stages once.
        rounds: how often; one more goes before, which does not count.
    """
    one_round()
    found = [_ratios(one_round()) for _ in range(rounds)]
    return {name: statistics.median(ratios[name] for ratios in found) for name in found[0]}


def _ratios(pairs: list[Pair]) -> Ratios:
    ratios: Ratios = {}
    for one in pairs:
        ratios[one.stage] = ratios.get(one.stage, 0.0) + one.seconds / one.reference
    return {**ratios, ALL: sum(one.seconds for one in pairs) / statistics.mean(one.reference for one in pairs)}


def regressions(now: Ratios, committed: Ratios) -> list[str]:
    """One sentence for all that has become dearer by more than is allowed, all stages together first.

    Args:
        now: `measure`.
        committed: what it was.
    """
    told = []
    for name in sorted(committed, key=lambda name: name != ALL):
        limit = committed[name] * ALLOWED + (0 if name == ALL else committed[ALL] * NOISE)
        if now.get(name, 0.0) > limit:
            who = "All stages together cost" if name == ALL else f"Stage {name} costs"
            more = now[name] / committed[name] - 1
            told.append(
                f"{who} {more:.0%} more than is committed ({now[name]:.3f} against {committed[name]:.3f} of the "
                f"reference work; {limit / committed[name] - 1:.0%} more is allowed)."
            )
    return told


class SmallWales:
    """The stages on a small Wales, each time on a fresh root; the LRS's answers are kept from the first time."""

    def __init__(self) -> None:
        self._made = wales(1, only=_SCHOOLS)
        self._runs = 0
        self._answers = BUILD / "runs" / "guard-answers"
        self._reference = Reference()
        shutil.rmtree(self._answers, ignore_errors=True)

    def __call__(self) -> list[Pair]:
        """Run them once, with the reference work in between."""
        # Each time at another place: the lake keeps a table that it has opened under its path.
        self._runs += 1
        root = fresh(self._made, BUILD / "runs" / f"guard-{self._runs}")
        spans, references = list[tuple[str, float]](), list[float]()
        stages.run(
            root,
            processes=1,
            clock=time.process_time,
            answer=self._answer,
            memory=False,
            before_each=lambda: references.append(self._reference()),
            after_each=lambda name, seconds: spans.append((name, seconds)),
        )
        shutil.rmtree(root)
        around = itertools.pairwise(references)
        return [Pair(name, seconds, (a + b) / 2) for (name, seconds), (a, b) in zip(spans, around, strict=True)]

    def _answer(self, root: Path) -> None:
        if not self._answers.exists():
            stages.answer(root)
            shutil.copytree(root / "lrs" / "inbox", self._answers)
        else:
            shutil.copytree(self._answers, root / "lrs" / "inbox", dirs_exist_ok=True)


class Reference:
    """Work of the kind that the stages do, and always the same."""

    _RECORDS = 2_000

    def __init__(self) -> None:
        numbers = pd.Series(range(self._RECORDS)).astype("str").str.zfill(12)
        self._upns = "A" + numbers
        self._names = " Llanfair" + numbers.str[-3:] + " ap Rhys "
        cells = zip(self._upns, self._names, strict=True)
        records = "".join(f"<Pupil><Box><UPN>{u}</UPN><Name>{n}</Name></Box><Year>9</Year></Pupil>\n" for u, n in cells)
        self._xml = f"<Message><Pupils>{records}</Pupils></Message>".encode()

    def __call__(self) -> float:
        """Its processor's seconds."""
        gc.collect()
        began = time.process_time()
        for part in (self._parse, self._columns, self._python, self._small_tables, self._pack):
            part()
        return time.process_time() - began

    def _parse(self) -> None:
        for _ in range(2):
            root = etree.fromstring(self._xml)
            [pupil.findtext("Box/UPN") for pupil in root.iter("Pupil")]

    def _columns(self) -> None:
        for _ in range(2):
            rows = pd.DataFrame({"upn": self._upns.str.strip().str.upper(), "name": self._names.str.strip()})
            rows["fits"] = rows["name"].str.fullmatch(r"[A-Za-z0-9 '.\-]{1,35}").eq(True)
            rows["plain"] = rows["name"].str.replace(r"[^A-Za-z]", " ", regex=True)
            joined = rows.merge(rows[["upn", "plain"]], on="upn").sort_values(["name", "upn"])
            pc.is_in(pa.array(joined["upn"]), value_set=pa.array(self._upns))
            joined.groupby("name")["upn"].agg(";".join)

    def _python(self) -> None:
        upns = self._upns.to_list()
        seen = {hashlib.sha256(f"{upn}:{n}".encode()).hexdigest()[:24]: upn for n, upn in enumerate(upns)}
        root = etree.Element("CTfile")
        for ref, upn in seen.items():
            etree.SubElement(etree.SubElement(root, "Pupil"), "UPN").text = upn + ref[:1]
        zlib.compress(etree.tostring(root, pretty_print=True))

    def _small_tables(self) -> None:
        facts = pd.DataFrame({"upn": self._upns[:500], "answer": "Y", "age": 14.0}).astype({"upn": object})
        for n in range(12):
            column = facts["answer"]
            failed = facts[column.notna() & ~column.isin(["Y"])]
            json.dumps({"rule": n, "tried": int(column.notna().sum()), "rows": failed.index.to_list(), "of": [n] * 50})
            facts.assign(rule=str(n)).to_dict("list")

    def _pack(self) -> None:
        table = pa.table({"upn": pa.array(self._upns), "name": pa.array(self._names)})
        for _ in range(4):
            buffer = io.BytesIO()
            pq.write_table(table, buffer, compression="zstd")
            pq.read_table(buffer)


def main() -> None:
    """Measure; exit with 1 where the stages have become dearer, or write what holds from now on."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--write", action="store_true", help="commit what is measured now")
    options.add_argument("--rounds", type=int, default=_ROUNDS)
    given = options.parse_args()
    os.environ["ULN_WORKERS"] = "1"
    now = {name: round(ratio, 4) for name, ratio in measure(SmallWales(), given.rounds).items()}
    if given.write:
        COMMITTED.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        return
    committed: Ratios = json.loads(COMMITTED.read_text(encoding="utf-8"))
    for name, ratio in now.items():
        sys.stdout.write(f"{name:<12}{ratio:8.3f}{committed.get(name, 0.0):8.3f}\n")
    told = regressions(now, committed)
    sys.stdout.write("\n".join(told) + "\n" if told else "")
    sys.exit(1 if told else 0)


if __name__ == "__main__":
    main()
