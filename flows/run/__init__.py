"""A flow run: stages in order, progress, artifacts, events, forms, schedule.

Belongs here: code that needs Prefect and that several flows share. Does not belong here: the work of a stage
(`tasks.stages`), or the terminal (`flows.cli`).
"""
