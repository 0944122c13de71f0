"""Settings that a user may override in the data root's `reference/` folder.

To add a setting: a field in the module of its file, and its default in the shipped file beside it.
"""
