"""Texts for people, in Welsh and English, and how they are looked up.

To add a text: a row in `texts.csv`, its Welsh in `locale/cy.po`.
"""
