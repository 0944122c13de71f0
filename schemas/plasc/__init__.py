"""PLASC layouts: which XML element holds which field of a pupil (`paths.csv`), and what else a return holds (`layouts.toml`).

To read another element: its path in `paths.csv`; a new field also in `schemas/tables.py`, with its tier. An element that is
known and not used: `known` in `layouts.toml`. A new year: a block in `layouts.toml`, a column in `paths.csv`.
Does not belong here: opening a return (`tasks/io/plasc`).
"""
