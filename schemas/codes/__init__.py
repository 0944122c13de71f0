"""Code tables: each a CSV file beside its loader.

To add a code: a row in the CSV file with its English, and its Welsh in `schemas/texts/locale/cy.po`.
"""
