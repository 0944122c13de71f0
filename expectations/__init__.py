"""The rules: what a chosen record must be like before it is sent, with messages and actions in Welsh and English.

Only this room knows Great Expectations. A rule is a row in `catalogue.csv`; it judges one column of the evidence.
Not here: files, Prefect, a pupil's value in any result.
"""

import schemas  # noqa: F401 - telemetry is off before Great Expectations is imported
