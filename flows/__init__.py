"""Prefect flows: one module per thing that a person schedules or reruns; and `cli`, the same from a terminal.

The commands of `cli` are in the modules `.._commands`. A flow calls stages, passes references, names the run and publishes
counts. No tables, no rule, no pupil.
"""

import schemas  # noqa: F401 - telemetry is off before the engine is imported
