"""Statistical disclosure control: hide counts of learners so that a table reveals no number from 1 to 4.

Every user of the engine sees all its tables, so an analyst of one authority sees counts of another's learners. A reader can
work out a hidden number by subtraction, unless other cells are hidden too.

Belongs here: which cells of a table with totals are hidden. Does not belong here: who may see a column at all
(`tasks.runtime.visibility`), how a hidden number looks (`tasks.io.pages.words`). To add a column to a table: add it to the
`parts` that the caller passes.

The cells are the arcs of a network. Each equation of the table (a sum equals its parts, the last row equals all others) is
a node with equal flow in and out, so each circulation is a table that agrees with the published numbers. A small number is
safe if it could be raised to 5 along one ring of hidden cells, and lowered to 1 along another. The cheapest rings are hidden.
"""

import heapq
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

#: Numbers above 0 and below this one are shown to nobody. 0 is shown, because most cells are 0.
SMALL = 5
#: The last row: all others together.
TOTAL = "total"

_Cell = tuple[Hashable, str]
_Node = tuple[Hashable, ...]


def with_sums(counts: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Add the sums to counts (a row for each thing counted, columns that are not sums) and, as the last row, the total.

    `parts` gives the parts of each sum: columns, or sums earlier in `parts`. The last sum is the sum of all columns.
    """
    whole = counts.copy()
    for name, columns in parts.items():
        whole[name] = whole[list(columns)].sum(axis=1)
    whole.loc[TOTAL] = whole.sum()
    return whole.astype("int64")


def suppressed(counts: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Return `with_sums` as nullable integers, with cells null so that no number below SMALL can be worked out.

    A reader knows every number that is shown, how the sums are made, and that a hidden number is at least 1. For this reader
    each small number can still be 1, and can still be 5 or more. That also holds for the owner of another row, who knows all
    numbers of that row. The exception is a small sum: zeros are shown, so it is at least the number of its parts above 0. It
    can still be 5 or more.
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
    """A cell that is not 0: the cost of hiding it, and the two equations that it is in."""

    cell: _Cell
    number: int
    tail: _Node
    head: _Node
    cost: float


def _arcs(whole: pd.DataFrame, parts: Mapping[str, tuple[str, ...]]) -> Iterator[_Arc]:
    parent = {part: name for name, columns in parts.items() for part in columns}
    for row in whole.index:
        for column in whole.columns:
            number = int(whole.loc[row, column])
            if not number:
                continue  # it is shown, so it is fixed
            # The flow runs from the sum of all to the sums of a row, to the columns, to the total's sums, and back.
            outer: _Node = ("row", row, parent[column]) if column in parent else ("whole",)
            inner: _Node = ("row", row, column) if column in parts else ("column", column)
            tail, head = (inner, outer) if row == TOTAL else (outer, inner)
            # The country's totals cost most, then sums; a small number costs less than a large one.
            cost = (1 + math.log10(number)) * (100 if row == TOTAL else 1) * (5 if column in parts else 1)
            yield _Arc((row, column), number, tail, head, cost)


def _rings(arcs: Mapping[_Cell, _Arc], hidden: set[_Cell], cell: _Cell, by: int) -> set[_Cell]:
    """Return the cells to hide so that `cell` could be greater by `by` (less, where negative), or by as much as possible.

    The owner of another row in the ring knows that row's numbers, so for each such row a ring that avoids it is added.
    """
    direction = 1 if by > 0 else -1
    for amount in range(abs(by), 0, -1):
        ring = _ring(arcs, hidden, arcs[cell], direction * amount)
        if ring is None:
            continue
        cells = set(ring)
        for row in sorted({row for row, _ in ring} - {cell[0], TOTAL}, key=str):
            others = {at: arc for at, arc in arcs.items() if at[0] != row}
            cells |= _ring(others, hidden | cells, arcs[cell], direction * amount) or set()
        return cells
    return set()


def _ring(arcs: Mapping[_Cell, _Arc], hidden: set[_Cell], arc: _Arc, by: int) -> set[_Cell] | None:
    """Return the cheapest ring of cells to hide so that one cell could be greater by `by` (less, where negative).

    `arcs` are all cells that are not 0; cells that are already hidden cost nothing. A ring that makes the
    cell greater always exists, along its own sums and totals. One that makes it less may not exist, because a sum is at least
    the number of its parts above 0; then None.
    """
    start, end = (arc.head, arc.tail) if by > 0 else (arc.tail, arc.head)
    steps = _steps([other for other in arcs.values() if other is not arc], abs(by))
    costs: dict[_Node, float] = {start: 0.0}
    came_by: dict[_Node, tuple[_Node, _Cell]] = {}
    queue: list[tuple[float, str, _Node]] = [(0.0, "", start)]
    while queue:
        cost, _, node = heapq.heappop(queue)
        if cost > costs[node]:
            continue
        for neighbour, other in steps.get(node, []):
            further = cost + (0.0 if other.cell in hidden else other.cost)
            if further < costs.get(neighbour, math.inf):
                costs[neighbour], came_by[neighbour] = further, (node, other.cell)
                heapq.heappush(queue, (further, str(neighbour), neighbour))
    if end not in costs:
        return None
    ring, node = set(), end
    while node != start:
        node, cell = came_by[node]
        ring.add(cell)
    return ring


def _steps(arcs: list[_Arc], by: int) -> dict[_Node, list[tuple[_Node, _Arc]]]:
    """Return the steps from each equation: forwards if a cell grows, backwards if it can lose `by` and stay above 0."""
    steps: dict[_Node, list[tuple[_Node, _Arc]]] = {}
    for arc in arcs:
        steps.setdefault(arc.tail, []).append((arc.head, arc))
        if arc.number - by >= 1:
            steps.setdefault(arc.head, []).append((arc.tail, arc))
    return steps


def to_fives(numbers: pd.Series) -> pd.Series:
    """Round counts of learners to five, so that subtracting one from another reveals nothing; null where small."""
    return _nearest(numbers, pd.Series(SMALL, index=numbers.index))


def to_two_figures(numbers: pd.Series) -> pd.Series:
    """Round counts of learners to two figures, and at least to ten; null where small."""
    digits = numbers.astype("int64").astype("str").str.len()
    return _nearest(numbers, 10 ** (digits - 2).clip(lower=1))


def _nearest(numbers: pd.Series, step: pd.Series) -> pd.Series:
    rounded = ((numbers + step // 2) // step * step).astype("Int64")
    return rounded.mask((numbers > 0) & (numbers < SMALL), pd.NA)
