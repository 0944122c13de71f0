"""LRS layouts: columns of batch and result files (`2A.toml`, `3A.toml`, `WS.toml`), and the schemas of the web service.

The order of 3A is not public (docs/reference/sources.md#lrs-3a). To add a layout: a TOML file here, or in the data root's
`reference/lrs/`. Does not belong here: reading and writing the files (`tasks/io/lrs`).
"""
