"""Tables that people see: on the dashboard, in log lines, in `uln status` and on the terminal. Nothing else is shown.

A view says of each column what kind of thing it holds and who may see it, as the lake's tables do;
`tasks.runtime.visibility` holds whatever is shown against it. Numbers in a view are counts. To show something more: a
column here, with its tier. What stands in `OF_ONE_LEARNER` is of one learner and personal, and passes by a gate of its
own (`visibility.of_one_learner`).
"""

import pyarrow as pa

from schemas.states import NotChosen, RowState
from schemas.tables import Column, Table, Tier


def _text(*names: str, tier: Tier = Tier.OPEN) -> tuple[Column, ...]:
    return tuple(Column(name, pa.string(), tier) for name in names)


def _counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, pa.int64(), Tier.OPEN) for name in names)


#: What the stages of a run did, an authority and a count each; in the log and as an artifact.
STAGE_COUNTS = Table("stage_counts", (*_text("la_code", "stage", "count"), *_counts("number")), key=())
#: Those of its counts, as `stage.count`, that are told: of files, schools and batches. Learners are told of in one table
#: alone, `CYCLE_BY_AUTHORITY`, for what two tables say of the same learners can be set off against each other.
COUNTS_TOLD = frozenset(
    (
        *("receive.files", "receive.accepted", "receive.quarantined", "receive.faults", "read.returns", "read.faults"),
        *("batch.batches", "release.sent", "release.unconfirmed", "readiness.schools"),
        *("publish.zips", "publish.workbooks", "publish.faults"),
    )
)
#: Where the records of a cycle stand, an authority each, with the country's total; null where hidden
#: (`tasks.core.suppression`).
CYCLE_BY_AUTHORITY = Table(
    "cycle_by_authority",
    (*_text("la_code"), *_counts("schools", "records", "not_chosen", "chosen", *(state.value for state in RowState))),
    key=("la_code",),
)
#: How many of a cycle's things wait for a person, by the text's key under `terminal.`; null where hidden.
FOR_A_PERSON = Table("for_a_person", (*_text("what"), *_counts("number")), key=("what",))
#: The batches that are not over.
OPEN_BATCHES = Table(
    "open_batches",
    (*_text("batch_ref", "la_code", "school_number", "state"), *_counts("age")),
    key=("batch_ref",),
)
#: How many batches there are in each state.
BATCHES_BY_STATE = Table("batches_by_state", (*_text("state"), *_counts("number")), key=("state",))
#: How many rows each rule tried and how many failed it, about; null where hidden.
RULES_TRIED = Table("rules_tried", (*_text("rule", "severity"), *_counts("tried", "failed")), key=("rule",))
#: Where the records of a cycle stand, a school each (law 1, docs/explanation/laws.md).
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
#: Elements that no layout knows, on the terminal: their names and that of the file are the sender's.
UNKNOWN_ELEMENTS = Table(
    "unknown_elements",
    (*_text("element", tier=Tier.INTERNAL), *_counts("times", "returns"), *_text("path", tier=Tier.INTERNAL)),
    key=("element",),
)
#: What a checked return would be told, on the terminal.
CHECKED = Table(
    "checked",
    (*_counts("ordinal"), *_text("nc_year", tier=Tier.INTERNAL), *_text("rule", "severity")),
    key=("ordinal", "rule"),
)
#: What a purge removed, or would.
PURGED_BY_KIND = Table("purged_by_kind", (*_text("kind"), *_counts("files", "kib")), key=("kind",))
#: The batches and what became of their hand-over, on the terminal.
BATCHES_SHOWN = Table(
    "batches_shown",
    (
        *_text("batch_ref", "cycle", "la_code", "school_number", "state"),
        *_text("file_name", "since", "decided", tier=Tier.INTERNAL),
        *_counts("age", "rows", "answered"),
    ),
    key=("batch_ref",),
)
#: Schools whose number of learners is far from their last cycle's (law 7, docs/explanation/laws.md).
VOLUMES = Table(
    "volumes",
    (*_text("school_number", "in_cycle", "volume"), *_counts("learners", "before")),
    key=("school_number",),
)
#: How many exceptions there are, by the cycle in which they were opened, where they are in their lives and why.
EXCEPTIONS_BY_STATE = Table(
    "exceptions_by_state", (*_text("cycle", "state", "cause"), *_counts("number")), key=("cycle", "state", "cause")
)
#: The open ones by the LRS's code; one that nobody knows is as the LRS wrote it.
EXCEPTIONS_BY_CODE = Table(
    "exceptions_by_code", (*_text("return_code", tier=Tier.INTERNAL), *_counts("number")), key=("return_code",)
)
#: The open ones by how many days their learners have waited, a school and an age each.
EXCEPTIONS_BY_AGE = Table(
    "exceptions_by_age",
    (*_text("la_code", "school_number", "age"), *_counts("number")),
    key=("la_code", "school_number", "age"),
)

#: Files that have come into an inbox (`dewi` or `lrs`), by the authority whose folder they lie in.
ARRIVED = Table("arrived", (*_text("inbox", "la_code"), *_counts("files")), key=("inbox", "la_code"))
#: Batches by their references, as events, notifications and the run's log name them.
BATCHES_NAMED = Table(
    "batches_named",
    (*_text("batch_ref", "cycle", "la_code", "school_number", "state"), *_counts("age", "rows", "answered")),
    key=("batch_ref",),
)
#: Schools that a zip was made for.
PUBLISHED = Table(
    "published", (*_text("la_code", "school_number"), *_counts("ulns", "exceptions")), key=("school_number",)
)
#: Counts, ages and durations for whoever collects them: all Wales, no school and no authority.
METRICS = Table("metrics", (*_text("metric", "cycle", "of"), *_counts("number")), key=("metric", "cycle", "of"))

_LEARNERS = ("chosen", *(state.value for state in RowState), "share")
#: The tables of the pages (`schemas.settings.pages`), a row a school, code, day or batch; learners as numbers alone.
#: What stands in a `.._place` is where the row is in the order of that column.
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
        # A code that nobody knows is as the LRS wrote it; where everybody sees it, it is a `code` of ours.
        "exceptions": (
            *_text("return_code", tier=Tier.INTERNAL),
            *_text("code"),
            *_text("wrong_cy", "wrong_en", "action_cy", "action_en"),
            *_counts("number", "schools"),
        ),
        "ages": (*_text("age"), *_counts("number", "schools")),
        "waiting": (
            *_text("school_number", "school_name"),
            *_counts("school_name_place", "number", "late", "oldest"),
        ),
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

VIEWS = {
    view.name: view
    for view in (
        STAGE_COUNTS,
        CYCLE_BY_AUTHORITY,
        FOR_A_PERSON,
        OPEN_BATCHES,
        BATCHES_BY_STATE,
        RULES_TRIED,
        STANDING,
        UNKNOWN_ELEMENTS,
        CHECKED,
        PURGED_BY_KIND,
        BATCHES_SHOWN,
        VOLUMES,
        EXCEPTIONS_BY_STATE,
        EXCEPTIONS_BY_CODE,
        EXCEPTIONS_BY_AGE,
        ARRIVED,
        BATCHES_NAMED,
        PUBLISHED,
        METRICS,
        *PAGE_TABLES.values(),
    )
}

#: What the register holds of one learner, a UPN each.
LEARNER_KNOWN = Table(
    "learner_known",
    (*_text("upn", "uln", "other_ulns", tier=Tier.PERSONAL), *_text("cycle", "school_number", "conflict")),
    key=("upn",),
)
#: Where one learner's records stand now.
LEARNER_STANDS = Table(
    "learner_stands", (*_text("cycle", "school_number", "state"), *_text("upn", tier=Tier.PERSONAL)), key=()
)
#: What happened to one learner (`learner_story.EVENT_COLUMNS`); detail is the school's, the LRS's or a person's own words.
LEARNER_STORY = Table(
    "learner_story",
    (
        *_text("at", "kind", "cycle", "school_number", "place", "batch_ref", "state"),
        *_text("file", "code", tier=Tier.INTERNAL),
        *_text("upn", "uln", "detail", tier=Tier.PERSONAL),
    ),
    key=(),
)
OF_ONE_LEARNER = (LEARNER_KNOWN, LEARNER_STANDS, LEARNER_STORY)
