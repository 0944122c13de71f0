"""Code tables: each a CSV file beside its loader.

To add a code: a row in the CSV file. Its Welsh and English texts stand in the same row.
"""
