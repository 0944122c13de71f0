"""The work of the service, in rooms. A room imports only rooms below it (docs/explanation/architecture.md).

`operator` what a person decides · `stages` one Prefect task each · `maintenance` purge, doctor, arrivals · `reports` what
people see · `steps` a stage's work for one chunk · `ledger` questions to the lake · `runtime` how stages run · `rehearsal`
synthetic Wales · `core` pure functions · `io` files and the lake.
To add a stage: a module in `stages`, its work in `steps`, its decisions in `core`, a call in a flow.
"""

import schemas  # noqa: F401 - telemetry is off before the engine is imported
