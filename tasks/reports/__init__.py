"""Reports for people: status, overview, exceptions, readiness, trace, slips, pages, metrics.

Reports read the lake and never write to it. Every row passes the disclosure gate (`tasks.runtime.visibility`).
"""
