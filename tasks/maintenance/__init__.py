"""Maintenance of a data root: purge, the doctor's checks, arrivals."""
