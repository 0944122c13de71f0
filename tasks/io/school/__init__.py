"""Files for schools and authorities.

`ctf_writer` the transfer file, header and pupils · `ctf_reader` reads it back as a check · `workbook` the Excel work list ·
`exam_entries` CSV for examinations · `slips_pdf` slips for learners · `zip_file` what goes back. Headings and other texts
come from `schemas/texts/texts.csv`.
"""
