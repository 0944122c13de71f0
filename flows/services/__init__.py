"""Long-running services and checks beside the flows: serve, watch, notify, doctor.

Belongs here: processes that run on a server beside the scheduled flows. Does not belong here: what they check or report
(`tasks.maintenance`, `tasks.reports`).
"""
