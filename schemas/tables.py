"""The lake's tables: name, columns with type and tier, and key. The only definition of a column.

To add a pupil field: a row in `plasc/paths.csv`, nothing here (`docs/how-to/add-a-pupil-field.md`). To add another column:
add it here with its tier, not required, and with `since` = the table's `version` + 1. The next run adds it to the tables of
an existing lake (`tasks.io.lake.migration`). Writers refuse a table that differs from its schema, and
`tasks.runtime.visibility` shows a column only if its tier allows it.
"""

import csv
import io
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import pyarrow as pa

from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import text_of
from schemas.texts.faults import ConfigurationFault


class Tier(StrEnum):
    """Who may see a column.

    OPEN: every user of the engine, that is, anyone: counts, codes, references, dates of runs.
    INTERNAL: people who work in the data root: names and texts of a sender (file names, unknown codes and elements), and
    facts that reveal no pupil's identity (year group).
    PERSONAL: nobody; it leaves the data root only in files for the LRS and for the school. People who may read the data
    root may ask for these columns of one learner (`visibility.of_one_learner`).
    """

    OPEN = "open"
    INTERNAL = "internal"
    PERSONAL = "personal"

    def may_be_shown(self, to: "Tier") -> bool:
        """Whether people of a tier may see a column of this tier; PERSONAL: never."""
        return self is Tier.OPEN or (self is Tier.INTERNAL and to is Tier.INTERNAL)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        required: whether every row has a value.
        since: the table version that added it. After version 1 a column is not required, because it is null in older rows.
    """

    name: str
    type: pa.DataType
    tier: Tier
    required: bool = False
    since: int = 1


#: A partition column that only the stored table has; the lake derives it (`Table.area_of`).
AREA = "area"


@dataclass(frozen=True)
class Table:
    """A table of the lake: columns in order, the key that makes a row unique, and how it is partitioned.

    Attributes:
        partition_by: columns; a read opens only files with the values it asks for.
        area_of: a column of UPNs; the table is also partitioned by the number of the authority that allotted them
            (characters 2 to 4), so that one country's learners are found quickly among many countries'.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    area_of: str | None = None

    @property
    def slices(self) -> tuple[str, ...]:
        """Return all columns by which the table is partitioned."""
        return self.partition_by if self.area_of is None else (*self.partition_by, AREA)

    @property
    def version(self) -> int:
        """Return the schema version: the highest `since` of the columns."""
        return max(column.since for column in self.columns)

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema that every write must fit."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])


_TEXT = pa.string()


def _texts(tier: Tier, required: bool, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _TEXT, tier, required) for name in names)


def _numbers(*names: str, required: bool = True) -> tuple[Column, ...]:
    return tuple(Column(name, pa.int64(), Tier.OPEN, required) for name in names)


_ref, _open = partial(_texts, Tier.OPEN, True), partial(_texts, Tier.OPEN, False)
_internal, _personal = partial(_texts, Tier.INTERNAL, False), partial(_texts, Tier.PERSONAL, False)


#: The text fields of a pupil record, each with its tier, its `since`, and its elements in every layout of a return.
PATHS_CSV = Path(__file__).parent / "plasc" / "paths.csv"


def parse_pupil_columns(paths_csv: str) -> tuple[Column, ...]:
    """Return the columns of a pupil record as the school sent them, in row order (docs/reference/sources.md#pupil-items).

    Reads the columns field, tier and since of `paths.csv`; `schemas.plasc.layouts` reads the others.

    Raises:
        ConfigurationFault: lists every missing or unknown tier and version.
    """
    rows, faults = list(csv.DictReader(io.StringIO(paths_csv))), []
    tiers = [Tier.INTERNAL.value, Tier.PERSONAL.value]  # text that a school wrote is never open
    for row in rows:
        if row.get("tier") not in tiers:
            faults.append(bilingual("fault.one_of", column="tier", allowed=", ".join(tiers)).at(f"{row.get('field')}:"))
        if not (since := row.get("since") or "").isdecimal() or int(since) < 1:
            faults.append(bilingual("fault.whole_number", key="since").at(f"{row.get('field')}:"))
    if faults:
        raise ConfigurationFault(f"schemas/plasc/{PATHS_CSV.name}", faults)
    return tuple(Column(row["field"], _TEXT, Tier(row["tier"]), since=int(row["since"])) for row in rows)


_PUPIL_COLUMNS = parse_pupil_columns(text_of(PATHS_CSV))
PUPIL_FIELDS = tuple(column.name for column in _PUPIL_COLUMNS)

#: The demographics as sent, in the LRS's form (docs/reference/sources.md#lrs-batch-layout).
SENT_FIELDS = ("given_name", "family_name", "middle_name", "dob", "gender", "postcode")

#: The five fields that the LRS compares (docs/reference/sources.md#matching): if all are equal, it is the same learner.
DEMOGRAPHICS = ("given_name", "family_name", "dob", "gender", "postcode")

RECEIVED = Table(
    "received",
    (
        *_ref("sha256", "kind", "status"),
        *_open("container_sha256"),
        *_internal("file_name", "path", "member"),
        *_open("reason"),
        *_internal("detail"),
        *_open("cycle", "la_code", "school_number"),
        *_internal("census_date", "header_datetime", "serial_no"),
        *_open("layout", "received_at"),
        # Records on roll, counted when the return was received and when it was read; and records of leavers.
        *_numbers("declared", "pupils", "leavers", required=False),
        *_internal("unknown_elements"),
    ),
    key=("sha256",),
)
PUPILS = Table(
    "pupils",
    (*_ref("row_ref", "cycle", "la_code", "school_number", "sha256"), *_numbers("ordinal"), *_PUPIL_COLUMNS),
    key=("row_ref",),
    partition_by=("cycle", "la_code"),
)
DISPOSITIONS = Table(
    "dispositions",
    (*_ref("row_ref", "cycle", "la_code", "school_number", "disposition"), *_open("reason"), *_internal("detail")),
    key=("row_ref",),
    partition_by=("cycle", "la_code"),
)
SHARED_UPNS = Table(
    "shared_upns", (*_ref("cycle"), Column("upn", _TEXT, Tier.PERSONAL, required=True)), key=("cycle", "upn")
)
FINDINGS = Table(
    "findings",
    (*_ref("row_ref", "rule", "cycle", "la_code", "school_number", "severity", "field"),),
    key=("row_ref", "rule"),
    partition_by=("cycle", "la_code"),
)
BATCHES = Table(
    "batches",
    (
        *_ref("batch_ref", "cycle", "la_code", "school_number", "ukprn", "profile", "format", "file_name"),
        *_ref("file_sha256", "state", "built_at"),
        *_open("sent_at", "reason"),
        *_numbers("rows"),
    ),
    key=("batch_ref",),
    partition_by=("cycle", "la_code"),
)
BATCH_DECISIONS = Table(
    "batch_decisions",
    (
        *_ref("batch_ref", "cycle", "la_code"),
        *_numbers("number"),
        *_ref("decision", "decided_at", "state_before", "state_after"),
        # A person's own words may hold anything.
        Column("reason", _TEXT, Tier.PERSONAL, required=True),
    ),
    key=("batch_ref", "number"),
)
OPERATOR_DECISIONS = Table(
    "operator_decisions",
    (
        *_ref("decision", "ref"),
        *_numbers("number"),
        *_open("cycle", "la_code", "school_number"),
        *_ref("decided_at"),
        # The number that the person saw: learners of a school on hold, or its last file's number; 0 for an import.
        *_numbers("counted"),
        Column("reason", _TEXT, Tier.PERSONAL, required=True),
    ),
    key=("decision", "ref", "number"),
)
#: Jobs: batches that the LRS web service has taken. A batch may be checked (CHK) before it is handed over (FUL).
LRS_JOBS = Table(
    "lrs_jobs",
    (
        *_ref("kind", "batch_ref", "job_ref", "cycle", "la_code", "school_number", "ukprn"),
        *_ref("file_name", "submitted_at"),
        # The LRS's last code when it was asked for the answers; null if it was not asked yet.
        *_internal("code"),
    ),
    key=("kind", "batch_ref", "job_ref"),
)
#: ULNs that schools sent in their returns, and the LRS's answer about them; they create no register entry.
ULN_CHECKS = Table(
    "uln_checks",
    (
        *(Column(n, _TEXT, Tier.PERSONAL, required=True) for n in ("upn", "uln")),
        *_ref("cycle", "la_code", "school_number", "ukprn", "job_ref", "asked_at"),
        # Null until the LRS has answered; the differences in the LRS's own words.
        *_internal("code", "flags"),
    ),
    key=("upn", "uln"),
)
BATCH_ROWS = Table(
    "batch_rows",
    (
        *_ref("batch_ref", "cycle", "la_code", "school_number", "ukprn", "row_ref"),
        *_numbers("position"),
        *_personal("upn", *SENT_FIELDS, "ability_to_share"),
    ),
    key=("batch_ref", "upn"),
    partition_by=("cycle",),
    area_of="upn",
)
LRS_RETURNS = Table(
    "lrs_returns",
    (
        *_ref("sha256"),
        *_numbers("ordinal"),
        *_internal("file_name_cell", "ukprn", "return_code"),
        *_open("batch_ref", "cycle", "tied", "received_at"),
        # The UPN as the LRS wrote it, and in the form in which UPNs are compared; null if blank.
        *_personal("mis_identifier", "upn", "uln", *SENT_FIELDS, "ability_to_share"),
    ),
    key=("sha256", "ordinal"),
    area_of="upn",
)
LEARNERS = Table(
    "learners",
    (
        Column("upn", _TEXT, Tier.PERSONAL, required=True),
        *_personal("uln", "other_ulns", "other_upns", "dob"),
        *_open("conflict", "cycle", "la_code", "school_number", "batch_ref"),
    ),
    key=("upn",),
    area_of="upn",
)
EXCEPTIONS = Table(
    "exceptions",
    (
        Column("upn", _TEXT, Tier.PERSONAL, required=True),
        *_ref("batch_ref", "cycle", "la_code", "school_number", "row_ref"),
        # An unknown code is kept as the LRS wrote it.
        *(Column(n, _TEXT, Tier.INTERNAL, required=True) for n in ("return_code", "all_codes")),
        *_ref("state"),
    ),
    key=("upn", "batch_ref"),
)
#: Deliveries to schools and authorities; for an authority, its code is also its `school_number`.
DELIVERIES = Table(
    "deliveries",
    (
        *_ref("sha256", "cycle", "la_code", "school_number", "content_ref", "path", "delivered_at"),
        *_numbers("number", "ulns", "exceptions"),
    ),
    key=("sha256",),
)
#: Removals after the retention days of a kind (`tasks.maintenance.purge`).
PURGED = Table(
    "purged", (*_ref("kind", "ref", "purged_on"), *_open("cycle"), *_numbers("files", "bytes")), key=("kind", "ref")
)

#: All tables of the lake: every table defined above this line.
TABLES = {table.name: table for table in tuple(globals().values()) if isinstance(table, Table)}

#: Not in the lake: derived by `tasks.core.exception_life`; the columns of `snapshots/<cycle>/exceptions.parquet`.
EXCEPTION_LIVES = Table(
    "exception_lives",
    (
        *(c for c in EXCEPTIONS.columns if c.name != "state"),
        *_ref("state"),
        *_open("cause", "opened_on", "seen_on", "asked_again_on", "resolved_on", "withdrawn_on"),
        # The day on which this learner's first exception was opened; ages are counted from it.
        *_open("since"),
    ),
    key=EXCEPTIONS.key,
)
