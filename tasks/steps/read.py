"""Read: the pupils of each return as rows of text. Parsing is in `io.plasc`; nothing is judged here."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPILS
from tasks.io.data_root.dewi_inbox import document_at
from tasks.io.lake.lake import arrow_of
from tasks.io.plasc.reader import read_pupils
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.runtime.executor import capture


@dataclass(frozen=True)
class ReadReturns:
    """A chunk's returns that had not been read.

    Attributes:
        unread: their rows of `received`.
        records: number of pupils by the return's sha256.
        faults: (school number, exception) for each return that could not be read.
    """

    unread: pd.DataFrame
    pupils: pa.Table
    records: dict[str, int]
    faults: list[tuple[str, Exception]]


def read_returns(ctx: RunContext, chunk: Chunk) -> ReadReturns:
    """Read a chunk's accepted returns that have not been read; a return that cannot be read does not stop the others."""
    received = ctx.lake.read("received", cycle=ctx.cycle.id, **chunk.where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    unread = accepted[accepted["pupils"].isna()].reset_index(drop=True)
    tables: list[pa.Table] = [PUPILS.schema.empty_table()]
    records: dict[str, int] = {}
    faults: list[tuple[str, Exception]] = []
    for row in unread.to_dict("records"):
        pupils = capture(pupil_rows, ctx, row)
        if isinstance(pupils, Exception):
            faults.append((str(row["school_number"]), pupils))
        else:
            tables.append(pupils)
            records[row["sha256"]] = len(pupils)
    return ReadReturns(unread, arrow_of(PUPILS, pa.concat_tables(tables)), records, faults)


def pupil_rows(ctx: RunContext, received: dict[str, Any]) -> pa.Table:
    """Return the rows of `pupils` of one return, from its row of `received`.

    Raises:
        ServiceFault: the file is gone or has changed.
    """
    sha256 = received["sha256"]
    content = document_at(ctx.root.dewi_inbox, received["path"], sha256)
    unknown = received["unknown_elements"]
    pupils = read_pupils(
        content,
        received["layout"],
        all_layouts(),
        declared=int(received["declared"]),
        unknown_elements=json.loads(unknown) if isinstance(unknown, str) else {},
    )
    same_for_all = {name: received[name] for name in ("la_code", "school_number", "sha256")}
    for name, value in {"cycle": ctx.cycle.id, **same_for_all}.items():
        pupils = pupils.append_column(name, pa.array([value] * len(pupils), pa.string()))
    refs = [row_ref(sha256, ordinal) for ordinal in pupils["ordinal"].to_pylist()]
    return pupils.append_column("row_ref", pa.array(refs, pa.string())).select(PUPILS.schema.names).cast(PUPILS.schema)


def row_ref(sha256: str, ordinal: int) -> str:
    """Return a record's reference: a hash of its file's content and its place in the file, with nothing about the pupil."""
    return hashlib.sha256(f"{sha256}:{ordinal}".encode()).hexdigest()[:24]
