"""Prefect flows: one module for each thing that a person schedules or starts again.

`census` takes returns to the LRS, `lrs_returns` takes answers to the schools, `operator` carries out a person's decision,
`upkeep` maintains a data root, `rehearsal` plays a whole cycle. `prefect.yaml` says when they run. A flow calls stages in
order, passes references and publishes counts. Does not belong here: tables, rules, pupils.
Beside them: `cli` (the terminal), `run` (parts of a flow run), `services` (long-running processes).
"""

import schemas  # noqa: F401 - turns telemetry off before the engine is imported
