"""Statistical disclosure control: counts of learners as a table that tells nobody a number from 1 to 4.

Belongs here: which cells of a table with totals are hidden. Everybody who uses the engine sees every table of it, also the
analysts of one authority those about another's learners; and a small number that is left out comes back by subtraction,
unless others are left out beside it. Does not belong here: who may see a column at all (`tasks.runtime.visibility`), or
how a hidden number looks (`flows.run.run_page`). To add a column to a table: its place in the `parts` that the caller gives.

The cells are the arcs of a network. Each equation of the table (a sum is its parts, the last row is all others) is a node
in which flows as much in as out; so the tables that agree with what is published are the circulations that agree with it.
A small number is safe if along some ring of hidden cells it could be raised to 5, and along one lowered to 1. For each the
ring that hides least is looked for.
"""

import heapq
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

#: Numbers from 1 up to this one, without it, are shown to nobody. Nought is shown: that there is nobody is what most say.
SMALL = 5
#: The last row: all others together.
TOTAL = "total"

_Cell = tuple[Hashable, str]
_Node = tuple[Hashable, ...]


def with_sums(counts: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Counts with their sums and, as the last row, the total.

    Args:
        counts: a row each of what is counted, with the columns that are no sums.
        parts: the sum columns and their parts, which are columns or sums before it; the last one is the sum of all.
    """
    whole = counts.copy()
    for name, of in parts.items():
        whole[name] = whole[list(of)].sum(axis=1)
    whole.loc[TOTAL] = whole.sum()
    return whole.astype("int64")


def suppressed(counts: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Counts with their sums and total, of which no number below SMALL can be worked out.

    Whoever knows all that is left, that sums are sums, and that a hidden number is at least 1, still finds each small one
    to be anything from 1 to 5 and more; also who knows all numbers of another row, because they are its own. A small sum
    is at least as many as its parts that are not nought, which are seen to be none; it too could be 5.

    Args:
        counts: as `with_sums` takes them.
        parts: likewise.

    Returns:
        As `with_sums` gives them, nullable integers; null where hidden.
    """
    whole = with_sums(counts, parts)
    arcs = {arc.cell: arc for arc in _arcs(whole, parts)}
    hidden = {cell for cell, arc in arcs.items() if arc.number < SMALL}
    for cell in sorted(hidden, key=lambda c: (arcs[c].number, str(c))):
        for by in (SMALL - arcs[cell].number, 1 - arcs[cell].number):
            hidden |= _rings(arcs, hidden, cell, by)
    shown = whole.astype("Int64")
    for row, column in hidden:
        shown.loc[row, column] = pd.NA
    return shown


@dataclass(frozen=True)
class _Arc:
    """A cell that is not nought: what it costs to hide it, and the two equations in which it stands."""

    cell: _Cell
    number: int
    tail: _Node
    head: _Node
    cost: float


def _arcs(whole: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> Iterator[_Arc]:
    parent = {part: name for name, of in parts.items() for part in of}
    for row in whole.index:
        for column in whole.columns:
            number = int(whole.loc[row, column])
            if not number:
                continue  # it is shown, so it is none of those that could be otherwise
            # From the sum of all to the sums of a row, to the columns, to the total's sums, and back.
            outer: _Node = ("row", row, parent[column]) if column in parent else ("whole",)
            inner: _Node = ("row", row, column) if column in parts else ("column", column)
            tail, head = (inner, outer) if row == TOTAL else (outer, inner)
            # The country's totals are what people ask first, then an authority's; of others the small ones are missed least.
            cost = (1 + math.log10(number)) * (100 if row == TOTAL else 1) * (5 if column in parts else 1)
            yield _Arc((row, column), number, tail, head, cost)


def _rings(arcs: Mapping[_Cell, _Arc], hidden: set[_Cell], cell: _Cell, by: int) -> set[_Cell]:
    """The cells to hide, so that one could be greater by so much (less, where negative), or by as much as can be.

    Those to whom another row of the ring belongs know what stands there: for them there is a ring without it.
    """
    direction = 1 if by > 0 else -1
    for amount in range(abs(by), 0, -1):
        ring = _ring(arcs, hidden, arcs[cell], direction * amount)
        if ring is None:
            continue
        found = set(ring)
        for row in sorted({row for row, _ in ring} - {cell[0], TOTAL}, key=str):
            others = {at: arc for at, arc in arcs.items() if at[0] != row}
            found |= _ring(others, hidden | found, arcs[cell], direction * amount) or set()
        return found
    return set()


def _ring(arcs: Mapping[_Cell, _Arc], hidden: set[_Cell], arc: _Arc, by: int) -> set[_Cell] | None:
    """The cells to hide, so that one could be greater by so much (less, where negative): the cheapest way back to it.

    Args:
        arcs: all cells that are not nought.
        hidden: those that are hidden already; they cost nothing.
        arc: the cell.
        by: by how much, not nought.

    Returns:
        None where it cannot be so: a sum of parts that are not nought, for less. For more there is always a way, along the
        cell's own sums and totals.
    """
    start, end = (arc.head, arc.tail) if by > 0 else (arc.tail, arc.head)
    ways = _ways([other for other in arcs.values() if other is not arc], abs(by))
    costs: dict[_Node, float] = {start: 0.0}
    came_by: dict[_Node, tuple[_Node, _Cell]] = {}
    queue: list[tuple[float, str, _Node]] = [(0.0, "", start)]
    while queue:
        cost, _, node = heapq.heappop(queue)
        if cost > costs[node]:
            continue
        for there, other in ways.get(node, []):
            further = cost + (0.0 if other.cell in hidden else other.cost)
            if further < costs.get(there, math.inf):
                costs[there], came_by[there] = further, (node, other.cell)
                heapq.heappush(queue, (further, str(there), there))
    if end not in costs:
        return None
    ring, node = set(), end
    while node != start:
        node, cell = came_by[node]
        ring.add(cell)
    return ring


def _ways(arcs: list[_Arc], by: int) -> dict[_Node, list[tuple[_Node, _Arc]]]:
    """From each equation to the others: along a cell that grows, against one that can be so much less and not nought."""
    ways: dict[_Node, list[tuple[_Node, _Arc]]] = {}
    for arc in arcs:
        ways.setdefault(arc.tail, []).append((arc.head, arc))
        if arc.number - by >= 1:
            ways.setdefault(arc.head, []).append((arc.tail, arc))
    return ways


def to_fives(numbers: pd.Series) -> pd.Series:
    """Counts of learners to the nearest five, of which sums and unions can no longer be set off; null where small."""
    return _nearest(numbers, pd.Series(SMALL, index=numbers.index))


def to_two_figures(numbers: pd.Series) -> pd.Series:
    """Counts of learners to two figures, and at least to the ten; null where small."""
    digits = numbers.astype("int64").astype("str").str.len()
    return _nearest(numbers, 10 ** (digits - 2).clip(lower=1))


def _nearest(numbers: pd.Series, step: pd.Series) -> pd.Series:
    rounded = ((numbers + step // 2) // step * step).astype("Int64")
    return rounded.mask((numbers > 0) & (numbers < SMALL), pd.NA)
