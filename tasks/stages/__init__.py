"""The stages: one Prefect task each.

A stage task takes references, calls `tasks.steps`, commits the result and returns counts. It computes nothing and returns
no table. To add a stage: a module here with a `stage_task`, its work in `tasks/steps/`, a call in the flow.
"""
