"""Files for and from schools: CTF, workbook, exam entries, slips, zip."""
