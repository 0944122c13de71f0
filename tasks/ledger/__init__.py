"""Questions to the lake, and decisions recorded in it.

Belongs here: who was sent, the state of each record (`standing`), which records are held (`standing.rows_held`), which
schools are on hold, which decisions were made. Does not belong here: Prefect, or presentation to people (`tasks.reports`).
"""
