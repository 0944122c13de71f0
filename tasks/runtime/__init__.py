"""How stages run: context, chunks, executor, error boundary, disclosure gate, run log, progress. No pupil logic."""
