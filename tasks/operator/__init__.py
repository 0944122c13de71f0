"""Decisions that a person makes: retry, abandon, release a hold, publish again, import an export.

Each function checks that the state allows the decision, records it with its reason, and carries it out once.
Does not belong here: the decisions that a state allows (`tasks.core.hand_over`), or commands and forms (`flows`).
"""
