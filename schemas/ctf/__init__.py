"""Common Transfer File versions: the header of each version (`versions.toml`) and its schema (`ctf_<version>.xsd`).

The schemas are derived, not official (docs/reference/sources.md#ctf-versions). The file itself is written by
`tasks/io/school/ctf_writer.py`. To add a version: a block in `versions.toml` and its XSD.
"""
