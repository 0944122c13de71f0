"""Views: the tables that people see, on the dashboard, in log lines, in `uln status`, on the terminal. Nothing else is shown.

A view defines type and tier of each column, like a table of the lake; `tasks.runtime.visibility` checks all shown rows
against it. Numbers in a view are counts. To show something more: a column here, with its tier. The views in
`OF_ONE_LEARNER` are personal to one learner and pass their own gate (`visibility.of_one_learner`).
"""

import pyarrow as pa

from schemas.states import NotChosen, RowState
from schemas.tables import Column, Table, Tier


def _text(*names: str, tier: Tier = Tier.OPEN) -> tuple[Column, ...]:
    return tuple(Column(name, pa.string(), tier) for name in names)


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, pa.int64(), Tier.OPEN) for name in names)


#: Counts of the stages of a run, a row for each authority and count; in the log and as an artifact.
STAGE_COUNTS = Table("stage_counts", (*_text("la_code", "stage", "count"), *_counts("number")), key=())
#: The counts, as `stage.count`, that are shown: of files, schools and batches. Learners are counted in one table alone,
#: `CYCLE_BY_AUTHORITY`, because two tables about the same learners can be subtracted from each other.
COUNTS_SHOWN = frozenset(
    (
        *("receive.files", "receive.accepted", "receive.quarantined", "receive.faults", "read.returns", "read.faults"),
        *("batch.batches", "release.sent", "release.unconfirmed", "readiness.schools"),
        *("publish.zips", "publish.workbooks", "publish.faults"),
    )
)
#: Records of a cycle by state, a row for each authority and one for Wales; null if hidden (`tasks.core.suppression`).
CYCLE_BY_AUTHORITY = Table(
    "cycle_by_authority",
    (*_text("la_code"), *_counts("schools", "records", "not_chosen", "chosen", *(state.value for state in RowState))),
    key=("la_code",),
)
#: Numbers of actions needed in a cycle, by the text's key under `terminal.`; null if hidden.
FOR_A_PERSON = Table("for_a_person", (*_text("what"), *_counts("number")), key=("what",))
#: The batches that are not finished.
OPEN_BATCHES = Table(
    "open_batches", (*_text("batch_ref", "la_code", "school_number", "state"), *_counts("age")), key=("batch_ref",)
)
#: Number of batches by state.
BATCHES_BY_STATE = Table("batches_by_state", (*_text("state"), *_counts("number")), key=("state",))
#: Rounded numbers of rows tried and failed, by rule; null if hidden.
RULES_TRIED = Table("rules_tried", (*_text("rule", "severity"), *_counts("tried", "failed")), key=("rule",))
#: Records of a cycle by state, a row for each school (law 1, docs/explanation/laws.md).
STANDING = Table(
    "standing",
    (
        *_text("school_number"),
        *_counts("records", *(f"not_chosen:{reason.value}" for reason in NotChosen)),
        *_counts(*(state.value for state in RowState)),
        Column("balanced", pa.bool_(), Tier.OPEN),
    ),
    key=("school_number",),
)
#: Elements that no layout knows, on the terminal: names of elements and files are the sender's.
UNKNOWN_ELEMENTS = Table(
    "unknown_elements",
    (*_text("element", tier=Tier.INTERNAL), *_counts("times", "returns"), *_text("path", tier=Tier.INTERNAL)),
    key=("element",),
)
#: Findings of a checked return, on the terminal.
CHECKED = Table(
    "checked",
    (*_counts("ordinal"), *_text("nc_year", tier=Tier.INTERNAL), *_text("rule", "severity")),
    key=("ordinal", "rule"),
)
#: What a purge removed, or would remove.
PURGED_BY_KIND = Table("purged_by_kind", (*_text("kind"), *_counts("files", "kib")), key=("kind",))
#: Batches and the outcome of their hand-over, on the terminal.
BATCHES_SHOWN = Table(
    "batches_shown",
    (
        *_text("batch_ref", "cycle", "la_code", "school_number", "state"),
        *_text("file_name", "since", "decided", tier=Tier.INTERNAL),
        *_counts("age", "rows", "answered"),
    ),
    key=("batch_ref",),
)
#: Each school's number of learners, compared with its own last cycle's (law 7, docs/explanation/laws.md).
VOLUMES = Table(
    "volumes", (*_text("school_number", "in_cycle", "volume"), *_counts("learners", "before")), key=("school_number",)
)
#: Numbers of exceptions by the cycle that opened them, their state and cause.
EXCEPTIONS_BY_STATE = Table(
    "exceptions_by_state", (*_text("cycle", "state", "cause"), *_counts("number")), key=("cycle", "state", "cause")
)
#: Open exceptions by the LRS's code; an unknown code is as the LRS wrote it.
EXCEPTIONS_BY_CODE = Table(
    "exceptions_by_code", (*_text("return_code", tier=Tier.INTERNAL), *_counts("number")), key=("return_code",)
)
#: Open exceptions by the days that their learners have waited, a row for each school and age.
EXCEPTIONS_BY_AGE = Table(
    "exceptions_by_age",
    (*_text("la_code", "school_number", "age"), *_counts("number")),
    key=("la_code", "school_number", "age"),
)

#: Files in an inbox (`dewi` or `lrs`), by the authority of their folder.
ARRIVED = Table("arrived", (*_text("inbox", "la_code"), *_counts("files")), key=("inbox", "la_code"))
#: Batches by reference, as events, notifications and the run log name them.
BATCHES_NAMED = Table(
    "batches_named",
    (*_text("batch_ref", "cycle", "la_code", "school_number", "state"), *_counts("age", "rows", "answered")),
    key=("batch_ref",),
)
#: Schools that got a zip.
PUBLISHED = Table(
    "published", (*_text("la_code", "school_number"), *_counts("ulns", "exceptions")), key=("school_number",)
)
#: Counts, ages and durations for monitoring: all Wales, without schools or authorities.
METRICS = Table("metrics", (*_text("metric", "cycle", "of"), *_counts("number")), key=("metric", "cycle", "of"))

_LEARNERS = ("chosen", *(state.value for state in RowState), "share")
#: The tables of the pages (`schemas.settings.pages`), a row for each school, code, day or batch; learners only as numbers.
#: A `.._place` holds the rank of the row in the order of that column.
PAGE_TABLES = {
    name: Table(f"page_{name}", (*_text("la_code"), *columns), key=())
    for name, columns in {
        "needs": (*_text("need"), *_counts("number")),
        "authorities": (
            *_text("authority_cy", "authority_en"),
            *_counts("authority_cy_place", "authority_en_place", "schools", "returned", "not_returned", "not_ready"),
            *_counts(*_LEARNERS),
        ),
        "schools": (
            *_text("school_number", "school_name", "state", "returned_on", "authority_cy", "authority_en"),
            *_counts("school_name_place", "authority_cy_place", "authority_en_place", *_LEARNERS, "had_one"),
        ),
        # An unknown code is as the LRS wrote it; tables that everybody sees have our own `code` instead.
        "exceptions": (
            *_text("return_code", tier=Tier.INTERNAL),
            *_text("code"),
            *_text("wrong_cy", "wrong_en", "action_cy", "action_en"),
            *_counts("number", "schools"),
        ),
        "ages": (*_text("age"), *_counts("number", "schools")),
        "waiting": (*_text("school_number", "school_name"), *_counts("school_name_place", "number", "late", "oldest")),
        "readiness": (
            *_text("school_number", "school_name", "missing_cy", "missing_en", "action_cy", "action_en"),
            *_text("place_cy", "place_en"),
            *_counts("school_name_place"),
        ),
        "steps": (*_text("missing_cy", "missing_en", "action_cy", "action_en"), *_counts("schools")),
        "years": (*_text("year"), *_counts(*_LEARNERS)),
        "days": (*_text("day"), *_counts("returns", "batches", "asked", "answered_uln", "answered_without")),
        "cycles": (*_text("cycle_cy", "cycle_en"), *_counts("returned", *_LEARNERS)),
        "batches": (
            *_text("batch_ref", "school_number", "school_name", "state", "since"),
            *_counts("school_name_place", "age", "rows", "answered"),
        ),
        "downloads": (
            *_text("path", "delivered_on", "receiver_cy", "receiver_en"),
            *_counts("receiver_cy_place", "receiver_en_place", "ulns", "exceptions"),
        ),
        "inputs": (*_text("input", "last_on"), *_counts("number")),
    }.items()
}

#: All views but those of one learner, below.
VIEWS = {view.name: view for view in tuple(globals().values()) if isinstance(view, Table)}
VIEWS |= {view.name: view for view in PAGE_TABLES.values()}

#: The register's row of a learner, for each UPN.
LEARNER_KNOWN = Table(
    "learner_known",
    (*_text("upn", "uln", "other_ulns", tier=Tier.PERSONAL), *_text("cycle", "school_number", "conflict")),
    key=("upn",),
)
#: Present state of a learner's records.
LEARNER_STATES = Table(
    "learner_stands", (*_text("cycle", "school_number", "state"), *_text("upn", tier=Tier.PERSONAL)), key=()
)
#: Events of a learner (`learner_story.EVENT_COLUMNS`); detail holds the school's, the LRS's or a person's own words.
LEARNER_STORY = Table(
    "learner_story",
    (
        *_text("at", "kind", "cycle", "school_number", "place", "batch_ref", "state"),
        *_text("file", "code", tier=Tier.INTERNAL),
        *_text("upn", "uln", "detail", tier=Tier.PERSONAL),
    ),
    key=(),
)
OF_ONE_LEARNER = (LEARNER_KNOWN, LEARNER_STATES, LEARNER_STORY)
