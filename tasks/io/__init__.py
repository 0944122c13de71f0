"""The edges: bytes in, bytes out. Readers and writers of PLASC, LRS, CTF, workbook and zip files, and the lake.

Does not belong here: which cycle it is, or any judgement of a pupil.
To add a format: a module with a reader and a writer over tables, golden files, and a round-trip test.
"""
