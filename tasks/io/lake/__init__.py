"""The lake: Delta tables on disk or in an object store."""
