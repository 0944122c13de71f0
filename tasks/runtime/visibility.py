"""The disclosure gate: every row shown to people is checked here, for the dashboard, log lines, `uln status`, the terminal.

A column's tier decides (`schemas.tables`, `schemas.views`). Unknown columns are refused, so nobody sees a new column before
its tier is set. Code that shows rows takes only a `VisibleRows`, made by `check_visible` alone; their look is for `flows`.
To show something more: add a column to `schemas.views`.

One exception on purpose: `uln trace` shows names, dates of birth and identifiers of one learner to someone who may read the
data root. It has its own gate, `of_one_learner`, whose rows the dashboard and the log do not take.
"""

from collections.abc import Iterable, Mapping, Set
from functools import partial
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from schemas.tables import Column, Table, Tier
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import OF_ONE_LEARNER
from tasks.core.masking import looks_personal, masked

#: Counts stay far below it; a ULN, as a number, is never below it.
_TOO_MANY = 1_000_000_000
_MAKER = object()


class VisibleRows:
    """Rows that may be shown. Only `check_visible` makes them."""

    def __init__(self, frame: pd.DataFrame, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("rows are let through by tasks.runtime.visibility.check_visible")
        self.frame = frame

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows as dicts; None for missing values."""
        rows = self.frame.astype(object).where(self.frame.notna(), None).to_dict("records")
        return [{str(k): v for k, v in row.items()} for row in rows]


def check_visible(
    table: Table,
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    to: Literal[Tier.OPEN, Tier.INTERNAL] = Tier.OPEN,
) -> VisibleRows:
    """Check rows and let them through to people.

    The rows have some of the columns of `table`, a table of the lake or a view. `to` is OPEN for every user of the engine,
    INTERNAL for the terminal of someone who has the data root.

    Raises:
        ServiceFault: a column is not the table's, may not be shown, or holds a wrong kind of value; names table and columns.
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
    # Names that a sender chose may hold anything, even an identifier.
    theirs = [name for name in frame.columns if columns[name].tier is Tier.INTERNAL]
    mask = partial(masked, dates=False)
    texts = {name: frame[name].map(mask, na_action="ignore").astype("str") for name in theirs}
    return VisibleRows(frame.assign(**texts), _MAKER)


class OfOneLearner:
    """Rows of one learner. Only `of_one_learner` makes them. Not a `VisibleRows`: no dashboard or log takes it."""

    def __init__(self, of_learner: pd.DataFrame, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("one learner's rows are let through by tasks.runtime.visibility.of_one_learner")
        self.of_learner = of_learner

    def __repr__(self) -> str:
        """Return only the number of rows, so that printing the object shows none."""
        return f"OfOneLearner({len(self.of_learner)})"


def of_one_learner(view: Table, rows: pd.DataFrame, upns: Set[str]) -> OfOneLearner:
    """Let one learner's rows through to the terminal of someone who asked for that learner and may read the data root.

    The rows have columns of `view`, one of `schemas.views.OF_ONE_LEARNER`, with upn; `upns` are the learner's.

    Raises:
        ServiceFault: the view is not one of these, a column is not the view's, or a row is another learner's; names view
            and columns.
    """
    known = [column.name for column in view.columns] if view in OF_ONE_LEARNER else []
    refused = [str(name) for name in rows.columns if name not in known]
    if view not in OF_ONE_LEARNER or not rows["upn"].dropna().isin(upns).all():
        refused.append("upn")
    if refused:
        raise ServiceFault(bilingual("fault.not_to_be_shown", table=view.name, columns=", ".join(refused)))
    return OfOneLearner(rows, _MAKER)


def _fits(column: Column, values: pd.Series) -> bool:
    """Whether values fit their column: counts too small to hide an identifier, or text that does not look like one."""
    if values.empty:
        return True
    if pa.types.is_boolean(column.type):
        return values.dtype.kind == "b"
    if pa.types.is_int64(column.type):
        return values.dtype.kind in "iu" and bool((values.abs() < _TOO_MANY).all())
    return column.tier is Tier.INTERNAL or not values.dropna().map(str).map(looks_personal).any()


def sentence(text: str) -> str:
    """Return one of the service's own sentences (`schemas.texts.catalogue`), masked for every user of the engine.

    Our texts name files, schools and batches. Masking catches an identifier that was filled in by mistake.
    """
    return masked(text)
