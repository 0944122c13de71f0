"""Code tables: return codes, web service codes, quarantine reasons, findings, readiness, causes of a possible match.

Each is a CSV file beside its loader, with the English texts in the row. The Welsh of a row is in `schemas/texts/locale/cy.po`
under `<table>:<code>:<column>`, for example `return_codes:RC007:label`.
To add a code: a row in the CSV file, its Welsh in `cy.po`. A data root may have its own `reference/return_codes.csv`.
"""
