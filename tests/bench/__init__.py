"""The benchmark: how fast the stages are, against a floor, a plain script and a larger country; `make bench`.

Each part is a module that runs by itself (`python -m tests.bench.<part> --help`) in a process of its own, so that the
peaks of two do not mix; `__main__` runs them all and writes `build/bench.json`. Figures are ratios taken in one run.
`guard` is the part that CI runs. Belongs here: measuring. Does not belong here: what is measured, which is called as
the flows call it.
"""
