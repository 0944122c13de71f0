"""The edges: bytes in, bytes out, in families: `lake`, `plasc`, `school`, `lrs`, `remote`, `pages`, `data_root`.

An edge does not know which cycle it serves, and does not judge a pupil.
To add a format: a module with a reader or a writer over tables, golden files, and a round-trip test.
"""
