"""Prefect flows: one module per thing that a person schedules or reruns; and `cli`, the same from a terminal.

A flow calls stages, passes references, names the run and publishes counts. No tables, no rule, no pupil.
Importing this package switches telemetry off before anything of the engine is imported.
"""

import os

for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)
