"""Publish: the conservation check, then each school's zip, then the cycle's snapshots.

Nothing leaves unless every record of the cycle is accounted for. A school whose content is as it was delivered gets
nothing new. Numbers run on per school, over cycles, so that no two files of a school share a name.
"""

import hashlib
import io
import json
from dataclasses import asdict
from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from expectations.catalogue import all_rules
from schemas.faults import ServiceFault
from schemas.merge_findings import merge_findings
from schemas.states import RowState, Severity
from schemas.tables import DELIVERIES, TABLES
from schemas.texts import both
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import among
from tasks.core.publication import EXCEPTION_COLUMNS, content_ref, for_schools
from tasks.core.standing import as_status
from tasks.io.data_root import DataRoot, write_whole
from tasks.io.lake import arrow_of
from tasks.io.reference import schools
from tasks.io.school_zip import zip_name
from tasks.merge import code_texts
from tasks.school_files import Due, school_files
from tasks.stage import Counts, Ground, keep_evidence, moment, stage_task
from tasks.status import counts_of, register_of, standing_of
from tasks.workers import attempt


@stage_task("conserve", "conserve {cycle}")
def conserve(data: str, cycle: str) -> Counts:
    """Check that every record of a cycle is exactly one of the states, per school; write the counts as a report.

    Returns:
        Counts: schools, records.

    Raises:
        ServiceFault: naming the schools that do not balance; nothing is published then.
    """
    counts = counts_of(data, cycle)
    status = json.dumps(as_status(cycle, counts), indent=1, sort_keys=True).encode() + b"\n"
    write_whole(Ground.of(data, cycle).root.reports(cycle) / "conservation.json", status)
    wrong = list(counts.index[~counts["balanced"]])
    if wrong:
        named = ", ".join(wrong[:5]) + (f" (+{len(wrong) - 5})" if len(wrong) > 5 else "")
        raise ServiceFault(both("fault.unbalanced", cycle=cycle, schools=named))
    return {"schools": len(counts), "records": int(counts["records"].sum())}


@stage_task("publish", "publish {cycle} {la}")
def publish(data: str, cycle: str, la: str, as_of: str) -> Counts:
    """Make the zips of an authority's schools whose content is new.

    Returns:
        Counts: zips, ulns, exceptions, faults.
    """
    ground = Ground.of(data, cycle)
    ulns, lines = _content(ground, la)
    _record_conflicts(ground, la, lines)
    before = ground.lake.read("deliveries")
    register = schools(ground.root.reference).set_index("school_number")
    counts = {"zips": 0, "ulns": len(ulns), "exceptions": len(lines), "faults": 0}
    due: list[Due] = []
    for school in sorted({*ulns["school_number"], *lines["school_number"]}):
        own = ulns[ulns["school_number"] == school].drop(columns="school_number").reset_index(drop=True)
        listed = lines.loc[lines["school_number"] == school, list(EXCEPTION_COLUMNS)].reset_index(drop=True)
        ref = content_ref(own, listed)
        of_school = before[before["school_number"] == school].sort_values("number")
        in_cycle = of_school[of_school["cycle"] == cycle]
        if not in_cycle.empty and in_cycle["content_ref"].iloc[-1] == ref:
            continue
        number = int(of_school["number"].max()) + 1 if not of_school.empty else 1
        names = register.loc[school].to_dict() if school in register.index else None
        due.append(Due(str(school), names, own, listed, number, ref))
    entries: list[dict[str, Any]] = []
    for one, content in zip(due, attempt(school_files, due, repeat(ground.cycle), repeat(moment(as_of))), strict=True):
        if isinstance(content, Exception):
            counts["faults"] += 1
            keep_evidence(data, cycle, "publish", one.school_number, content)
            continue
        path = ground.root.dewi_outbox / la / one.school_number / zip_name(one.school_number, cycle, one.number)
        write_whole(path, content)
        counts["zips"] += 1
        entries.append(
            {
                "sha256": hashlib.sha256(content).hexdigest(),
                "cycle": cycle,
                "la_code": la,
                "school_number": one.school_number,
                "content_ref": one.content_ref,
                "path": path.relative_to(ground.root.path).as_posix(),
                "delivered_at": as_of,
                "number": one.number,
                "ulns": len(one.ulns),
                "exceptions": len(one.exceptions),
            }
        )
    if entries:
        ground.lake.append("deliveries", pd.DataFrame(entries)[[c.name for c in DELIVERIES.columns]])
    return counts


def _content(ground: Ground, la: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    lake, cycle = ground.lake, ground.cycle
    _, dispositions, standing = standing_of(lake, cycle, la_code=la)
    pupils = lake.read("pupils", cycle=cycle.id, la_code=la)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    return for_schools(
        pupils,
        dispositions,
        standing,
        register_of(lake, cycle, upn=upns),
        lake.read("findings", cycle=cycle.id, la_code=la),
        lake.read("exceptions", ["upn", "batch_ref", "return_code"], cycle=cycle.id, upn=upns),
        texts_of(ground.root),
    )


def _record_conflicts(ground: Ground, la: str, lines: pd.DataFrame) -> None:
    """Make what merging finds part of the findings, on the records that it concerns now and no others."""
    codes = {f.code for f in merge_findings()}
    found = lines.loc[lines["code"].isin(codes), ["row_ref", "code", "school_number"]].rename(columns={"code": "rule"})
    found = found.assign(cycle=ground.cycle.id, la_code=la, severity=Severity.WARNING.value, field="uln").astype("str")
    before = ground.lake.read("findings", cycle=ground.cycle.id, la_code=la)
    of_rules = before[~before["rule"].isin(codes)]
    if found.empty and len(of_rules) == len(before):
        return
    findings = pd.concat([of_rules, found[list(before.columns)]], ignore_index=True)
    ground.lake.replace("findings", findings, cycle=ground.cycle.id, la_code=la)


def texts_of(root: DataRoot) -> pd.DataFrame:
    """What is wrong and what to do, for every code that can stand in a list of exceptions, in both languages."""
    rules = pd.DataFrame(
        [
            {
                "code": r.code,
                "wrong_en": r.wrong_en,
                "wrong_cy": r.wrong_cy,
                "action_en": r.action_en,
                "action_cy": r.action_cy,
                "field_en": r.field_en,
                "field_cy": r.field_cy,
            }
            for r in all_rules()
        ]
    )
    merging = pd.DataFrame(map(asdict, merge_findings())).rename(
        columns={"label_en": "wrong_en", "label_cy": "wrong_cy"}
    )
    columns = ["code", "wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy"]
    return pd.concat([code_texts(root)[columns], rules[columns], merging[columns]], ignore_index=True)


@stage_task("snapshot", "snapshot {cycle}")
def snapshot(data: str, cycle: str) -> Counts:
    """Write the cycle's Parquet snapshots, with the Delta versions they were taken at.

    Returns:
        Counts: learners, exceptions.
    """
    ground = Ground.of(data, cycle)
    versions = ground.lake.versions()
    pupils, _, standing = standing_of(ground.lake, ground.cycle)
    register = register_of(ground.lake, ground.cycle)
    rows = standing[standing["state"].isin([RowState.ULN.value, RowState.SENT.value, RowState.EXCEPTION.value])]
    rows = rows.merge(register[["upn", "uln", "conflict"]], on="upn", how="left")
    rows = rows.merge(pupils[["row_ref", "la_code"]], on="row_ref").assign(cycle=cycle)
    columns = ["upn", "uln", "conflict", "cycle", "la_code", "school_number", "state", "batch_ref", "row_ref"]
    learners = rows[columns]
    learners = learners.sort_values(["upn", "row_ref"], ignore_index=True)
    exceptions = ground.lake.read("exceptions", cycle=cycle)
    # As the cycle sees it: what a later cycle resolved was open here.
    resolved = among(exceptions["upn"], register.loc[register["uln"].notna(), "upn"])
    exceptions = exceptions.assign(state=resolved.map({True: "resolved", False: "open"}).astype("str"))
    folder = ground.root.snapshots(cycle)
    write_whole(folder / "learners.parquet", _parquet(learners))
    write_whole(folder / "exceptions.parquet", _parquet(exceptions, "exceptions"))
    manifest = {
        "cycle": cycle,
        "learners": len(learners),
        "exceptions": len(exceptions),
        "delta_versions": versions,
        "texts_and_schools": _fingerprint(ground),
    }
    write_whole(folder / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n")
    return {"learners": len(learners), "exceptions": len(exceptions)}


#: A cycle is published anew where one of these tables has moved on since its last snapshot.
_INPUTS = ("pupils", "dispositions", "findings", "batches", "learners", "exceptions")


def published(data: str, cycle: str) -> bool:
    """Whether the cycle's snapshot was taken at the lake's present versions, with the present texts and schools."""
    ground = Ground.of(data, cycle)
    manifest = ground.root.snapshots(cycle) / "manifest.json"
    if not manifest.exists():
        return False
    taken = json.loads(manifest.read_text(encoding="utf-8"))
    moved = any(taken["delta_versions"].get(name) != ground.lake.version(name) for name in _INPUTS)
    return not moved and taken["texts_and_schools"] == _fingerprint(ground)


def _fingerprint(ground: Ground) -> str:
    """A hash over what schools get to read besides their learners."""
    tables = (texts_of(ground.root), schools(ground.root.reference))
    digest = hashlib.sha256(ground.cycle.ctf_version.encode())
    for table in tables:
        digest.update(table.to_csv(index=False, lineterminator="\n").encode())
    return digest.hexdigest()


def _parquet(rows: pd.DataFrame, table: str | None = None) -> bytes:
    text = pa.schema([pa.field(c, pa.string()) for c in rows.columns])
    data = arrow_of(TABLES[table], rows) if table else pa.Table.from_pandas(rows, schema=text, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(data.replace_schema_metadata(None), buffer, compression="zstd")
    return buffer.getvalue()
