"""Questions to the lake, and decisions recorded in it.

Belongs here: who was sent, where each record is (`standing`), what holds a record (`standing.blocked_rows`), which schools
are on hold, which decisions were made. Does not belong here: Prefect, or presentation to people (`tasks.reports`).
"""
