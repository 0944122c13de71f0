"""What the project exists for, as pure functions over tables: selection, evidence, batches, merging, conservation.

Does not belong here: Prefect, Great Expectations, files, the clock, the environment, chance. Inputs are not changed.
Tables are pandas frames with the columns of `schemas.tables`; text is the `str` dtype, null where nothing was sent.
"""
