"""The lake: Delta tables on disk or in an object store. Knows tables and keys (`schemas.tables`), not their meaning."""
