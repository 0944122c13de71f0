"""Files for schools and authorities.

`ctf_writer` writes the transfer file, `ctf_reader` reads it back as a check, `workbook` writes the Excel work list,
`exam_entries` the CSV for examinations, `slips_pdf` slips for learners, `zip_file` the zip for a school. Headings and
other texts are in `schemas/texts/texts.csv`.
"""
