"""Maintenance of a data root: purge, the doctor's checks, arrivals.

Does not belong here: schedules (`flows.upkeep`, `flows.services`), or how long data is kept (`schemas/settings`).
"""
