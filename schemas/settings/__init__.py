"""Settings that a person may override in the data root's `reference/` folder.

Each is a shipped file beside the module that checks it: access, locations of folders, names, pages, terms (exceptions,
retention, volume, watching). To add a setting: a field in its module, its default in the shipped file.
"""
