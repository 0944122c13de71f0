"""Decisions about records, as pure functions over tables.

`selection` learners to ask for · `evidence` facts for the rules · `lrs_form` values as sent · `batching` rows into batches ·
`batch_states` states of a batch · `merging` answers into the register and exceptions · `standing` states of records ·
`publication` a school's files · `identifiers` UPN and ULN.

Does not belong here: Prefect, Great Expectations, files, the clock, the environment, random numbers. Inputs are not changed.
Tables are pandas frames with columns of `schemas.tables`; text is the `str` dtype, null where nothing was sent.
"""
