"""Coverage-guided fuzzing of what reads others' files: `make fuzz SECONDS=..`; its corpus is run in the everyday tests.

`targets` says what is fuzzed and what counts as a failure; `corpus/<target>/` holds the inputs to begin with, each of which
reaches code that no other does; `worker` is the process that atheris runs in. To add a reader: a function in `targets`, a
folder with a few inputs, and words of its format in `<target>.dict`.
"""
