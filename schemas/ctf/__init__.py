"""CTF versions: their schemas and settings, and their loader."""
