"""PLASC layouts: element paths of each year's return, and their loader."""
