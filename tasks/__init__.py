"""The stages: one thin Prefect task module per stage, and `status`, the questions that need no engine.

A task unwraps references, calls a reader, a core function and a writer, and returns counts: never a table, never a
pupil's data. What decides about a pupil stands in `tasks.core`; what touches bytes in `tasks.io`.
To add a stage: a module here, its core function, its place in a flow, its row in the README's stage table.
"""

import schemas  # noqa: F401 - telemetry is off before the engine is imported
