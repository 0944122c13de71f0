"""Decisions about records, as pure functions over tables.

`selection` who is asked for · `evidence` what the rules judge · `lrs_form` what is sent · `batching` who goes into which
batch · `hand_over` states of a batch · `merging` answers into register and exceptions · `standing` where each record is
(held, waiting, sent ..) · `publication` what a school gets · `identifiers` UPN and ULN.

Does not belong here: Prefect, Great Expectations, files, the clock, the environment, random numbers. Inputs are not changed.
Tables are pandas frames with columns of `schemas.tables`; text is the `str` dtype, null where nothing was sent.
"""
