"""The time a run counts as: the only place where the clock is read.

Design law 5: rules know no clock. A run is dated by its schedule, or by what the operator says, never by when a stage
happens to be reached.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from prefect.runtime import flow_run

LONDON = ZoneInfo("Europe/London")


def scheduled_time(as_of: str | None) -> str:
    """ISO text without zone, Europe/London, to the minute: what was asked for, else when the run was scheduled."""
    if as_of is not None:
        return as_of
    planned = flow_run.get_scheduled_start_time() or dt.datetime.now(tz=LONDON)
    return planned.astimezone(LONDON).replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")
