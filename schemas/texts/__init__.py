"""Texts for people, in Welsh and English: `texts.csv` has the English by key, `locale/cy.po` the Welsh of every text.

Keys begin with the place where a text appears: `workbook.` (headings and sheets), `terminal.`, `pages.`, `fault.`, `help.`.
Texts of codes and rules are in their own tables (`schemas/codes`, `expectations/catalogue.csv`), their Welsh here too.
To add a text: a row in `texts.csv`, its Welsh in `cy.po`; mark it fuzzy until a translator has seen it.
"""
