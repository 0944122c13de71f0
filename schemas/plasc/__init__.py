"""PLASC layouts: the XML element of each pupil field (`paths.csv`), and the other contents of a return (`layouts.toml`).

To read another element: its path in `paths.csv`; for a new field also its tier there (`docs/how-to/add-a-pupil-field.md`).
An element that is known but not used: `known` in `layouts.toml`. A new year: a block in `layouts.toml`, a column in
`paths.csv`. Does not belong here: opening a return (`tasks/io/plasc`).
"""
