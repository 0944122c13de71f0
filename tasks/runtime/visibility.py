"""The one gate to people: what is put on the dashboard, into a log line, into `uln status` or on the terminal passes here.

Belongs here: whether rows may be shown. A column is known by its table (`schemas.tables`, `schemas.views`) and let through
by its tier; what is not known is refused, so that a new column is seen by nobody until someone has said by whom. How it
then looks is `flows`'; both take a `VisibleRows` and nothing else, and only `check_visible` makes one.
To show something more: a column in `schemas.views`.

One exception, and on purpose: who may read the data root may ask it for one learner (`uln trace`) and then sees names,
dates of birth and identifiers of that one. It has a gate of its own, `of_one_learner`, whose rows no place for many takes.
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from schemas.tables import Column, Table, Tier
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import OF_ONE_LEARNER
from tasks.core.masking import looks_personal, masked

#: No count of anything here comes near it; a ULN, as a number, is never below it.
_TOO_MANY = 1_000_000_000
_MAKER = object()


class VisibleRows:
    """Rows that may be seen; made by `check_visible` alone.

    Attributes:
        frame: the rows.
    """

    def __init__(self, frame: pd.DataFrame, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("rows are let through by tasks.runtime.visibility.check_visible")
        self.frame = frame

    def rows(self) -> list[dict[str, Any]]:
        """The rows, a dict each; None where there is nothing."""
        rows = self.frame.astype(object).where(self.frame.notna(), None).to_dict("records")
        return [{str(k): v for k, v in row.items()} for row in rows]


def check_visible(
    table: Table,
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    to: Literal[Tier.OPEN, Tier.INTERNAL] = Tier.OPEN,
) -> VisibleRows:
    """Let rows through to people.

    Args:
        table: of the lake, or a view; the rows have some of its columns.
        rows: what shall be seen.
        to: OPEN where every user of the engine sees it; INTERNAL on the terminal of someone who has the data root.

    Raises:
        ServiceFault: a column is not the table's, may not be seen, or holds what it should not; names table and columns.
    """
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    columns = {column.name: column for column in table.columns}
    refused = [
        str(name)
        for name in frame.columns
        if name not in columns or not columns[name].tier.may_be_shown(to) or not _fits(columns[name], frame[name])
    ]
    if refused:
        raise ServiceFault(bilingual("fault.not_to_be_shown", table=table.name, columns=", ".join(refused)))
    # What a sender has named may hold anything, also an identifier.
    theirs = [name for name in frame.columns if columns[name].tier is Tier.INTERNAL]
    return VisibleRows(
        frame.assign(**{n: frame[n].map(_masked, na_action="ignore").astype("str") for n in theirs}), _MAKER
    )


class OfOneLearner:
    """What is held of one learner; made by `of_one_learner` alone. No `VisibleRows`: it has no rows for a dashboard or a log.

    Attributes:
        of_learner: the rows.
    """

    def __init__(self, of_learner: pd.DataFrame, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("one learner's rows are let through by tasks.runtime.visibility.of_one_learner")
        self.of_learner = of_learner

    def __repr__(self) -> str:
        """How many rows; whatever prints the object must not print them."""
        return f"OfOneLearner({len(self.of_learner)})"


def of_one_learner(view: Table, rows: pd.DataFrame, upns: Set[str]) -> OfOneLearner:
    """Let one learner's rows through to the terminal of someone who asked for that learner in a data root they may read.

    Args:
        view: one of `schemas.views.OF_ONE_LEARNER`; the rows have its columns.
        rows: what shall be seen; upn among the columns.
        upns: those of the learner.

    Raises:
        ServiceFault: the view is none of them, a column is not the view's, or a row is another learner's; names view and
            columns.
    """
    known = [column.name for column in view.columns] if view in OF_ONE_LEARNER else []
    refused = [str(name) for name in rows.columns if name not in known]
    if view not in OF_ONE_LEARNER or not rows["upn"].dropna().isin(upns).all():
        refused.append("upn")
    if refused:
        raise ServiceFault(bilingual("fault.not_to_be_shown", table=view.name, columns=", ".join(refused)))
    return OfOneLearner(rows, _MAKER)


def _masked(text: str) -> str:
    return masked(text, dates=False)


def _fits(column: Column, values: pd.Series) -> bool:
    """Whether values are what their column says: counts that no identifier hides in, or text that looks like none."""
    if values.empty:
        return True
    if pa.types.is_boolean(column.type):
        return values.dtype.kind == "b"
    if pa.types.is_int64(column.type):
        return values.dtype.kind in "iu" and bool((values.abs() < _TOO_MANY).all())
    return column.tier is Tier.INTERNAL or not values.dropna().map(str).map(looks_personal).any()


def sentence(text: str) -> str:
    """One of the service's own sentences (`schemas.texts.catalogue`), as every user of the engine may read it.

    Our texts name files, schools and batches; should a place of one have been filled with more, its shape gives it away.
    """
    return masked(text)
