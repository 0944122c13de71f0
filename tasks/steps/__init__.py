"""The work of each stage for one chunk of schools.

A step reads slices of the lake, calls `tasks.core` and returns tables. No engine, no writing: a worker may run it, be lost
and be replaced. To add a step: a function of a context and a chunk, over values that can be pickled.
"""
