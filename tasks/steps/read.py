"""Read: the pupils of each return as rows of text."""

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
    """The returns of a chunk that were not read yet.

    Attributes:
        unread: their rows of `received`.
        pupils: rows of `pupils`.
        records: how many each return has, by its sha256.
        faults: of the returns that could not be read, by school number.
    """

    unread: pd.DataFrame
    pupils: pa.Table
    records: dict[str, int]
    faults: list[tuple[str, Exception]]


def read_returns(ctx: RunContext, chunk: Chunk) -> ReadReturns:
    """Read: a chunk's accepted returns that were not read yet; one that cannot be read does not stop the others."""
    received = ctx.lake.read("received", cycle=ctx.cycle.id, **chunk.where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    unread = accepted[accepted["pupils"].isna()].reset_index(drop=True)
    tables: list[pa.Table] = [PUPILS.schema.empty_table()]
    records: dict[str, int] = {}
    faults: list[tuple[str, Exception]] = []
    for one in unread.to_dict("records"):
        found = capture(pupil_rows, ctx, one)
        if isinstance(found, Exception):
            faults.append((str(one["school_number"]), found))
        else:
            tables.append(found)
            records[one["sha256"]] = len(found)
    return ReadReturns(unread, arrow_of(PUPILS, pa.concat_tables(tables)), records, faults)


def pupil_rows(ctx: RunContext, received: dict[str, Any]) -> pa.Table:
    """The rows of `pupils` in one return.

    Args:
        ctx: data root, lake and cycle.
        received: its row of `received`: path, sha256, la_code, school_number, layout, declared, unknown_elements.

    Raises:
        ServiceFault: the file has gone or changed.
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
    of_return = {
        "cycle": ctx.cycle.id,
        "la_code": received["la_code"],
        "school_number": received["school_number"],
        "sha256": sha256,
    }
    for name, value in of_return.items():
        pupils = pupils.append_column(name, pa.array([value] * len(pupils), pa.string()))
    refs = [row_ref(sha256, ordinal) for ordinal in pupils["ordinal"].to_pylist()]
    return pupils.append_column("row_ref", pa.array(refs, pa.string())).select(PUPILS.schema.names).cast(PUPILS.schema)


def row_ref(sha256: str, ordinal: int) -> str:
    """The reference of a record: its file's content and its place in it, nothing of the pupil."""
    return hashlib.sha256(f"{sha256}:{ordinal}".encode()).hexdigest()[:24]
