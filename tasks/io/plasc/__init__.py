"""PLASC returns: reading XML into tables."""
