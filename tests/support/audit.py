"""What somebody can work out of a published table: an auditor that knows nothing of how its numbers were hidden."""

import numpy as np
import pandas as pd
from scipy.optimize import linprog


def ranges(shown, parts, total, only=None):
    """What each hidden number can be, for whoever knows the rest, the sums, and that it is at least 1: (cell, least, most).

    Only of some cells, where they are named.
    """
    cells = [(row, column) for row in shown.index for column in shown.columns]
    place = {cell: n for n, cell in enumerate(cells)}
    equations = []
    for row in shown.index:
        for name, of in parts.items():
            equations.append({place[row, name]: -1.0} | {place[row, part]: 1.0 for part in of})
    for column in shown.columns:
        others = [row for row in shown.index if row != total]
        equations.append({place[total, column]: -1.0} | {place[row, column]: 1.0 for row in others})
    matrix = np.zeros((len(equations), len(cells)))
    for n, equation in enumerate(equations):
        for at, sign in equation.items():
            matrix[n, at] = sign
    bounds = [(1, None) if pd.isna(shown.loc[cell]) else (shown.loc[cell],) * 2 for cell in cells]
    for cell in cells:
        if pd.isna(shown.loc[cell]) and (only is None or cell in only):
            aim = np.zeros(len(cells))
            aim[place[cell]] = 1
            ends = [linprog(s * aim, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds) for s in (1, -1)]
            assert all(end.status in (0, 3) for end in ends), "what is shown agrees with itself"
            yield cell, ends[0].fun, -ends[1].fun if ends[1].status == 0 else np.inf
