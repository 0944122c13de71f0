"""LRS layouts: columns and formats of batch and result files, and their loader."""
