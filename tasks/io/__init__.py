"""The edges: bytes in, bytes out, in families: `lake`, `plasc`, `school`, `lrs`, `remote`, `pages`, `data_root`.

Does not belong here: which cycle it is, or any judgement of a pupil.
To add a format: a module with a reader or a writer over tables, golden files, and a round-trip test.
"""
