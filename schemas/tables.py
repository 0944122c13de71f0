"""The lake's tables: name, columns with type and sensitivity, and key. The only place that says what a column is.

To add a pupil field: a row in `plasc/paths.csv`, and nothing here (`docs/how-to/add-a-pupil-field.md`). To add another
column: add it here with its tier, not required, and with `since`: one more than the table's `version`. The next run adds it
to the tables of an existing lake (`tasks.io.lake.migration`). Every writer refuses a table that differs from its schema, and
`tasks.runtime.visibility` shows a column only where its tier allows it.
"""

import csv
import io
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import text_of
from schemas.texts.faults import ConfigurationFault


class Tier(StrEnum):
    """Who may see a column.

    OPEN: every user of the engine, which is to say anyone: counts, codes, references, dates of runs.
    INTERNAL: who works in the data root: what a sender named or wrote (file names, unknown codes and elements), and what
    tells nothing of a pupil who is not known already (year group).
    PERSONAL: nobody; it leaves the data root only in the files made for the LRS and for the school. Who may read the data
    root may ask it for one learner (`visibility.of_one_learner`).
    """

    OPEN = "open"
    INTERNAL = "internal"
    PERSONAL = "personal"

    def may_be_shown(self, to: "Tier") -> bool:
        """Whether a column of this tier may be seen by people of that one; PERSONAL by no one."""
        return self is Tier.OPEN or (self is Tier.INTERNAL and to is Tier.INTERNAL)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        required: whether every row has a value.
        since: the version of the table that brought it; a column that came after version 1 is not required, as it is null
            in the rows of before.
    """

    name: str
    type: pa.DataType
    tier: Tier
    required: bool = False
    since: int = 1


#: A column that the lake alone knows (`Table.area_of`).
AREA = "area"


@dataclass(frozen=True)
class Table:
    """A table of the lake: columns in order, the key that makes a row unique, and how it is partitioned.

    Attributes:
        partition_by: columns; the files of other values are not opened.
        area_of: a column of UPNs; the table is partitioned, besides, by the number of the authority that allotted them
            (characters 2 to 4), so that one country's learners are found among many countries'.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    area_of: str | None = None

    @property
    def slices(self) -> tuple[str, ...]:
        """The columns by which the files are apart."""
        return self.partition_by if self.area_of is None else (*self.partition_by, AREA)

    @property
    def version(self) -> int:
        """The schema version: the number of the last change to the columns."""
        return max(column.since for column in self.columns)

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that every write must fit."""
        return pa.schema([pa.field(c.name, c.type, nullable=not c.required) for c in self.columns])


_TEXT = pa.string()
_INT = pa.int64()


def _ref(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, _TEXT, Tier.OPEN, required=True) for n in names)


def _open(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, _TEXT, Tier.OPEN) for n in names)


def _internal(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, _TEXT, Tier.INTERNAL) for n in names)


def _personal(*names: str) -> tuple[Column, ...]:
    return tuple(Column(n, _TEXT, Tier.PERSONAL) for n in names)


#: The text fields of a pupil record: for each its tier, its `since`, and its elements in every layout of a return.
PATHS_CSV = Path(__file__).parent / "plasc" / "paths.csv"


def parse_pupil_columns(paths_csv: str) -> tuple[Column, ...]:
    """The columns of a pupil record, as the school sent them, in row order (docs/reference/sources.md#pupil-items).

    Args:
        paths_csv: columns field, tier, since; the others are `schemas.plasc.layouts`'s.

    Raises:
        ConfigurationFault: with every tier and version that is missing or unknown.
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

#: The demographics as sent to the LRS, in the LRS's own form (docs/reference/sources.md#lrs-batch-layout).
SENT_FIELDS = ("given_name", "family_name", "middle_name", "dob", "gender", "postcode")

#: Those five that the LRS compares (docs/reference/sources.md#matching): equal in all of them is to the LRS the same learner.
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
        # Records on roll: counted when the return was received, and when it was read.
        Column("declared", _INT, Tier.OPEN),
        Column("pupils", _INT, Tier.OPEN),
        Column("leavers", _INT, Tier.OPEN),
        *_internal("unknown_elements"),
    ),
    key=("sha256",),
)
PUPILS = Table(
    "pupils",
    (
        *_ref("row_ref", "cycle", "la_code", "school_number", "sha256"),
        Column("ordinal", _INT, Tier.OPEN, required=True),
        *_PUPIL_COLUMNS,
    ),
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
    "shared_upns",
    (*_ref("cycle"), Column("upn", _TEXT, Tier.PERSONAL, required=True)),
    key=("cycle", "upn"),
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
        Column("rows", _INT, Tier.OPEN, required=True),
    ),
    key=("batch_ref",),
    partition_by=("cycle", "la_code"),
)
BATCH_DECISIONS = Table(
    "batch_decisions",
    (
        *_ref("batch_ref", "cycle", "la_code"),
        Column("number", _INT, Tier.OPEN, required=True),
        *_ref("decision", "decided_at", "state_before", "state_after"),
        # A person's own words: nobody can vouch for what stands in them.
        Column("reason", _TEXT, Tier.PERSONAL, required=True),
    ),
    key=("batch_ref", "number"),
)
OPERATOR_DECISIONS = Table(
    "operator_decisions",
    (
        *_ref("decision", "ref"),
        Column("number", _INT, Tier.OPEN, required=True),
        *_open("cycle", "la_code", "school_number"),
        *_ref("decided_at"),
        # In view of which number it was made: learners on hold, the last file.
        Column("counted", _INT, Tier.OPEN, required=True),
        Column("reason", _TEXT, Tier.PERSONAL, required=True),
    ),
    key=("decision", "ref", "number"),
)
#: What the LRS web service has taken, as a job each; a batch may be checked (CHK) before it is handed over (FUL).
LRS_JOBS = Table(
    "lrs_jobs",
    (
        *_ref(
            "kind", "batch_ref", "job_ref", "cycle", "la_code", "school_number", "ukprn", "file_name", "submitted_at"
        ),
        # The last code that the LRS gave when it was asked for the answers; null while nobody has asked.
        *_internal("code"),
    ),
    key=("kind", "batch_ref", "job_ref"),
)
#: ULNs that schools sent in their returns, and what the LRS says of them; no register entry follows from it.
ULN_CHECKS = Table(
    "uln_checks",
    (
        *(Column(n, _TEXT, Tier.PERSONAL, required=True) for n in ("upn", "uln")),
        *_ref("cycle", "la_code", "school_number", "ukprn", "job_ref", "asked_at"),
        # Null until the LRS has answered; what differs, as the LRS calls it.
        *_internal("code", "flags"),
    ),
    key=("upn", "uln"),
)
BATCH_ROWS = Table(
    "batch_rows",
    (
        *_ref("batch_ref", "cycle", "la_code", "school_number", "ukprn", "row_ref"),
        Column("position", _INT, Tier.OPEN, required=True),
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
        Column("ordinal", _INT, Tier.OPEN, required=True),
        *_internal("file_name_cell", "ukprn", "return_code"),
        *_open("batch_ref", "cycle", "tied", "received_at"),
        # The UPN as the LRS wrote it, and in the form in which UPNs compare; null where blank.
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
        # A code that nobody knows is kept as the LRS wrote it.
        *(Column(n, _TEXT, Tier.INTERNAL, required=True) for n in ("return_code", "all_codes")),
        *_ref("state"),
    ),
    key=("upn", "batch_ref"),
)
#: Not in the lake: what `tasks.core.exception_life` derives, and the columns of `snapshots/<cycle>/exceptions.parquet`.
EXCEPTION_LIVES = Table(
    "exception_lives",
    (
        *(c for c in EXCEPTIONS.columns if c.name != "state"),
        *_ref("state"),
        *_open("cause", "opened_on", "seen_on", "asked_again_on", "resolved_on", "withdrawn_on"),
        # The day on which the first exception of this learner was opened: what ages are counted from.
        *_open("since"),
    ),
    key=EXCEPTIONS.key,
)
#: What was delivered, to a school or to an authority: then its code stands as `school_number`, too.
DELIVERIES = Table(
    "deliveries",
    (
        *_ref("sha256", "cycle", "la_code", "school_number", "content_ref", "path", "delivered_at"),
        Column("number", _INT, Tier.OPEN, required=True),
        Column("ulns", _INT, Tier.OPEN, required=True),
        Column("exceptions", _INT, Tier.OPEN, required=True),
    ),
    key=("sha256",),
)
#: What was removed when the days of its kind had passed (`tasks.maintenance.purge`).
PURGED = Table(
    "purged",
    (
        *_ref("kind", "ref", "purged_on"),
        *_open("cycle"),
        Column("files", _INT, Tier.OPEN, required=True),
        Column("bytes", _INT, Tier.OPEN, required=True),
    ),
    key=("kind", "ref"),
)

TABLES = {
    t.name: t
    for t in (
        RECEIVED,
        PUPILS,
        DISPOSITIONS,
        SHARED_UPNS,
        FINDINGS,
        BATCHES,
        BATCH_DECISIONS,
        OPERATOR_DECISIONS,
        LRS_JOBS,
        ULN_CHECKS,
        BATCH_ROWS,
        LRS_RETURNS,
        LEARNERS,
        EXCEPTIONS,
        DELIVERIES,
        PURGED,
    )
}
